"""Logs: one JSON object a line on standard error, for programs; `ROLLBOOK_LOG_FORMAT=console` for people.

With `quiet` it is as with `console`, and only what went wrong is told.

No log names a learner. A request is told by its route as it is declared, never by its path, its query, a header or a
body; whoever asked, by the prefix of the key or the number of the user. Of an error its kind and its frames are
written and never its text, which may quote a row; this holds for every library's log, too.
"""

from __future__ import annotations

import os
import re
import sys
import time
import traceback
import uuid
from collections.abc import Callable, MutableMapping
from typing import Any

import stamina
import structlog
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

log = structlog.get_logger("rollbook.server.requests")

FRAMES_MAX = 20

GIVEN_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
"""What a proxy may call a request. Anything else is replaced."""

QUIET = ("django.request", "django.security", "django.server", "django.db.backends", "httpx", "httpcore")
"""Loggers whose lines quote addresses, headers or statements; what they say stands in our own lines."""

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def configured(style: str) -> dict[str, Any]:
    """Sets up structlog, and gives what Django's `LOGGING` is to be. `style` is json, console or quiet."""
    stamina.instrumentation.set_on_retry_hooks([_retried])
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return {
        **_to_standard_error(style),
        "root": {"handlers": ["lines"], "level": "WARNING"},
        "loggers": {
            "rollbook": {"level": level_of(style).upper()},
            # Django gives these handlers of its own unless they are named.
            "django": {"handlers": [], "level": "WARNING"},
            **{name: {"handlers": [], "level": "CRITICAL", "propagate": False} for name in QUIET},
        },
    }


def of_granian(style: str) -> dict[str, Any]:
    """The same for the HTTP server's own lines: it began, a process ended. It logs no requests."""
    quiet = {"handlers": [], "level": "CRITICAL", "propagate": False}
    return {
        **_to_standard_error(style),
        "loggers": {
            "_granian": {"handlers": ["lines"], "propagate": False},
            "granian.access": quiet,
        },
    }


def formatter(style: str) -> structlog.stdlib.ProcessorFormatter:
    """How lines are written."""
    coloured = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
    console = structlog.dev.ConsoleRenderer(colors=coloured)
    writes: Any = console if style in ("console", "quiet") else structlog.processors.JSONRenderer()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, writes],
    )


def level_of(style: str) -> str:
    """From which level on lines are written."""
    return "warning" if style == "quiet" else "info"


def _to_standard_error(style: str) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "rollbook.server.observing.logs.formatter", "style": style}},
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
    }


def _shared() -> list[Any]:
    """What happens to every line, whoever wrote it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_texts,
    ]


def _without_texts(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An error as its kind and its frames."""
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    record = event.get("_record")
    if record is not None:
        # The formatter would add the text by itself.
        record.exc_info = record.exc_text = None
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
        event["error"] = type(error).__qualname__
        event["frames"] = [f"{it.filename}:{it.lineno} {it.name}" for it in frames]
    return event


def _retried(details: stamina.instrumentation.RetryDetails) -> None:
    """What was tried again and why, without what it was called with."""
    structlog.get_logger("rollbook.server.retries").warning(
        "retry", of=details.name, attempt=details.retry_num, after_seconds=details.wait_for, error=_kind(details)
    )


def _kind(details: stamina.instrumentation.RetryDetails) -> str:
    return type(details.caused_by).__qualname__


def requests(get_response: GetResponse) -> GetResponse:
    """The middleware, outermost: one line a request, and the request's id in every line that is written within it."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        number = _id_of(request)
        with structlog.contextvars.bound_contextvars(request=number):
            answer = get_response(request)
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            log.info(
                "request",
                method=method_of(request),
                route=route_of(request),
                status=answer.status_code,
                milliseconds=milliseconds,
                principal=principal_of(request),
            )
        answer["X-Request-Id"] = number
        return answer

    return middleware


def _id_of(request: HttpRequest) -> str:
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    trusted = settings.CONFIGURATION["ROLLBOOK_TRUSTED_PROXIES"] > 0
    return given if trusted and GIVEN_ID.fullmatch(given) else uuid.uuid4().hex


def method_of(request: HttpRequest) -> str:
    """The method, where it is one of those there are: the text of others is the sender's."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return request.method if request.method in known else "other"


def route_of(request: HttpRequest) -> str:
    """The route as it is declared, such as `v1/subscriptions/<number>/usage`; there are so many and no more."""
    probe = getattr(request, "rollbook_probe", "")
    found = request.resolver_match
    return str(probe or (found.route if found is not None else "") or "unmatched")


def principal_of(request: HttpRequest) -> str:
    """Who asked: `key rbk_ab12`, `operator 3`, or nobody. Asks the database nothing that was not asked."""
    known = getattr(request, "auth", None)
    kind = getattr(known, "kind", "nobody")
    if kind == "key":
        return f"key {getattr(known, 'name', '')}"
    if kind != "nobody":
        return f"{kind} {getattr(known, 'number', 0)}"
    user = getattr(request, "_cached_user", None)
    return f"{user.role} {user.pk}" if user is not None and user.is_authenticated else "nobody"
