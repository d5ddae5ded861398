"""What moving closed windows to the archive costs, and whether taking in and asking stay as quick as history grows.

    python benchmarks/archive.py [--database postgresql] [--facts 200000 800000]

A customer with a year of monthly logins, eleven windows of which are closed, at each number of facts; then everything
is moved, and the same is asked again. All in one process, on a real database with durable commits.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.postgres import database, server

LEARNERS_SHARE = 40
"""Facts of one learner, on average."""

BATCH, CALLS = 1_000, 25
NOW = datetime(2026, 12, 20, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    options.add_argument("--facts", type=int, nargs="+", default=[200_000, 800_000])
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, _database(given.database, Path(folder)) as url:
        _set_up(url, Path(folder) / "archive")
        for facts in given.facts:
            _measure(facts)


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'rollbook.db'}"
        return
    with server() as urls, database(urls) as url:
        yield url


def _set_up(url: str, folder: Path) -> None:
    folder.mkdir()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "rollbook.server.settings",
        "DATABASE_URL": url,
        "ROLLBOOK_SECRET_KEY": "benchmarks-sign-with-this-and-nobody-else",
        "ROLLBOOK_DIGEST_KEY": "benchmarks-recognise-people-by-this-key-x",
        "ROLLBOOK_ARCHIVE": str(folder),
    }
    import django  # noqa: PLC0415 - the environment comes first

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0)


def _measure(facts: int) -> None:
    from rollbook.server import clock, models  # noqa: PLC0415 - after the environment
    from rollbook.server.billing import archiving, closing  # noqa: PLC0415
    from rollbook.server.live import archive  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    clock.source_ns = lambda: int(NOW.timestamp() * 10**9)
    name = f"of-{facts}"
    customer = world.customer(name, [name])
    stored = world.subscribe(customer, "monthly-login", START.date(), now="2026-01-01T00:00")
    began = time.perf_counter()
    for first in range(0, facts, 10_000):
        world.send(_rows(name, first, min(10_000, facts - first), facts), f"{NOW:%Y-%m-%dT%H:%M}")
    print(f"\n{facts:,} facts taken in: {facts / (time.perf_counter() - began):,.0f} facts/s", flush=True)
    now_us = world.at(f"{NOW:%Y-%m-%dT%H:%M}")
    _timed("closing eleven windows", lambda: closing.close_due(now_us))
    before = _asked(name, stored, facts, 0)
    moved = _timed("moving what is closed", lambda: archiving.move(customer.pk, NOW))
    folder = archive.folder_of(customer.pk, 1)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    left = models.Customer.objects.get(pk=customer.pk)
    print(f"{moved:,} facts moved ({left.archived_facts:,} in all), {size / 2**20:.1f} MiB of archive")
    _vacuum()
    after = _asked(name, stored, facts, 1)
    for what, took in before.items():
        print(f"{what}: {took * 1e3:.1f} ms before, {after[what] * 1e3:.1f} ms after, {after[what] / took:.2f} times")
    print(f"differences found by recount: {len(_timed('recount', lambda: world.differences(stored)))}")


def _vacuum() -> None:
    from django.db import connection  # noqa: PLC0415

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")


def _asked(name: str, stored: Any, facts: int, run: int) -> dict[str, float]:
    """Medians in seconds of what is asked and sent."""
    from rollbook.server.live import explaining, metering, people  # noqa: PLC0415
    from rollbook.server.live.contracts import live_of  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    now, now_us = f"{NOW:%Y-%m-%dT%H:%M}", world.at(f"{NOW:%Y-%m-%dT%H:%M}")
    learners = facts // LEARNERS_SHARE
    surrogate = people.surrogates(stored.customer_id, [f"learner-{n}" for n in range(CALLS)])

    def sent(kind: str, count: int, day: str) -> Callable[[int], Any]:
        def send(n: int) -> None:
            random = Random(f"{kind}-{run}-{n}")
            rows = [
                world.row(f"{kind}-{run}-{n}-{k}", f"learner-{random.randrange(learners)}", day, organisation=name)
                for k in range(count)
            ]
            if world.send(rows, now).new != count:
                raise SystemExit("a fact was not taken in")

        return send

    calls: dict[str, Callable[[int], Any]] = {
        f"{BATCH:,} facts of today": sent("today", BATCH, "2026-12-19T09:00"),
        "one fact of today": sent("one", 1, "2026-12-19T10:00"),
        "one late fact, of a closed window": sent("late", 1, "2026-03-03T10:00"),
        "100 late facts at once": sent("lates", 100, "2026-04-03T10:00"),
        "usage": lambda _: metering.account_of(live_of(stored), now_us + 1),
        "why one learner counted": lambda n: explaining.explain_learner(stored, surrogate[f"learner-{n}"], now_us),
    }
    found = {}
    for what, call in calls.items():
        took = []
        for n in range(CALLS):
            began = time.perf_counter()
            call(n)
            took.append(time.perf_counter() - began)
        found[what] = statistics.median(took)
    return found


def _rows(name: str, first: int, count: int, facts: int) -> list[dict[str, Any]]:
    """Facts in the order in which they happened, over the year until now."""
    from tests.server import world  # noqa: PLC0415

    step = (NOW - START).total_seconds() / facts
    learners = facts // LEARNERS_SHARE
    types = ("login", "course.viewed", "lesson.started", "material.accessed")
    return [
        world.row(
            f"{name}-{n:08x}",
            f"learner-{n * 7919 % learners}",
            f"{START + timedelta(seconds=int(n * step)):%Y-%m-%dT%H:%M:%S}Z",
            types[n // 3 % 4],
            organisation=name,
            object=f"course-{n % 50}",
        )
        for n in range(first, first + count)
    ]


def _timed(what: str, call: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    found = call()
    print(f"{what}: {time.perf_counter() - began:.1f} s", flush=True)
    return found


if __name__ == "__main__":
    main()
