"""What the tests of intake share: writing an export in any format, and reading it back."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from rollbook.intake import ReadOptions, read_facts
from rollbook.model.fact import Fact

GOOD: Mapping[str, str] = {
    "id": "1",
    "occurred_at": "2026-03-01T09:30:00Z",
    "organisation": "north",
    "learner": "ann",
    "type": "login",
    "role": "learner",
    "source": "lms",
}
AT_US = 1_772_357_400_000_000
"""2026-03-01T09:30:00Z: 20,513 days and nine and a half hours after 1970."""

FORMATS = ("csv", "ndjson", "parquet", "typed.parquet", "csv.gz", "ndjson.gz")


def good(**changed: str) -> dict[str, str]:
    """A row that is right, but for what is changed."""
    return {**GOOD, **changed}


def write(folder: Path, rows: Sequence[Mapping[str, object]], format_: str, name: str = "facts") -> Path:
    """An export of the rows in one of `FORMATS`; values are texts, but for the times of `typed`."""
    path = folder / f"{name}.{format_}"
    columns = list(dict.fromkeys(column for row in rows for column in row))
    kind, _, packed = format_.partition(".")
    if format_.endswith("parquet"):
        table = pa.table({column: pa.array([row.get(column) for row in rows], pa.string()) for column in columns})
        if kind == "typed":
            times = [datetime.fromisoformat(str(row["occurred_at"])) if row["occurred_at"] else None for row in rows]
            position = columns.index("occurred_at")
            table = table.set_column(position, "occurred_at", pa.array(times, pa.timestamp("us", "UTC")))
        parquet.write_table(table, path)
        return path
    text = io.StringIO()
    if kind == "csv":
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(rows)
    else:
        text.writelines(json.dumps(row) + "\n" for row in rows)
    data = text.getvalue().encode("utf-8", "surrogatepass")
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def line_of(format_: str, row: int) -> int:
    """The line of a row, from 1: a CSV has its header first."""
    return row + 1 if format_.startswith("csv") else row


class Read:
    """What came of reading: counts, facts and messages, with the store closed again."""

    def __init__(self, *inputs: object, **options: object) -> None:
        with read_facts(inputs, ReadOptions(**options)) as store:  # type: ignore[arg-type]
            self.rows, self.rejected, self.duplicates = store.rows, store.rejected, store.duplicates
            self.counted = store.facts
            self.facts: list[Fact] = sorted(store.iterate(), key=lambda fact: fact.rank)
            self.places = {fact.key: store.place(*fact.key) for fact in self.facts[:50]}
            self.messages = [str(problem) for problem in store.problems]
            self.files = [str(problem) for problem in store.problems.files]
            self.notes = [str(note) for note in store.problems.notes]
            self.total = store.problems.total
            self.sources = store.sources
            [(self.relation_rows, self.keys)] = store.connection.execute(
                "SELECT count(*), count(DISTINCT (source, id)) FROM facts"
            ).fetchall()

    def adds_up(self) -> bool:
        """Every row is a fact, or rejected, or a duplicate; and the relation holds each fact once."""
        return (
            self.rows == self.counted + self.rejected + self.duplicates
            and self.counted == self.relation_rows == self.keys == len(self.facts)
            and self.total >= self.rejected
        )
