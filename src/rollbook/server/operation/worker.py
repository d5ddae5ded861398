"""The loop that runs the jobs until it is told to stop, and a sign of life for who looks after it.

Several workers may run, on several machines. Each may be stopped or killed at any time: what it had begun is due again.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0
"""Between the end of one round and the beginning of the next."""


def run(stop: threading.Event, every_seconds: float = EVERY_SECONDS) -> None:
    """Runs rounds of jobs until `stop` is set; SIGTERM and SIGINT set it where this is the main thread.

    A round ends after the job that runs, at most a minute or two later.
    """
    with _signals_set(stop):
        log.info("worker.began", pid=os.getpid())
        while not stop.is_set():
            run_once(stop=stop)
            stop.wait(every_seconds)
        log.info("worker.ended", pid=os.getpid())


def run_once(now: datetime | None = None, stop: threading.Event | None = None) -> dict[str, int | None]:
    """One round: what each job did, None where it failed. Between two jobs it looks whether it is to stop.

    now  the same for all jobs; without it each asks the clock, so that messages of one job are due for the last

    Raises nothing: a database that is away is away in the next round too, or is back.
    """
    from django.db import close_old_connections  # noqa: PLC0415 - Django is set up by then, see `main`

    from rollbook.server.observing import heartbeat  # noqa: PLC0415
    from rollbook.server.operation import jobs  # noqa: PLC0415

    close_old_connections()
    did: dict[str, int | None] = {}
    for name in jobs.JOBS:
        if stop is not None and stop.is_set():
            break
        at = now or datetime.now(UTC)
        did[name] = jobs.run(name, at)
        heartbeat.beat(at, name)
        if did[name] != 0:
            heartbeat.did(at, name, did[name])
    return did


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """Signals that ask to end set the event, while the context lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """A worker as a process: `python -m rollbook.server.operation.worker`."""
    import django  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rollbook.server.settings")
    django.setup()
    run(threading.Event())


if __name__ == "__main__":
    main()
