"""The one place where the server asks what time it is. Everything below takes it as a parameter."""

from __future__ import annotations

import time
from collections.abc import Callable


def _system_ns() -> int:
    return time.time_ns()


source_ns: Callable[[], int] = _system_ns
"""What is asked: UTC nanoseconds since 1970. Tests put a clock of their own here."""


def now_us() -> int:
    """UTC microseconds since 1970."""
    return source_ns() // 1000
