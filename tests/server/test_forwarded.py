"""What a request claims about where it comes from, and how, is believed of a trusted proxy alone.

Served as people run it, and asked over raw connections: what becomes of a header is the HTTP server's doing, too.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook.server.access.throttle import SIGN_IN_SECONDS

from .operated import Operated, Serving

NGINX = (Path(__file__).parents[2] / "deploy/nginx.conf").read_text()

CLAIMS_OF_TLS = (
    "X-Forwarded-Proto: https",
    "X_Forwarded_Proto: https",
    "X-Forwarded-Protocol: https",
    "X-Forwarded-Ssl: on",
    "X-Url-Scheme: https",
    "Front-End-Https: on",
    "Forwarded: for=192.0.2.1;proto=https",
    "wsgi.url_scheme: https",
)


def asked(port: int, *lines: str, target: str = "/v1/customers", method: str = "GET", body: str = "") -> str:
    """The whole answer to a request of these lines."""
    head = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *lines]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as to:
        to.sendall(("\r\n".join(head) + "\r\n\r\n" + body).encode("ascii"))
        return b"".join(iter(lambda: to.recv(65_536), b"")).decode()


def status(answer: str) -> int:
    return int(answer.split(" ", 2)[1])


def sign_ins(port: int, account: str, *claims: str) -> list[int]:
    """The statuses of wrong passwords for one account, one for each claim; 11 of one address are one too many."""
    begun = asked(port, target="/v1/session")
    token = json.loads(begun.partition("\r\n\r\n")[2])["csrf_token"]
    cookie = re.search(r"(?i)set-cookie:\s+(csrftoken=[^;]+)", begun)
    assert cookie
    body = json.dumps({"name": account, "password": "not the password"})
    lines = (f"Cookie: {cookie[1]}", f"X-CSRFToken: {token}")
    quarter = time.time() // SIGN_IN_SECONDS
    found = [
        status(asked(port, *lines, *filter(None, [claim]), target="/v1/session", method="POST", body=body))
        for claim in claims
    ]
    # With each quarter of an hour counts begin anew.
    return found if time.time() // SIGN_IN_SECONDS == quarter else sign_ins(port, f"again-{account}", *claims)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Operated:
    folder = tmp_path_factory.mktemp("forwarded")
    made = Operated(folder, f"sqlite:///{folder}/rollbook.db")
    made.done("migrate")
    return made


def port_of(serving: Serving) -> int:
    return int(serving.url.rsplit(":", 1)[1])


@pytest.fixture
def serve(operated: Operated) -> Iterator[object]:
    running = []

    def begin(**settings: str) -> int:
        one = Operated(operated.folder, operated.database_url, settings)
        context = one.serving()
        running.append(context)
        return port_of(context.__enter__())

    yield begin
    for context in running:
        context.__exit__(None, None, None)


def test_without_a_trusted_proxy_no_header_makes_it_tls_or_another_host(serve) -> None:
    port = serve(ROLLBOOK_TLS="true", ROLLBOOK_TRUSTED_PROXIES="0")
    assert {claim: status(asked(port, claim)) for claim in CLAIMS_OF_TLS} == dict.fromkeys(CLAIMS_OF_TLS, 426)
    assert status(asked(port, target="https://localhost/v1/customers")) == 426
    for claim in ("X-Forwarded-Host: evil.example", "X_Forwarded_Host: evil.example", "Forwarded: host=evil.example"):
        moved = asked(port, claim, target="/signin")
        assert status(moved) == 301
        assert "location: https://localhost/signin" in moved.lower()
        assert "evil.example" not in moved


def test_without_a_trusted_proxy_nobody_chooses_the_address_that_attempts_are_counted_for(serve) -> None:
    port = serve(ROLLBOOK_TRUSTED_PROXIES="0")
    for name in ("X-Forwarded-For", "X_Forwarded_For", "X-Real-IP", "Forwarded", "Remote_Addr", "REMOTE-ADDR"):
        claims = [f"{name}: {'for=' * (name == 'Forwarded')}198.51.100.{n}" for n in range(11)]
        # Ten attempts of one address at one account, and the eleventh is one too many, whatever they claim.
        assert sign_ins(port, f"{name}@example.org", *claims) == [401] * 10 + [429], name


def test_of_a_trusted_proxy_the_last_address_is_believed_and_nothing_before_it(serve) -> None:
    port = serve(ROLLBOOK_TRUSTED_PROXIES="1")
    set_by_proxy = [f"X-Forwarded-For: 198.51.100.{n}" for n in range(11)]
    assert sign_ins(port, "one@example.org", *set_by_proxy) == [401] * 11
    added_by_proxy = [f"X-Forwarded-For: 198.51.100.{n}, 192.0.2.7" for n in range(11)]
    assert sign_ins(port, "two@example.org", *added_by_proxy) == [401] * 10 + [429]


def test_behind_a_proxy_a_name_with_underscores_overwrites_one_with_hyphens(serve) -> None:
    """Why the proxy has to drop it: WSGI knows both by one name. Where this fails, the documentation is out of date."""
    port = serve(ROLLBOOK_TLS="true", ROLLBOOK_TRUSTED_PROXIES="1")
    assert status(asked(port, "X-Forwarded-Proto: http")) == 426
    assert status(asked(port, "X-Forwarded-Proto: http", "X_Forwarded_Proto: https")) == 401


def test_the_proxy_that_is_shipped_drops_and_replaces_what_clients_claim() -> None:
    said = [line.strip() for line in NGINX.splitlines() if line.strip() and not line.strip().startswith("#")]
    tls = said[said.index("listen 443 ssl;") :]
    for line in (
        "underscores_in_headers off;",
        "ignore_invalid_headers on;",
        "proxy_set_header Host $host;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        'proxy_set_header X-Forwarded-Host "";',
        'proxy_set_header X-Real-IP "";',
        'proxy_set_header Forwarded "";',
    ):
        assert tls.count(line) == 1, line
    assert "$proxy_add_x_forwarded_for" not in NGINX
