"""A WSGI application that takes its time, to see what becomes of requests under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

SECONDS = 2.0


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/healthz":
        time.sleep(SECONDS)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done\n"]
