"""The floor: the columns that an answer needs are read, row group by row group on two threads, and thrown away.

No engine can be faster without knowing more than the file says. Arrow's reader is used, into memory as it comes; and
beside it DuckDB's, which passes values on to the least that can be asked of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import duckdb
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import THREADS, Coded, Task
from pyarrow import parquet

FACTS = ("id", "occurred_at", "organisation", "learner", "type", "role", "source", "voids")
LEDGER = ("learner_number", "occurred_at", "kind")


def facts(task: Task) -> Taken:
    """Of the facts as they came."""
    return _read([task.facts], FACTS)


def ledger(_task: Task, coded: Coded) -> Taken:
    """Of a ledger: three numbers a fact."""
    return _read(coded.files, LEDGER)


def facts_by_duckdb(task: Task) -> Taken:
    """Of the facts as they came, by DuckDB: the longest text of each column."""
    longest = ", ".join(f"max({'strlen' if name != 'occurred_at' else 'epoch_us'}({name}))" for name in FACTS)
    return _asked(longest, [task.facts])


def ledger_by_duckdb(_task: Task, coded: Coded) -> Taken:
    """Of a ledger, by DuckDB."""
    return _asked("sum(learner_number), max(epoch_us(occurred_at)), sum(kind)", coded.files)


def _asked(columns: str, paths: Iterable[Path]) -> Taken:
    clock = Clock()
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.execute(f"select {columns} from read_parquet($files)", {"files": list(map(str, paths))}).fetchall()
        return clock.stop()


def _read(paths: Iterable[Path], columns: tuple[str, ...]) -> Taken:
    clock = Clock()
    with ThreadPoolExecutor(THREADS) as pool:
        for path in paths:
            groups = parquet.read_metadata(path).num_row_groups
            parts = [range(part, groups, THREADS) for part in range(THREADS)]
            list(pool.map(_read_groups, repeat(path), parts, repeat(columns)))
    return clock.stop()


def _read_groups(path: Path, groups: Iterable[int], columns: tuple[str, ...]) -> None:
    with parquet.ParquetFile(path) as file:
        for group in groups:
            file.read_row_group(group, columns=list(columns), use_threads=False)
