"""Arrow tables to CSV, JSON and Parquet. Instants are ISO 8601 in UTC, `2026-03-01T00:00:00Z`.

Written batch by batch, so a report of millions of rows needs no memory of its own.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BATCH_ROWS = 10_000

FORMULA = "(^|;)([\"']*[=+\\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n])"
"""Text that a spreadsheet would compute: it gets an apostrophe before it, of which a spreadsheet shows nothing.

Where a decimal comma is usual, spreadsheets take a semicolon for the end of a cell, so that what follows one begins a
cell, too, even within quotes. Text that begins so after apostrophes of its own gets one more: whoever takes one away
has the text again.
"""


def guarded(text: str) -> str:
    """Text of which a spreadsheet computes nothing."""
    return re.sub(FORMULA, r"\1'\2", text)


def readable(table: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with instants as text, microseconds only where there are some."""
    for n, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            plain = pc.strftime(table.column(n).cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%S")
            text = pc.binary_join_element_wise(pc.replace_substring(plain, ".000000", ""), "Z", "")
            table = table.set_column(n, field.name, text)
    return table


def write_csv(table: pa.Table | pa.RecordBatchReader, out: IO[str], *, for_spreadsheets: bool = False) -> None:
    """The table with its header. `for_spreadsheets`: no text of a fact is taken for a formula."""
    csv.writer(out, lineterminator="\n").writerow(table.schema.names)
    for batch in _batches(table):
        shown = _guarded(batch) if for_spreadsheets else batch
        # Python's writer leaves a carriage return bare, which readers take for the end of a row.
        careful = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer = careful if _returns(batch) else csv.writer(out, lineterminator="\n")
        writer.writerows(_rows(readable(_plain(shown))))


def write_json(table: pa.Table | pa.RecordBatchReader, about: Mapping[str, object], out: IO[str]) -> None:
    """One object: what the figures mean (`about`), then `rows`, one object each. Amounts, exact, and days are text."""
    head = json.dumps(about, indent=2, ensure_ascii=False).rstrip("}").rstrip()
    out.write(f'{head},\n  "rows": [')
    names, comma = table.schema.names, ""
    for batch in _batches(table):
        for row in _rows(readable(batch)):
            record = dict(zip(names, row, strict=True))
            out.write(f"{comma}\n    " + json.dumps(record, ensure_ascii=False, default=_exact))
            comma = ","
    out.write("\n  ]\n}\n")


def write_parquet(table: pa.Table | pa.RecordBatchReader, about: Mapping[str, object], file: str) -> None:
    """The table as it is: types, the columns' meanings, and `about` as JSON under the key `rollbook`."""
    metadata = {"rollbook": json.dumps(about, ensure_ascii=False)}
    schema = table.schema.with_metadata(metadata)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in _batches(table):
            writer.write_batch(batch.replace_schema_metadata(metadata))


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no form in JSON")


def _returns(batch: pa.RecordBatch) -> bool:
    texts = (batch.column(n) for n, field in enumerate(batch.schema) if pa.types.is_string(field.type))
    return any(pc.any(pc.match_substring(text, "\r")).as_py() for text in texts)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`true` and `false` as JSON has them."""
    for n, field in enumerate(batch.schema):
        if pa.types.is_boolean(field.type):
            batch = batch.set_column(n, field.name, batch.column(n).cast(pa.string()))
    return batch


def _guarded(batch: pa.RecordBatch) -> pa.RecordBatch:
    for n, field in enumerate(batch.schema):
        if pa.types.is_string(field.type):
            batch = batch.set_column(n, field.name, pc.replace_substring_regex(batch.column(n), FORMULA, r"\1'\2"))
    return batch


def _batches(table: pa.Table | pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    if isinstance(table, pa.Table):
        yield from table.to_batches(max_chunksize=BATCH_ROWS)
    else:
        yield from table


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[object, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)
