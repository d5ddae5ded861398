"""Canonical facts out: CSV, NDJSON or Parquet, in a total order, so that the same facts give the same bytes."""

from __future__ import annotations

from pathlib import Path

import duckdb

from rollbook.errors import Problem, UsageError
from rollbook.intake.store import FactStore
from rollbook.metering.steps import quoted
from rollbook.model.fact import COLUMNS

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


def _column(name: str, *, typed: bool) -> str:
    if name not in ("occurred_at", "recorded_at"):
        return name
    micros = "at_us" if name == "occurred_at" else "recorded_us"
    return f"make_timestamptz({micros})" if typed else _TEXT_TIME.format(micros)
