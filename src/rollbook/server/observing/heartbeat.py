"""The worker's sign of life, in the database: any of several workers gives it for all."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError

from rollbook.server.models import Done

log = structlog.get_logger(__name__)

ALIVE = timedelta(minutes=10)
"""A worker that gave no sign for so long is not there: a round takes two minutes at most."""

HEARTBEAT = "worker"


def alive(now: datetime) -> bool:
    """Whether any worker gave a sign of life lately: what /readyz tells."""
    return Done.objects.filter(job=HEARTBEAT, at__gt=now - ALIVE).exists()


def came_round(job: str, since: datetime) -> bool:
    """Whether any worker ended its last job, this one, after an instant; each round ends with it."""
    return Done.objects.filter(job=HEARTBEAT, done_for=job, at__gte=since).exists()


def beat(now: datetime, after: str = "") -> None:
    """Gives one, after a job. Where the database is away, that is logged and nothing more."""
    try:
        Done.objects.update_or_create(job=HEARTBEAT, number=0, defaults={"done_for": after, "at": now})
    except DatabaseError as error:
        log.error("worker.no-heartbeat", error=type(error).__name__)  # noqa: TRY400 - its words may say too much


def mark(job: str) -> str:
    """Under which name it stands what a job last did."""
    return f"did {job}"


def did(now: datetime, job: str, much: int | None) -> None:
    """Notes what a job did last, or that it failed (None), for those who look after it. Nothing depends on it."""
    try:
        said = "failed" if much is None else str(much)
        Done.objects.update_or_create(job=mark(job), number=0, defaults={"done_for": said, "at": now})
    except DatabaseError as error:
        log.error("job.no-mark", error=type(error).__name__)  # noqa: TRY400 - its words may say too much
