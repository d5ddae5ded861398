"""How long it takes to count active learners, beside a query that an expert writes by hand for the same facts.

    python benchmarks/count.py [rows] [--runs 3] [--folder FOLDER] [--check]

Each run is a fresh process with two threads, Rollbook and the query in turn. Both read the Parquet file and find, for
six of twelve types, by organisation, learner and calendar month: the first fact, ties decided by (instant, source,
id), and how many facts there are; each (source, id) once, not at all where it comes with different contents or was
voided; then the active learners of each month. Both must find the same rows, or the measurement is void.

The query is measured twice: as above, which is the same work, and trusting that a repeated (source, id) repeats its
content too, so that it need look for repeats only among what it counts. Rollbook is held to both. Beyond them it
reads every row through its gate and finds classes. What became of every fact, and what each source covers, are further
questions, of about a tenth and a twentieth of the time, and asked when the clock has stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median

import duckdb
from rich.console import Console
from rich.table import Table

import rollbook
from rollbook.metering.steps import quoted_list

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.generate import COUNTED, generate

THREADS = 2
RATIO_MOST = 2.0
HELD_TO = ("by hand", "by hand, trusting")
"""The sides to which the ratio is bounded."""
MEMORY_MOST = 4 * 2**30
START, END = date(2024, 1, 1), date(2026, 1, 1)

PLAN = f"""
id = "measured"
title = "Six types, by calendar month"
[meter]
counts = {json.dumps(COUNTED)}
[window]
kind = "calendar-month"
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one process found, and what it took.

    seconds   from the path to the counts
    busy      seconds of all processors, those before and after included; less shaken by what else the machine does
    memory    the most memory the process held, in bytes
    months    active learners of each month
    rows      how many activations there are
    checksum  over (organisation, learner, month, id of the proving fact, facts) of each, in whatever order
    """

    seconds: float
    busy: float
    memory: int
    months: list[int]
    rows: int
    checksum: int


def by_rollbook(path: str) -> Run:
    """The library, as anybody calls it, until the counts are there; the query gives no dispositions either."""
    subscription = rollbook.Subscription(plan=rollbook.parse_plan(PLAN), start=START, end=END)
    began = time.perf_counter()
    with rollbook.meter(path, subscription) as result:
        months = result.table("window")["active"].to_pylist()
        seconds, used = time.perf_counter() - began, _used()
        if sum(result.dispositions.values()) + result.store.rejected != result.store.rows:
            raise SystemExit("the dispositions do not add up to the facts")
        if sum(source.facts for source in result.store.sources) != result.store.facts:
            raise SystemExit("the coverage does not add up to the facts")
        found = "select organisation, unit as learner, window_number as month, id, facts from activations"
        return Run(seconds, *used, months, *_checksum(result.metered.connection, found))


# What was tried for the query, on ten million rows: no de-duplication at all took 2.2 s; `distinct` over the narrowed
# rows, as below, 2.8 s; grouping by (source, id) with any_value of the rest 3.7 s; keeping the narrowed rows as a
# table and comparing only those whose hash repeats 3.1 s, and 3.8 s from the file; count(distinct (source, id)) in the
# last grouping 8.2 s; its list, made distinct, 8.9 s; the list sorted, first fact and all, 23 s. The smallest struct
# is twice as fast as arg_min for each column. Months by date_trunc of an instant in a zone cost 0.4 s more.
QUERY = (
    """
    create temp table voids as
    select distinct organisation, source, voids as id from read_parquet($path) where type = 'fact.voided'
    """,
    f"""
    create temp table active as
    select organisation, learner, month, first.at, first.source, first.id, facts
    from (
        select organisation, learner, date_trunc('month', make_timestamp(epoch_us(occurred_at)))::date as month,
               min({{'at': occurred_at, 'source': source, 'id': id}}) as first, count(*) as facts
        from (
            select distinct source, id, organisation, learner, occurred_at
            from read_parquet($path)
            where type in ({quoted_list(COUNTED)}) and role <> 'system'
              and occurred_at >= timestamptz '{START}T00:00:00Z' and occurred_at < timestamptz '{END}T00:00:00Z'
        )
        anti join voids using (organisation, source, id)
        group by all
    )
    """,
)


# Ids that come with different contents. Grouping all rows with the least and the greatest of every column took 9 s.
CONFLICTING = (
    """
    create temp table repeated as
    select source, id from read_parquet($path) group by source, id having count(*) > 1
    """,
    """
    create temp table conflicting as
    select source, id
    from (select distinct * from read_parquet($path) semi join repeated using (source, id))
    group by source, id having count(*) > 1
    """,
)


def by_hand(path: str) -> Run:
    """The query: what a person who knows DuckDB well writes for exactly these facts."""
    unanimous = QUERY[1].replace("anti join voids", "anti join conflicting using (source, id) anti join voids")
    return _by_query(path, (*CONFLICTING, QUERY[0], unanimous))


def by_hand_trusting(path: str) -> Run:
    """The same, where nobody has ever sent an id again with another content."""
    return _by_query(path, QUERY)


def _by_query(path: str, statements: Sequence[str]) -> Run:
    began = time.perf_counter()
    with duckdb.connect() as connection:
        for statement in statements:
            connection.execute(statement, {"path": path})
        counted = connection.execute("select month, count(*) from active group by month order by month").fetchall()
        seconds, used = time.perf_counter() - began, _used()
        found = f"""select organisation, learner, datediff('month', date '{START}', month) + 1 as month, id, facts
                    from active"""
        return Run(seconds, *used, [active for _, active in counted], *_checksum(connection, found))


SIDES: Mapping[str, Callable[[str], Run]] = {
    "rollbook": by_rollbook,
    "by hand": by_hand,
    "by hand, trusting": by_hand_trusting,
}


def _checksum(connection: duckdb.DuckDBPyConnection, rows: str) -> tuple[int, int]:
    [(count, total)] = connection.execute(
        f"select count(*), sum(hash(organisation, learner, month::int, id, facts::bigint)::hugeint) from ({rows})"
    ).fetchall()
    return count, int(total)


def _used() -> tuple[float, int]:
    """Seconds of processors, and bytes: Linux counts them in kibibytes, macOS singly."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def two_threads() -> None:
    """Every connection of this process gets two threads: DuckDB itself takes as many as there are cores."""
    connect = duckdb.connect

    def limited(
        database: str = ":memory:", *, config: dict[str, str | bool | int | float | list[str]] | None = None
    ) -> duckdb.DuckDBPyConnection:
        return connect(database, config={**(config or {}), "threads": THREADS})

    vars(duckdb)["connect"] = limited


def in_fresh_process(side: str, path: Path) -> Run:
    """One run of one side, where nothing is warm but the file."""
    command = [sys.executable, str(Path(__file__).resolve()), "--side", side, "--path", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Run(**json.loads(done.stdout))


def measure(path: Path, runs: int) -> dict[str, list[Run]]:
    """The runs of each side, in turn, so that whatever else the machine does falls on both alike."""
    found: dict[str, list[Run]] = {side: [] for side in SIDES}
    for number in range(1, runs + 1):
        for side, made in found.items():
            made.append(in_fresh_process(side, path))
            print(f"run {number}, {side}: {made[-1].seconds:.2f} s", file=sys.stderr)
    return found


def differences(found: Mapping[str, Sequence[Run]]) -> list[str]:
    """What the sides do not agree on, in words."""
    seen = {
        name: {json.dumps(getattr(run, name)) for made in found.values() for run in made}
        for name in ("months", "rows", "checksum")
    }
    return [f"{name}: {' against '.join(sorted(values))}" for name, values in seen.items() if len(values) > 1]


def failures(found: Mapping[str, Sequence[Run]]) -> list[str]:
    """Which of the bounds are not kept, in words."""
    failed = [
        f"Rollbook takes {ratio(found, side):.2f} times as long as the query {side}, more than {RATIO_MOST}"
        for side in HELD_TO
        if ratio(found, side) > RATIO_MOST
    ]
    memory = max(run.memory for run in found["rollbook"])
    if memory > MEMORY_MOST:
        failed.append(f"Rollbook holds {memory / 2**30:.2f} GiB, more than {MEMORY_MOST / 2**30:.0f}")
    return failed


def ratio(found: Mapping[str, Sequence[Run]], side: str) -> float:
    """Rollbook's median against that of another side."""
    return median(run.seconds for run in found["rollbook"]) / median(run.seconds for run in found[side])


def busy_ratio(found: Mapping[str, Sequence[Run]], side: str) -> float:
    """The same of the processors' seconds, which tells more on a machine that others use too."""
    return median(run.busy for run in found["rollbook"]) / median(run.busy for run in found[side])


def show(found: Mapping[str, Sequence[Run]], rows: int) -> None:
    """The table, under what it was measured on."""
    some = found["rollbook"][0]
    versions = f"Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    print(f"{datetime.now(UTC):%Y-%m-%d}: {machine()}; {versions}; {THREADS} threads")
    print(f"{rows:,} facts, {some.rows:,} activations in {len(some.months)} months")
    table = Table("", "seconds, median", "least", "processor seconds, least", "memory, GiB")
    for side, made in found.items():
        seconds = [run.seconds for run in made]
        busy = min(run.busy for run in made)
        most = max(run.memory for run in made) / 2**30
        table.add_row(side, f"{median(seconds):.2f}", f"{min(seconds):.2f}", f"{busy:.2f}", f"{most:.2f}")
    Console(width=100).print(table)
    for side in found:
        if side != "rollbook":
            times, busy_times = ratio(found, side), busy_ratio(found, side)
            print(f"Rollbook takes {times:.2f} times as long as the query {side}; {busy_times:.2f} by processors.")


def machine() -> str:
    """What this runs on, in words."""
    return f"{_processor()}, {os.cpu_count()} cores, {_memory():.0f} GiB, {platform.system()} {platform.machine()}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "an unknown processor"


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


@contextlib.contextmanager
def folder_of(given: Path | None) -> Iterator[Path]:
    """The folder that was named, or one that goes afterwards."""
    if given:
        given.mkdir(parents=True, exist_ok=True)
        yield given
    else:
        with tempfile.TemporaryDirectory(prefix="rollbook-bench-") as made:
            yield Path(made)


def made_facts(folder: Path, rows: int) -> Path:
    """The file of so many facts; made where it is not there, under another name until it is whole."""
    path = folder / f"facts-{rows}.parquet"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        began = time.perf_counter()
        generate(unfinished, rows)
        unfinished.rename(path)
        print(f"made {rows:,} facts in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return path


def main() -> int:
    """Measures and prints; 1 where the sides differ, or where a bound is not kept and `--check` asks for it."""
    parser = argparse.ArgumentParser(description="Measure counting, beside a query written by hand.")
    parser.add_argument("rows", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where facts are kept and found again")
    parser.add_argument("--check", action="store_true", help="fail where it is too slow or holds too much memory")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        two_threads()
        print(json.dumps(asdict(SIDES[arguments.side](arguments.path))))
        return 0
    with folder_of(arguments.folder) as folder:
        found = measure(made_facts(folder, arguments.rows), arguments.runs)
    show(found, arguments.rows)
    wrong = differences(found) + (failures(found) if arguments.check else [])
    for words in wrong:
        print(words, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
