"""One call of the API, repeated where that may help.

A connection that fails, 429 and 5xx are repeated with growing pauses, as long as the server asked where it did; any
other refusal never is. Redirections are not followed, so the key goes to the address that was given and nowhere else.
Answers are bounded, and nothing that was sent appears in a message.
"""

from __future__ import annotations

import email.utils
import ipaddress
import time
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import stamina
from stamina.instrumentation import LoggingOnRetryHook, get_on_retry_hooks, set_on_retry_hooks

from rollbook.client.errors import ClientError, RefusedError, UnavailableError
from rollbook.errors import Problem, UsageError

ANSWER_BYTES_MAX = 64 * 1024 * 1024
PAUSE_MAX_SECONDS = 30.0
"""Longest pause between two attempts that we choose ourselves."""

TOO_MANY, SERVER_FAILED, REDIRECTED = 429, 500, 300

T = TypeVar("T")


class _Said(msgspec.Struct, frozen=True):
    """One problem in the body of a refusal."""

    code: str = ""
    rule: str = ""
    remedy: str = ""


class _Problems(msgspec.Struct, frozen=True):
    """The one shape of the API's refusals."""

    problems: list[_Said] = []


def quiet_retries() -> None:
    """Makes stamina tell of retries by `logging`, where structlog is installed and nobody said where it writes.

    It would write to standard output, which belongs to the program that sends.
    """
    try:
        import structlog  # noqa: PLC0415 - it is not ours, and may not be there
    except ImportError:
        return
    hooks = get_on_retry_hooks()
    if structlog.is_configured() or not any(it.__module__ == "stamina.instrumentation._structlog" for it in hooks):
        return
    kept = [it for it in hooks if it.__module__ != "stamina.instrumentation._structlog"]
    set_on_retry_hooks([*kept, LoggingOnRetryHook])


class Calls:
    """Calls of one server with one key.

    timeout_seconds  of one attempt, to connect and between two pieces of an answer
    retry_seconds    how long one call may be repeated; 0 is one attempt
    """

    def __init__(
        self, url: str, key: str, *, timeout_seconds: float, retry_seconds: float, allow_plain_http: bool
    ) -> None:
        self.url = _checked(url, allow_plain_http=allow_plain_http)
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError(Problem("key", "it is empty, or no API key", "give the key as the server printed it"))
        self._retry_seconds = retry_seconds
        self._http = httpx.Client(
            headers={"authorization": f"Bearer {key}", "accept": "application/json", "user-agent": "rollbook-client"},
            timeout=httpx.Timeout(timeout_seconds),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def get(self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        """Asks, and reads the answer as `kind`. Raises as `call`."""
        return _read(self.call("GET", path, query=query), kind, path)

    def post(
        self,
        path: str,
        kind: type[T],
        body: bytes,
        content_type: str = "application/json",
        *,
        retry_seconds: float | None = None,
    ) -> T:
        """Sends a body, and reads the answer as `kind`. Raises as `call`."""
        answer = self.call("POST", path, body=body, content_type=content_type, retry_seconds=retry_seconds)
        return _read(answer, kind, path)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "",
        query: Mapping[str, str] | None = None,
        retry_seconds: float | None = None,
    ) -> bytes:
        """The body of a 2xx answer. `retry_seconds` is for this call alone; 0 is a single attempt.

        Raises UnavailableError when every attempt failed, and RefusedError for a refusal.
        """
        until = time.monotonic() + (self._retry_seconds if retry_seconds is None else retry_seconds)

        def pause(error: Exception) -> bool | float:
            """Whether to try again, or after how many seconds; not where the server asks for more than are left."""
            if not isinstance(error, UnavailableError):
                return False
            left = until - time.monotonic()
            if left <= 0 or error.after_seconds > left:
                return False
            return error.after_seconds or True

        context = stamina.retry_context(
            on=pause, attempts=None, timeout=None, wait_initial=0.2, wait_max=PAUSE_MAX_SECONDS, wait_jitter=0.3
        )
        for attempt in context:
            with attempt:
                return self._once(method, path, body, content_type, query)
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _once(
        self, method: str, path: str, body: bytes | None, content_type: str, query: Mapping[str, str] | None
    ) -> bytes:
        headers = {"content-type": content_type} if content_type else {}
        try:
            with self._http.stream(
                method, self.url + path, content=body, headers=headers, params=query or None
            ) as response:
                answer = _bounded(response)
        except httpx.HTTPError as error:
            rule = f"the server does not answer ({type(error).__name__})"
            raise UnavailableError(
                Problem(self.url, rule, "check that it runs and can be reached from here")
            ) from error
        if response.is_success:
            return answer
        raise self._error(response, answer)

    def _error(self, response: httpx.Response, answer: bytes) -> ClientError:
        status = response.status_code
        try:
            problems = msgspec.json.decode(answer, type=_Problems).problems
        except (msgspec.MsgspecError, UnicodeDecodeError):
            problems = []
        said = problems[0] if problems else _Said()
        rule = said.rule or response.reason_phrase or "no reason given"
        if status == TOO_MANY or status >= SERVER_FAILED:
            problem = Problem(self.url, f"the server answers {status}: {rule}", said.remedy or "try again later")
            return UnavailableError(problem, _after(response.headers.get("retry-after", "")))
        if REDIRECTED <= status < 400:  # noqa: PLR2004 - where HTTP's refusals begin
            remedy = "give the address that it really has; is https:// missing?"
            return RefusedError(Problem(self.url, "the server sends us elsewhere", remedy), status)
        remedy = said.remedy or _REMEDIES.get(status, "look into the server's log by the request's id")
        return RefusedError(Problem(self.url, f"the server answers {status}: {rule}", remedy), status)


_REMEDIES = {
    401: "check the key: it may be mistyped, expired or revoked",
    403: "give the key the scope that this call needs",
    404: "check the address and the number of the subscription",
    413: "lower batch_bytes_max below what the server takes",
}


def _checked(url: str, *, allow_plain_http: bool) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or port == 0 or parts.query or parts.fragment or "@" in url:
        raise UsageError(Problem("url", "it is no address of a server", "write it as https://rollbook.example.org"))
    if parts.scheme == "http" and not allow_plain_http and not _is_here(host):
        rule = "everybody on the way could read the key and the learners"
        raise UsageError(Problem(url, rule, "use https://, or allow_plain_http=True inside a network of your own"))
    return url.rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _bounded(response: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            rule = f"the answer is larger than {ANSWER_BYTES_MAX:,} bytes"
            raise ClientError(Problem(str(response.url.host), rule, "is this the address of a Rollbook server?"))
    return b"".join(parts)


def _after(text: str) -> float:
    """Seconds that Retry-After asks for, written as a number or as a date (RFC 9110, section 10.2.3)."""
    text = text.strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _read(answer: bytes, kind: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        rule = f"the answer cannot be read: {error}"
        raise ClientError(Problem(path, rule, "is this a Rollbook server, and of this version?")) from error
