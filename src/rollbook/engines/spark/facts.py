"""The relation `facts` of a cluster: Parquet files of canonical columns, in which every row is a fact, and each once.

The rows are trusted. Which rows are facts is settled by intake's gate alone, before: when a ledger is built, or on the
driver's machine, whose clean facts are then handed over in a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from rollbook.metering.steps import quoted
from rollbook.model.fact import COLUMNS
from rollbook.model.instants import DAY_US

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TEXTS = tuple(name for name in COLUMNS if name not in ("occurred_at", "recorded_at", "actor", "attributes"))
"""The columns that the query reads besides the instant; text, empty where absent and never null."""

SCHEMA = ", ".join(("occurred_at timestamp", *(f"{name} string" for name in TEXTS)))
"""Given, so that no job has to look into files for it."""

GROUP_ROWS = 1 << 17
"""Rows of a row group: what one core of the cluster reads at a time."""

ROW_BITS = 40
"""A fact's number is that of its file, and below it that of its row: one integer for each fact."""


def hand_over(connection: duckdb.DuckDBPyConnection, folder: Path) -> tuple[Path, ...]:
    """Writes the clean facts of a connection into a folder, once, and without ever holding them."""
    path = folder / "handed-over.parquet"
    if not path.exists():
        unfinished = folder / "handed-over.unfinished"
        options = f"format parquet, compression zstd, row_group_size {GROUP_ROWS}"
        columns = f"make_timestamptz(at_us) as occurred_at, {', '.join(TEXTS)}"
        connection.execute(f"copy (select {columns} from facts) to {quoted(str(unfinished))} ({options})")
        unfinished.rename(path)
    return (path,)


def show_facts(session: SparkSession, files: Sequence[Path]) -> None:
    """Makes the relations `facts` and `targets` over the files, which this machine and every worker name alike."""
    read = [_read(session, *folder) for folder in _by_folder(files)]
    frame = read[0]
    for other in read[1:]:
        frame = frame.unionAll(other)
    frame.createOrReplaceTempView("facts")
    session.sql("select organisation, source, id, number from facts").createOrReplaceTempView("targets")


def _by_folder(files: Sequence[Path]) -> Iterable[tuple[Sequence[Path], Mapping[str, int]]]:
    """Files of one folder each, in which names differ, with the number of each name."""
    folders: dict[Path, list[tuple[int, Path]]] = {}
    for number, file in enumerate(files):
        folders.setdefault(file.parent, []).append((number, file))
    for found in folders.values():
        yield [file for _, file in found], {file.name: number for number, file in found}


def _read(session: SparkSession, files: Sequence[Path], numbers: Mapping[str, int]) -> DataFrame:
    named = ", ".join(f"{quoted(name)}, {number}L" for name, number in numbers.items())
    return (
        session.read.schema(SCHEMA)
        .parquet(*[file.absolute().as_uri() for file in files])
        .selectExpr(
            *TEXTS,
            "unix_micros(occurred_at) as at_us",
            f"cast(unix_micros(occurred_at) div {DAY_US} as int) as day",
            f"shiftleft(map({named})[_metadata.file_name], {ROW_BITS}) + _metadata.row_index as number",
        )
    )
