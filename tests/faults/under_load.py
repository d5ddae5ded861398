"""Counts again, backs up and restores while facts come in, and tells how long a batch waited meanwhile.

    python -m tests.faults.under_load --database postgresql --facts 100000

It ends with 1 where a recount found a difference, a batch waited for longer than `WAIT_SECONDS_MAX`, or what was brought
back is not what was there when the backup began.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from tests.faults.kills import SENDERS, Processes, Sender, _database, environment, furnish
from tests.server.operated import free_port

WAIT_SECONDS_MAX = 5.0
"""Or twice as long as the longest with nothing beside it, where the machine is busy with something else."""

QUIET_SECONDS = 10
"""Of sending with nothing beside it, to compare with."""

BATCH = 5_000


class Timed(Sender):
    """A sender that notes when each batch was sent and how long its answer took."""

    times: list[tuple[float, float]]

    def deliver(self, client: httpx.Client, rows: list[dict[str, str]]) -> None:
        """As its parent does."""
        began = time.monotonic()
        super().deliver(client, rows)
        self.__dict__.setdefault("times", []).append((began, time.monotonic() - began))


def main() -> int:
    """One run on one database."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options.add_argument("--facts", type=int, default=100_000, help="stored before anything begins")
    given = options.parse_args()
    with _database(given.database) as (url, _), tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(url))
        import django  # noqa: PLC0415 - the environment comes first

        django.setup()
        key = furnish("http://127.0.0.1:9/")
        _fill(given.facts)
        port = free_port()
        processes = Processes(dict(os.environ), port)
        stop = threading.Event()
        senders = [Timed(number, f"http://127.0.0.1:{port}", key, 1, stop) for number in range(SENDERS)]
        backup = Path(folder) / "facts.backup"
        phases: dict[str, tuple[float, float]] = {}
        try:
            began = datetime.now(UTC)
            processes.start("server")
            processes.start("worker 1")
            _answers(port, began)
            for sender in senders:
                sender.start()
            with _phase("nothing", phases):
                time.sleep(QUIET_SECONDS)
            with _phase("recount", phases):
                faults = _called("recount")
            sent_before = sum(len(it.sent) for it in senders)
            with _phase("backup", phases):
                faults += _called("backup", str(backup))
        finally:
            stop.set()
            for sender in senders:
                sender.join(60)
            processes.kill_all()
        sent_after = sum(len(it.sent) for it in senders)
        with _phase("restore", phases):
            faults += _brought_back(url, backup, given.facts + sent_before, given.facts + sent_after)
    faults += [f"sender {it.number}: {it.fault}" for it in senders if it.fault]
    faults += _told(phases, [it for sender in senders for it in sender.times])
    print(f"{given.database}: {given.facts:,} facts before, {sent_after:,} sent meanwhile; {len(faults)} faults")
    for fault in faults:
        print("FAULT", fault)
    return 1 if faults else 0


def _told(phases: dict[str, tuple[float, float]], times: list[tuple[float, float]]) -> Iterator[str]:
    """Prints how long batches waited in each phase, and gives what was too long."""
    most = WAIT_SECONDS_MAX
    for name, (began, ended) in phases.items():
        waited = sorted(took for at, took in times if at < ended and at + took > began)
        words = f"{name:<8} {ended - began:6.1f} s"
        if waited:
            middle, rare = waited[len(waited) // 2], waited[len(waited) * 99 // 100]
            words += f"   {len(waited):>5} batches, median {middle:.2f} s, p99 {rare:.2f} s, longest {waited[-1]:.2f} s"
            most = max(most, 2 * waited[-1]) if name == "nothing" else most
            if waited[-1] > most:
                yield f"a batch waited {waited[-1]:.1f} s during {name}"
        print(words)


def _fill(facts: int) -> None:
    """Facts of 5,000 learners over twenty days, taken in before anything is timed."""
    from rollbook.model.fact import Fact  # noqa: PLC0415 - the environment comes first
    from rollbook.model.instants import to_us  # noqa: PLC0415
    from rollbook.server.receiving.ingest import Sender as Who  # noqa: PLC0415
    from rollbook.server.receiving.ingest import ingest  # noqa: PLC0415

    now = datetime.now(UTC)
    for first in range(0, facts, BATCH):
        batch = [
            Fact(
                id=f"before {number}",
                source="before",
                at_us=to_us(now - timedelta(seconds=number * 17 % (20 * 86_400))),
                type=("login", "enrolment.enabled", "enrolment.disabled")[number % 3],
                organisation=("north", "south")[number % 2],
                learner=f"before {number % 5_000}",
                object="AB"[number // 5_000 % 2],
            )
            for number in range(first, min(first + BATCH, facts))
        ]
        ingest(batch, Who("before"), to_us(now))


def _answers(port: int, began: datetime) -> None:
    """Waits until the server answers and the worker has closed what was due."""
    from rollbook.server.observing import heartbeat  # noqa: PLC0415 - the environment comes first
    from rollbook.server.operation import jobs  # noqa: PLC0415

    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            ready = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == httpx.codes.OK
            if ready and heartbeat.came_round(list(jobs.JOBS)[-1], began):
                return
            time.sleep(0.5)
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit("the server does not answer")


@contextmanager
def _phase(name: str, phases: dict[str, tuple[float, float]]) -> Iterator[None]:
    began = time.monotonic()
    yield
    phases[name] = (began, time.monotonic())


def _called(*arguments: str) -> list[str]:
    """What is wrong with a command; nothing, one hopes."""
    done = subprocess.run(
        [sys.executable, "-m", "rollbook.cli", *arguments], check=False, capture_output=True, text=True
    )
    return [] if done.returncode == 0 else [f"{arguments[0]}: {done.stdout[:500]} {done.stderr[-500:]}"]


def _brought_back(url: str, backup: Path, least: int, most: int) -> list[str]:
    """Restores beside the database, and counts there."""
    from django.db import connection  # noqa: PLC0415 - the environment comes first

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("create database restored")
        there = url.replace("/postgres?", "/restored?")
    else:
        there = f"sqlite:///{backup.parent}/restored.db"
    os.environ["DATABASE_URL"] = there
    faults = _called("restore", str(backup)) + _called("recount")
    count = "import django; django.setup(); from django.db import connection as c; k = c.cursor(); "
    count += "k.execute('select count(*) from fact'); print(k.fetchone()[0])"
    facts = int(subprocess.check_output([sys.executable, "-c", count], text=True))
    # Whatever was acknowledged before the backup began is in it, and nothing that was never sent.
    return faults if least <= facts <= most else [*faults, f"{facts:,} facts came back, not {least:,} to {most:,}"]


if __name__ == "__main__":
    raise SystemExit(main())
