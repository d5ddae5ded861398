"""How quickly the server takes facts in and answers, on a real PostgreSQL with durable commits.

    python benchmarks/server.py --check

Two things are measured, each as a ratio within one run, because machines are noisy:

1. Batches of 1,000 facts over HTTP, de-duplicated and metered when the call returns, against `COPY` of the same rows in
   commits of 1,000 into the same table, whose schema is printed. At least one fifth.
2. Single facts, and the usage of a subscription, at several sizes of the database: p50 and p99 at the largest over
   those at the smallest. At most 1.5.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.postgres import database, server

BATCH = 1000
RATIO_MIN = 0.2
"""Of the rows a second that COPY writes."""

GROWTH_MAX = 1.5
SIZES = (10_000, 1_000_000, 10_000_000)
LEARNERS = 20_000
"""Whose facts batches have: after one of each, all are known."""

LEARNERS_SHARE = 20
"""Facts of one learner, on average."""

CALLS = 400
WARM_BATCHES, WARM_CALLS = 5, 50
"""Not measured: until statements are prepared."""

TYPES = ("login", "course.viewed", "lesson.started", "material.accessed")


def main() -> int:
    """Runs both, prints both, and fails where a bound is missed and --check is given."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="fail where a bound is missed")
    options.add_argument("--batches", type=int, default=100, help="of 1,000 facts")
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="stored facts at which calls are timed")
    given = options.parse_args()
    with server() as urls, database(urls) as url:
        world = _world(url)
        print(_schema(url))
        with _serving(url) as address:
            ratio = _batches(url, address, world, given.batches)
            growth = _growth(url, address, world, given.sizes)
    missed = [f"batches: {ratio:.2f} of COPY, at least {RATIO_MIN}"] if ratio < RATIO_MIN else []
    missed += [f"{what}: {grew:.2f} times, at most {GROWTH_MAX}" for what, grew in growth.items() if grew > GROWTH_MAX]
    for line in missed:
        print("MISSED", line)
    return 1 if missed and given.check else 0


def _environment(url: str) -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "rollbook.server.settings",
        "DATABASE_URL": url,
        "ROLLBOOK_SECRET_KEY": "benchmarks-sign-with-this-and-nobody-else",
        "ROLLBOOK_DIGEST_KEY": "benchmarks-recognise-people-by-this-key-x",
        "ROLLBOOK_TLS": "false",
        "ROLLBOOK_RATE_PER_MINUTE": "1000000",
    }


def _world(url: str) -> dict[str, Any]:
    """A customer with a subscription that runs, and a key of the vendor's platform."""
    os.environ.update(_environment(url))
    import django  # noqa: PLC0415 - the environment comes first

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from rollbook.server.access import keys  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    customer = world.customer("Benchmark", ["north"])
    start = datetime.now(UTC).date().replace(day=1) - timedelta(days=40)
    stored = world.subscribe(
        customer, "monthly-login", start, quantity=10**6, now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")
    )
    _, secret = keys.make(name="benchmark", scopes=["facts:write", "usage:read"])
    return {"subscription": stored.pk, "key": secret, "customer": customer.pk}


def _schema(url: str) -> str:
    """The table that both sides write into, with its indexes."""
    with psycopg.connect(url) as connection:
        indexes = connection.execute(
            "select indexdef from pg_indexes where tablename in ('fact', 'fact_status') order by 1"
        ).fetchall()
        columns = connection.execute(
            "select column_name || ' ' || data_type from information_schema.columns where table_name = 'fact' "
            "order by ordinal_position"
        ).fetchall()
    return "fact (" + ", ".join(it[0] for it in columns) + ")\n" + "\n".join(it[0] for it in indexes)


@contextmanager
def _serving(url: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    running = subprocess.Popen(
        [
            *command,
            "--workers",
            "1",
            "--blocking-threads",
            "4",
            "--no-access-log",
            "--log-level",
            "error",
            "rollbook.server.wsgi:application",
        ],
        env=_environment(url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{address}/v1/openapi.json", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        running.terminate()
        running.wait(20)


def _rows(first: int, count: int, learners: int) -> list[dict[str, str]]:
    # In the order in which they happened, as senders send them: a day in 86,000 facts.
    before = datetime.now(UTC) - timedelta(seconds=86_000)
    return [
        {
            "id": f"{n:08x}-0000-4000-8000-{n * 2654435761 % 2**48:012x}",
            "source": "benchmark",
            "occurred_at": (before + timedelta(seconds=n % 86_000)).isoformat().replace("+00:00", "Z"),
            "organisation": "north",
            "learner": f"learner-{n * 7919 % learners}",
            "type": TYPES[n % 4],
            "object": f"course-{n % 50}",
        }
        for n in range(first, first + count)
    ]


def _batches(url: str, address: str, world: dict[str, Any], batches: int) -> float:
    """Rows a second over HTTP and by COPY, in turn, so that both meet the same machine.

    In the first batches everybody is new, and is given a number; the ratio is of those after, where all are known.
    """
    encode = msgspec.json.Encoder()
    client = HTTPConnection(address.removeprefix("http://"), timeout=60)  # it adds the least of its own
    headers = {"Authorization": f"Bearer {world['key']}", "Content-Type": "application/json"}
    met = LEARNERS // BATCH
    bodies = [encode.encode(_rows(n * BATCH, BATCH, LEARNERS)) for n in range(batches + met)]
    copied = _copies(url, len(bodies))
    took: list[tuple[float, float]] = []
    for body in bodies:
        began = time.perf_counter()
        client.request("POST", "/v1/facts", body, headers)
        answer = client.getresponse().read()
        ours = time.perf_counter() - began
        if msgspec.json.decode(answer).get("new") != BATCH:
            raise SystemExit(answer.decode()[:500])
        next(copied)
        began = time.perf_counter()
        next(copied)
        took.append((ours, time.perf_counter() - began))
    _ratio("where everybody is new", took[WARM_BATCHES:met])
    return _ratio("where all are known", took[met:])


def _ratio(which: str, took: list[tuple[float, float]]) -> float:
    """Prints rows a second, and gives how the first compares with the second."""
    ours, theirs = (list(it) for it in zip(*took, strict=True))
    rate, copy_rate = (BATCH * len(took) / sum(it) for it in (ours, theirs))
    print(
        f"batches of {BATCH:,} {which}: {rate:,.0f} facts/s (median {statistics.median(ours) * 1e3:.1f} ms), "
        f"COPY {copy_rate:,.0f} rows/s (median {statistics.median(theirs) * 1e3:.1f} ms), "
        f"ratio {rate / copy_rate:.3f}"
    )
    return rate / copy_rate


def _copies(url: str, batches: int) -> Iterator[None]:
    """COPY of rows like those stored, a commit for each 1,000, into a table like it with all of its indexes."""
    from rollbook.engines.database import schema  # noqa: PLC0415 - after the environment

    with psycopg.connect(url) as connection:
        connection.execute("create schema baseline")
        connection.execute("set search_path to baseline")
        for statement in (*schema.statements("postgresql"), *schema.partition(datetime.now(UTC).year)):
            connection.execute(statement)
        connection.commit()
        columns = ", ".join(schema.FACT)
        for batch in range(batches):
            rows = list(_stored(_rows(batch * BATCH, BATCH, 20_000), batch * BATCH))
            yield
            with connection.cursor() as cursor, cursor.copy(f"copy fact ({columns}) from stdin") as copy:
                for row in rows:
                    copy.write_row(row)
            connection.commit()
            yield


def _stored(rows: list[dict[str, str]], first: int) -> Iterator[tuple[Any, ...]]:
    """The rows as the server stores them, in the order of the table's columns."""
    for number, row in enumerate(rows, first):
        at_us = int(datetime.fromisoformat(row["occurred_at"]).timestamp() * 10**6)
        yield (
            *(number, row["source"], row["id"], at_us, at_us // 86_400_000_000, at_us, row["organisation"]),
            *(str(hash(row["learner"]) % 10**6), row["type"], "learner", "", row["object"], "", "", "", "", "", False),
        )


def _growth(url: str, address: str, world: dict[str, Any], sizes: tuple[int, ...]) -> dict[str, float]:
    """p50 and p99 of single facts and of usage at each size; the largest over the smallest."""
    client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {world['key']}"}, timeout=60)
    found: dict[str, list[tuple[float, float]]] = {"single facts": [], "usage": []}
    for size in sizes:
        began = time.perf_counter()
        _fill(url, world, size)
        print(f"{size:,} stored facts (filled in {time.perf_counter() - began:.0f} s)", end=": ")
        marker = f"{size}-{time.time_ns()}"
        calls: dict[str, Callable[[int], httpx.Response]] = {
            "single facts": lambda n: client.post("/v1/facts", json=[_rows(n, 1, 1000)[0] | {"id": f"{marker}-{n}"}]),  # noqa: B023
            "usage": lambda _: client.get(f"/v1/subscriptions/{world['subscription']}/usage"),
        }
        for what, call in calls.items():
            took = sorted(_timed(call))
            p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
            found[what].append((p50, p99))
            print(f"{what} p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms", end="; ")
        print()
    return {
        f"{what} p{name}": took[-1][n] / took[0][n] for what, took in found.items() for n, name in enumerate((50, 99))
    }


def _timed(call: Callable[[int], httpx.Response]) -> list[float]:
    took = []
    for n in range(CALLS + WARM_CALLS):
        began = time.perf_counter()
        call(n).raise_for_status()
        if n >= WARM_CALLS:
            took.append(time.perf_counter() - began)
    return took


def _fill(url: str, world: dict[str, Any], size: int) -> None:
    """Stored facts up to a size, made where they are stored, and counted as a new subscription's would be."""
    now_us = time.time_ns() // 1000
    with psycopg.connect(url) as connection:
        connection.execute("set search_path to public")
        [(there,)] = connection.execute("select count(*) from fact").fetchall()
        if there >= size:
            return
        numbers = f"generate_series({there + 1}, {size}) as n"
        learners = max(size // LEARNERS_SHARE, 1)
        connection.execute(
            f"""
            with keys as (
                insert into fact_key (owner, source, id, digest)
                select {world["customer"]}, 'filled', 'filled-' || n, decode(md5(n::text), 'hex') from {numbers}
                returning id, number
            )
            insert into fact (number, source, id, at_us, day, organisation, learner, type, role, mode, object, session,
                              actor, impersonator, voids, attributes, status)
            select number, 'filled', id, at_us, at_us / 86400000000, 'north', 'f' || number % {learners},
                   (array['login', 'course.viewed', 'lesson.started', 'material.accessed'])[1 + number / 7 % 4],
                   'learner', '', 'course-' || number % 50, '', '', '', '', '', false
            from (select *, {now_us} - 3600000000 - number * 7919 % (30 * 86400) * 1000000 as at_us from keys) as made
            """
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("vacuum analyze")
    from rollbook.server import models  # noqa: PLC0415 - after the environment
    from rollbook.server.live import metering  # noqa: PLC0415 - after the environment

    metering.rebuild(models.Subscription.objects.get(pk=world["subscription"]), now_us)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


if __name__ == "__main__":
    raise SystemExit(main())
