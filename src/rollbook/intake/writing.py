"""Canonical facts out: CSV, NDJSON or Parquet, in a total order, so that the same facts give the same bytes."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import duckdb
import pyarrow as pa

from rollbook.errors import Problem, UsageError
from rollbook.intake.store import FactStore
from rollbook.metering.steps import quoted
from rollbook.model.fact import COLUMNS, Fact
from rollbook.model.instants import iso

FORMATS = {
    ".csv": "format csv, header true",
    ".ndjson": "format json",
    ".jsonl": "format json",
    ".parquet": "format parquet, compression zstd",
}
"""How a file is written, by the ending of its name."""

_TEXT_TIME = "strftime(make_timestamp({}), '%Y-%m-%dT%H:%M:%S.%fZ')"


def write_canonical(store: FactStore, to: str | Path) -> int:
    """Writes every fact of a store; returns how many there are. Raises UsageError where that cannot be done."""
    path = Path(to)
    if path.suffix not in FORMATS:
        rule = f'facts are not written as "{path.suffix}"'
        raise UsageError(Problem(str(path), rule, "end the name in " + ", ".join(FORMATS)))
    typed = path.suffix == ".parquet"
    columns = ", ".join(f"{_column(name, typed=typed)} as {name}" for name in COLUMNS)
    query = f"select {columns} from facts order by at_us, source, id"
    try:
        store.connection.execute(f"copy ({query}) to {quoted(str(path))} ({FORMATS[path.suffix]})")
    except duckdb.IOException as error:
        words = " ".join(str(error).split())[:200]
        raise UsageError(Problem(str(path), f"it cannot be written: {words}", "name another file")) from None
    return store.facts


def canonical_table(store: FactStore) -> pa.Table:
    """Every fact of a store as a table of canonical columns, to be read again: standard input cannot be."""
    columns = ", ".join(f"{_column(name, typed=True)} as {name}" for name in COLUMNS)
    return store.connection.sql(f"select {columns} from facts").to_arrow_table()


def _column(name: str, *, typed: bool) -> str:
    if name not in ("occurred_at", "recorded_at"):
        return name
    micros = "at_us" if name == "occurred_at" else "recorded_us"
    return f"make_timestamptz({micros})" if typed else _TEXT_TIME.format(micros)


def write_facts(facts: Iterable[Fact], out: IO[str]) -> None:
    """Facts as canonical CSV under its header, in their order."""
    csv.writer(out, lineterminator="\n").writerow(COLUMNS)
    _write_rows(facts, out)


def append_facts(facts: Iterable[Fact], to: str | Path) -> None:
    """Puts facts behind those of a canonical CSV file, which is begun where there is none.

    All of them are on disk when it returns. Raises UsageError where the file holds anything else, or cannot be written.
    """
    path, text = Path(to), io.StringIO()
    header = ",".join(COLUMNS)
    if path.suffix != ".csv":
        raise UsageError(Problem(str(path), "facts are appended to CSV files only", "end the name in .csv"))
    try:
        with path.open("a+b") as file:
            ends_well = _ends_well(file, header, path)
            if ends_well is None:
                write_facts(facts, text)
            else:
                text.write("" if ends_well else "\n")
                _write_rows(facts, text)
            file.write(text.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        rule = f"it cannot be written: {error.strerror}"
        raise UsageError(Problem(str(path), rule, "name a file in a folder that is there")) from None


def _ends_well(file: IO[bytes], header: str, path: Path) -> bool | None:
    """Whether a canonical file ends with its line; None where it is empty. Raises UsageError for any other file."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return None
    file.seek(0)
    if file.readline(len(header) + 2).rstrip(b"\r\n") != header.encode():
        remedy = "name a new file, or one that was begun here; its first line is " + header
        raise UsageError(Problem(str(path), "it holds something else than canonical facts", remedy))
    file.seek(size - 1)
    return file.read(1) == b"\n"


def _write_rows(facts: Iterable[Fact], out: IO[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    times = {"occurred_at": "at_us", "recorded_at": "recorded_us"}
    for fact in facts:
        values = (getattr(fact, times.get(name, name)) for name in COLUMNS)
        writer.writerow(
            iso(it) if name in times and it is not None else it for name, it in zip(COLUMNS, values, strict=True)
        )
