"""One message to one address: signed, to public addresses only, and over in time whatever the receiver does."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import certifi
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from rollbook.server.notices import addresses, webhooks
from rollbook.server.notices.webhooks import new_secret, rotated, send, settled, wrong_address

from . import receivers

CONTENT = {"type": "report.sent", "timestamp": "2026-03-01T00:00:00Z", "data": {"customer": "Académie", "used": 3}}


def test_a_receiver_verifies_the_signature_with_the_library_of_the_standard() -> None:
    secret = new_secret()
    with receivers.webhooks() as receiver:
        assert send(receiver.url, secret, "msg_1", CONTENT, private=True).error == ""
    [(headers, body)] = receiver.got
    assert Webhook(secret).verify(body, headers) == CONTENT
    assert headers["webhook-id"] == "msg_1"
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"3", b"4"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


def test_while_secrets_rotate_both_verify_and_afterwards_the_new_one_alone() -> None:
    old = new_secret()
    both = rotated(old)
    new = settled(both)
    with receivers.webhooks() as receiver:
        send(receiver.url, both, "msg_1", CONTENT, private=True)
        send(receiver.url, new, "msg_2", CONTENT, private=True)
    [(first, first_body), (second, second_body)] = receiver.got
    assert Webhook(old).verify(first_body, first) == Webhook(new).verify(first_body, first) == CONTENT
    assert Webhook(new).verify(second_body, second) == CONTENT
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(second_body, second)
    # A third secret ends the first: two sign at once.
    assert old not in rotated(both)
    assert len(rotated(both)) <= 200  # the column's length


def test_a_secret_has_the_length_that_the_standard_asks_for() -> None:
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(secret) == len("whsec_") + 32  # 24 bytes in base64
    assert secret != new_secret()


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_takes_the_message(status: int) -> None:
    with receivers.webhooks() as receiver:
        receiver.statuses = [status]
        assert send(receiver.url, new_secret(), "msg_1", CONTENT, private=True) == webhooks.Result(status=status)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_other_statuses_are_tried_again(status: int) -> None:
    with receivers.webhooks() as receiver:
        receiver.statuses = [status]
        found = send(receiver.url, new_secret(), "msg_1", CONTENT, private=True)
    assert (found.error, found.final, found.gone) == (f"the answer was {status}", False, False)


def test_a_receiver_may_ask_for_more_time_and_gets_a_day_at_most() -> None:
    with receivers.webhooks() as receiver:
        receiver.statuses, receiver.headers = [503], {"Retry-After": "120"}
        assert send(receiver.url, new_secret(), "msg_1", CONTENT, private=True).wait == 120
        receiver.headers = {"Retry-After": "9999999"}
        assert send(receiver.url, new_secret(), "msg_1", CONTENT, private=True).wait == 86_400
        receiver.headers = {"Retry-After": "9" * 5000}
        assert send(receiver.url, new_secret(), "msg_1", CONTENT, private=True).wait == 0


def test_gone_is_final() -> None:
    with receivers.webhooks() as receiver:
        receiver.statuses = [410]
        found = send(receiver.url, new_secret(), "msg_1", CONTENT, private=True)
    assert found.gone
    assert found.final


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_to_an_address_inside_gets_nothing(status: int) -> None:
    with receivers.webhooks() as inside, receivers.webhooks() as receiver:
        receiver.statuses, receiver.headers = [status], {"Location": inside.url}
        found = send(receiver.url, new_secret(), "msg_1", CONTENT, private=True)
    assert "redirection" in found.error
    assert inside.got == []


def test_an_address_inside_gets_nothing_unless_the_setting_allows_it(tmp_path: Path) -> None:
    context, _ = receivers.certificate(tmp_path, "localhost")
    with receivers.webhooks(context) as inside:
        port = inside.url.rsplit(":", 1)[1].removesuffix("/hook")
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"):
            found = send(f"https://{host}:{port}/hook", new_secret(), "msg_1", CONTENT, private=False)
            assert "inside a network" in found.error, host
        assert inside.got == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104 - nobody binds it
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2002:a00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "fc00::1",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
    ],
)
def test_it_is_no_address_of_the_open_internet(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_it_is_an_address_of_the_open_internet(address: str) -> None:
    assert addresses.is_public(address)


def test_a_name_that_changes_its_address_after_the_check_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked for once, and what it said is connected to: a second answer is never heard."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def rebinding(host: str, port: int, *args: object, **kwargs: object) -> object:
        if host != "rebinding.example":
            return really(host, port, *args, **kwargs)  # type: ignore[arg-type]
        asked.append(host)
        # First an address kept for examples that is let through here; then the loopback interface.
        return [(2, 1, 6, "", ("192.0.2.1" if len(asked) == 1 else "127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(addresses, "is_public", lambda it: it == "192.0.2.1")
    monkeypatch.setattr(webhooks, "SECONDS_MAX", 0.3)
    with receivers.webhooks() as inside:
        port = inside.url.rsplit(":", 1)[1].removesuffix("/hook")
        found = send(f"https://rebinding.example:{port}/", new_secret(), "msg_1", CONTENT, private=False)
    assert found.unreachable
    assert asked == ["rebinding.example"]
    assert inside.got == []


def test_a_name_with_one_address_inside_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(2, 1, 6, "", ("8.8.8.8", 443)), (2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    found = send("https://both.example/", new_secret(), "msg_1", CONTENT, private=False)
    assert "inside a network" in found.error


def test_tls_proves_the_host_of_the_address_and_not_the_number_that_was_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = receivers.certificate(tmp_path, "localhost")
    with receivers.webhooks(context, host="localhost") as receiver:
        refused = send(receiver.url, new_secret(), "msg_1", CONTENT, private=True)
        monkeypatch.setattr(certifi, "where", lambda: str(trusted))
        taken = send(receiver.url, new_secret(), "msg_2", CONTENT, private=True)
        other = send(receiver.url.replace("localhost", "127.0.0.1"), new_secret(), "msg_3", CONTENT, private=True)
    assert "certificate" in refused.error
    assert taken.error == ""
    assert "certificate" in other.error
    assert receiver.ids == ["msg_2"]


def test_an_endless_answer_is_not_read() -> None:
    with receivers.webhooks() as receiver:
        receiver.answer = receivers.endless_body
        began = time.monotonic()
        assert send(receiver.url, new_secret(), "msg_1", CONTENT, private=True).error == ""
        assert time.monotonic() - began < 2
        # The receiver notices that nobody listens: the connection is closed, not drained.
        assert receiver.ended.wait(5)


def test_endless_headers_are_too_long() -> None:
    with receivers.webhooks() as receiver:
        receiver.answer = receivers.endless_headers
        assert send(receiver.url, new_secret(), "msg_1", CONTENT, private=True).error
        assert receiver.ended.wait(5)


def test_an_answer_that_drips_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte each 0.05 s keeps any time-out of single reads waiting; the deadline of 0.5 s is for all of it."""
    monkeypatch.setattr(webhooks, "SECONDS_MAX", 0.5)
    with receivers.webhooks() as receiver:
        receiver.answer = receivers.slow_drip
        began = time.monotonic()
        found = send(receiver.url, new_secret(), "msg_1", CONTENT, private=True)
        assert time.monotonic() - began < 2
    assert "no answer within" in found.error
    assert found.unreachable


def test_what_is_no_http_is_told_and_tried_again() -> None:
    with receivers.webhooks() as receiver:
        receiver.answer = receivers.not_http
        found = send(receiver.url, new_secret(), "msg_1", CONTENT, private=True)
    assert (found.error, found.final) == ("the answer is not HTTP, or too long", False)


def test_a_host_that_is_none_and_a_port_where_nobody_listens_are_tried_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/"
    for url in (nobody, "https://no-such-host.invalid/", f"https://{'a' * 70}.example/"):
        found = send(url, new_secret(), "msg_1", CONTENT, private=True)
        assert found.unreachable, url
        assert not found.final


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "https://",
        "https:///path",
        "https://user:secret@example.org/",
        "https://user@example.org/",
        "https://example.org:99999/",
        "https://[::1/",
        "https://example.org/a b",
        "https://example.org/\r\nx: y",
        "https://exämple.org/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_that_could_not_or_should_not_be_called_is_refused_in_words(url: str) -> None:
    found = wrong_address(url)
    assert found is not None
    assert found.rule
    assert found.remedy
    assert send(url, new_secret(), "msg_1", CONTENT, private=False).final


def test_an_address_over_tls_is_taken_and_without_it_only_where_the_setting_allows_it() -> None:
    assert wrong_address("https://example.org/hook?of=rollbook") is None
    assert wrong_address("http://10.0.0.1:8080/hook", private=True) is None


def test_the_body_is_the_same_at_every_attempt_whatever_order_a_database_keeps_keys_in() -> None:
    turned = dict(reversed(CONTENT.items()))
    assert webhooks.body_of(CONTENT) == webhooks.body_of(turned)
    assert json.loads(webhooks.body_of(CONTENT)) == CONTENT


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect to wherever it likes, behind the check of addresses."""
    with receivers.webhooks() as proxy, receivers.webhooks() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert send(receiver.url, new_secret(), "msg_1", CONTENT, private=True).error == ""
    assert proxy.got == []
    assert receiver.ids == ["msg_1"]
