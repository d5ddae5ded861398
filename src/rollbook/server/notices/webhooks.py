"""Sends one message to one address, as the standard for webhooks says (https://www.standardwebhooks.com).

The body is signed with every secret of the endpoint, so that a receiver may change to a new one at leisure. Redirects
are not followed, nothing of the answer but its status is used, and its body is never read.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpcore
from standardwebhooks import Webhook

from rollbook.errors import Problem
from rollbook.server.notices.addresses import Guarded, NotPublicError

SECONDS_MAX = 10.0
"""A receiver has so long to accept a connection, read the message and answer."""

SECRETS_MAX = 2
"""Secrets that sign at once: the new one, and the one that it replaces."""

SECRET_BYTES = 24
"""Length of a secret; the standard asks for 24 to 64."""

RETRY_AFTER_MAX = 86_400
"""A receiver that asks for more time gets at most a day."""

GONE = 410


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt.

    error        why it was not taken, in words; empty where it was
    final        trying again would change nothing
    gone         the receiver wants nothing any more
    unreachable  nobody answered: other messages to the same address would fail too
    wait         seconds that the receiver asked for
    status       of its answer; 0 where there was none
    """

    error: str = ""
    final: bool = False
    gone: bool = False
    unreachable: bool = False
    wait: int = 0
    status: int = 0


def new_secret() -> str:
    """A secret for an endpoint."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def rotated(stored: str) -> str:
    """The stored secrets with a new one first; the one before it signs too, until the next rotation or `settled`."""
    return " ".join([new_secret(), *stored.split()][:SECRETS_MAX])


def settled(stored: str) -> str:
    """The newest of the stored secrets alone, once the receiver uses it."""
    return stored.split(maxsplit=1)[0]


def wrong_address(url: str, *, private: bool = False) -> Problem | None:
    """Why webhooks cannot go to an address; None where they can. Whether its host is public is seen when it is called.

    private  whether addresses inside the network, and such without TLS, are allowed (ROLLBOOK_WEBHOOKS_PRIVATE)
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return Problem("url", "it is no address", "write https://host/path")
    if parts.scheme not in (("https", "http") if private else ("https",)):
        return Problem("url", "messages go over TLS only", "write an address that begins with https://")
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        return Problem("url", "it is no address", "write https://host/path, other letters in their encoded form")
    if parts.username is not None or parts.password is not None:
        rule = "it carries a name or a password, which would stand in lists and logs"
        return Problem("url", rule, "leave it out: every message is signed, which proves who sends it")
    return None


def body_of(content: Mapping[str, Any]) -> bytes:
    """The JSON that goes out, the same at every attempt."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def signatures(stored: str, message_id: str, at: datetime, body: bytes) -> str:
    """What stands in `webhook-signature`: one for each secret."""
    return " ".join(Webhook(secret).sign(message_id, at, body.decode()) for secret in stored.split()[:SECRETS_MAX])


def send(url: str, stored: str, message_id: str, content: Mapping[str, Any], *, private: bool) -> Result:
    """One attempt. Never raises for what a receiver or the network does."""
    if wrong := wrong_address(url, private=private):
        return Result(f"{wrong.rule}; {wrong.remedy}", final=True)
    at, body = datetime.now(UTC), body_of(content)
    headers = [
        ("content-type", "application/json"),
        ("user-agent", "Rollbook"),
        ("accept", "*/*"),
        ("connection", "close"),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", signatures(stored, message_id, at, body)),
    ]
    within = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS_MAX)
    try:
        with (
            httpcore.ConnectionPool(network_backend=Guarded(SECONDS_MAX, private=private)) as pool,
            pool.stream("POST", url, headers=headers, content=body, extensions={"timeout": within}) as response,
        ):
            return _judged(response)
    except (NotPublicError, httpcore.NetworkError, httpcore.TimeoutException, OSError, UnicodeError) as error:
        words = next(words for kind, words in _UNREACHABLE if isinstance(error, kind))
        return Result(words, unreachable=True)
    except httpcore.ProtocolError:
        return Result("the answer is not HTTP, or too long")


_UNREACHABLE: tuple[tuple[type[Exception], str], ...] = (
    (NotPublicError, "its host is inside a network, and messages go to public addresses only"),
    (httpcore.TimeoutException, f"no answer within {SECONDS_MAX:.0f} seconds"),
    (socket.gaierror, "its host has no address"),
    (UnicodeError, "its host has no address"),
    (Exception, "no connection, or one without a certificate that can be trusted"),
)
"""Why nobody answered, the first that fits."""


def _judged(response: httpcore.Response) -> Result:
    """What a status means. Only 2xx says that the message was taken."""
    status = response.status
    if 200 <= status < 300:  # noqa: PLR2004 - the statuses of success
        return Result(status=status)
    if status == GONE:
        return Result("the receiver says that it is gone (410)", final=True, gone=True, status=status)
    if 300 <= status < 400:  # noqa: PLR2004 - the statuses of redirection
        return Result(f"the answer was a redirection ({status}), and none is followed", status=status)
    asked = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    wait = min(int(asked), RETRY_AFTER_MAX) if asked.isdigit() and len(asked) < 8 else 0  # noqa: PLR2004 - no longer
    return Result(f"the answer was {status}", wait=wait, status=status)
