"""Answers of reports as Arrow: typed columns that carry their meaning, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

import duckdb
import pyarrow as pa

from rollbook.reports.columns import AMOUNT, INSTANT, NUMBER, PERCENT, TEXT, WHOLE, YES, Column
from rollbook.reports.named import Answer

ROWS = 20_000
"""Rows in a batch: what is in memory at once."""

TYPES = {
    WHOLE: pa.int64(),
    NUMBER: pa.float64(),
    PERCENT: pa.float64(),
    TEXT: pa.string(),
    INSTANT: pa.timestamp("us", tz="UTC"),
    YES: pa.bool_(),
}

DIGITS = 38
"""Of an amount, the most that Parquet and Arrow readers share."""


def batches(
    answer: Answer, columns: Mapping[str, Column], connection: duckdb.DuckDBPyConnection
) -> pa.RecordBatchReader:
    """The rows of an answer, in batches; each field's metadata has `meaning` and `kind`.

    The connection must not be asked anything else before the last batch is read.
    """
    if not isinstance(answer, str):
        values = [list(column) for column in zip(*answer, strict=True)] or [[] for _ in columns]
        schema = _schema(columns, max((_scale(value) for column in values for value in column), default=0))
        arrays = [pa.array(list(column), field.type) for column, field in zip(values, schema, strict=True)]
        return pa.RecordBatchReader.from_batches(schema, [pa.record_batch(arrays, schema)])
    schema = _schema(columns, 0)
    found = connection.sql(answer)
    if list(found.columns) != schema.names:
        raise ValueError(f"the columns {found.columns} are not those that are documented: {schema.names}")
    return pa.RecordBatchReader.from_batches(schema, _cast(found.to_arrow_reader(ROWS), schema))


def with_names(
    table: pa.RecordBatchReader, named: Callable[[pa.RecordBatch], tuple[list[str], list[str]]]
) -> pa.RecordBatchReader:
    """The rows with what learners are called in a last column; as they are where the report names no learner.

    named  of a batch, each row's id as it is to be shown, and what the learner is called
    """
    if "learner" not in table.schema.names:
        return table
    place = table.schema.get_field_index("learner")
    field = pa.field("name", pa.string(), metadata={"meaning": "what the learner is called", "kind": TEXT})
    schema = table.schema.append(field)

    def called() -> Iterator[pa.RecordBatch]:
        for batch in table:
            ids, names = named(batch)
            columns = [*batch.columns, pa.array(names, pa.string())]
            columns[place] = pa.array(ids, pa.string())
            yield pa.record_batch(columns, schema)

    return pa.RecordBatchReader.from_batches(schema, called())


def _cast(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        yield batch.cast(schema)


def _schema(columns: Mapping[str, Column], scale: int) -> pa.Schema:
    types = {**TYPES, AMOUNT: pa.decimal128(DIGITS, scale)}
    return pa.schema(
        pa.field(name, types[column.kind], metadata={"meaning": column.meaning, "kind": column.kind})
        for name, column in columns.items()
    )


def _scale(value: object) -> int:
    """Digits after the point of an amount; all amounts of a report are in one currency, rounded alike."""
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return max(-exponent, 0) if isinstance(exponent, int) else 0
