"""Arrow tables to CSV and JSON. Instants are ISO 8601 in UTC, `2026-03-01T00:00:00Z`.

Written batch by batch, so a report of millions of rows needs no memory of its own.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc


def readable(table: pa.Table) -> pa.Table:
    """The table with instants as text, microseconds only where there are some."""
    for n, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            plain = pc.strftime(table.column(n).cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%S")
            text = pc.binary_join_element_wise(pc.replace_substring(plain, ".000000", ""), "Z", "")
            table = table.set_column(n, field.name, text)
    return table


def write_csv(table: pa.Table, out: IO[str]) -> None:
    """The table with its header."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in _rows(table):
        writer.writerow(row)


def write_json(table: pa.Table, about: Mapping[str, object], out: IO[str]) -> None:
    """One object: what the figures mean (`about`), then `rows`, one object each."""
    head = json.dumps(about, indent=2, ensure_ascii=False).rstrip("}").rstrip()
    out.write(f'{head},\n  "rows": [')
    for n, row in enumerate(_rows(table)):
        record = dict(zip(table.column_names, row, strict=True))
        out.write(("," if n else "") + "\n    " + json.dumps(record, ensure_ascii=False))
    out.write("\n  ]\n}\n")


def _rows(table: pa.Table) -> Iterator[tuple[object, ...]]:
    for batch in readable(table).to_batches(max_chunksize=10_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
