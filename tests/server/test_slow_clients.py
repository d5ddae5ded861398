"""Clients that send a byte now and then, or nothing at all, keep nobody else waiting; served as people run it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from .operated import Operated, Serving

NGINX = (Path(__file__).parents[2] / "deploy/nginx.conf").read_text()
KEY = """
from rollbook.server.access import keys
print(keys.make(name="setup", scopes=["manage"], customer=None)[1])
"""
AWAY = 5.0
"""Seconds after which an answer would be one that somebody waited for. A machine that is busy takes one or two."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, str]]:
    folder = tmp_path_factory.mktemp("slow")
    operated = Operated(folder, f"sqlite:///{folder}/rollbook.db")
    operated.done("migrate")
    key = operated.python(KEY)
    with operated.serving() as serving:
        yield serving, key


@contextmanager
def connected(serving: Serving, count: int, begun: str) -> Iterator[list[socket.socket]]:
    """So many connections on which a request has begun, and does not end."""
    port = int(serving.url.rsplit(":", 1)[1])
    with ExitStack() as stack:
        them = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(count)]
        for it in them:
            it.sendall(begun.encode())
        time.sleep(1)
        yield them


def body_of(path: str) -> str:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        '{"name"'
    )


@pytest.mark.parametrize("path", ["/v1/session", "/v1/session/password-link", "/signin", "/v1/facts", "/v1/customers"])
def test_bodies_that_never_end_of_people_without_a_key_leave_threads_for_all_others(served, path: str) -> None:
    """Twelve bodies against four threads: two are read, all others are answered at once."""
    serving, key = served
    with connected(serving, 12, body_of(path)), httpx.Client(base_url=serving.url, timeout=20) as others:
        began = time.monotonic()
        for number in range(4):
            made = others.post(
                "/v1/customers",
                json={"name": f"Customer {path} {number}"},
                headers={"Authorization": f"Bearer {key}"},
            )
            assert made.status_code == 201, made.text
            assert others.get("/v1/session").status_code == 200
        assert time.monotonic() - began < AWAY
    # They are gone, and so is what they held.
    for _ in range(50):
        last = httpx.post(f"{serving.url}/v1/session", json={"name": "a", "password": "b"}, timeout=20)
        if last.status_code != 503:
            break
        time.sleep(0.2)
    assert last.status_code == 403  # there is no token with it


def test_who_comes_while_they_are_read_is_told_to_come_again(served) -> None:
    serving, _ = served
    with connected(serving, 2, body_of("/v1/session")):
        busy = httpx.post(f"{serving.url}/v1/session", json={"name": "a", "password": "b"}, timeout=20)
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "1")
        assert busy.json()["problems"][0]["code"] == "busy"


def test_headers_that_never_end_keep_nobody_waiting_and_are_ended_in_time(served) -> None:
    serving, _ = served
    with connected(serving, 300, "GET /v1/session HTTP/1.1\r\nHost: localhost\r\n") as them:
        began = time.monotonic()
        assert httpx.get(f"{serving.url}/v1/session", timeout=20).status_code == 200
        assert time.monotonic() - began < AWAY
        # Ten seconds are given for the headers; then the connection is closed, with an answer or without.
        for it in them[:3]:
            it.settimeout(30)
            while it.recv(1000):
                pass
        assert time.monotonic() - began < 30


def test_the_proxy_that_is_shipped_keeps_slow_clients_to_itself() -> None:
    said = [line.strip() for line in NGINX.splitlines()]
    for line in (
        "proxy_request_buffering on;",
        "client_header_timeout 10s;",
        "client_body_timeout 10s;",
        "limit_conn_zone $binary_remote_addr zone=rollbook_connections:10m;",
        "limit_conn rollbook_connections 200;",
        "reset_timedout_connection on;",
    ):
        assert line in said, line
    assert "proxy_request_buffering off;" not in said
    # Paths hold learners' ids: neither of its servers writes them down.
    assert said.count("access_log off;") == said.count("server {") == 2
