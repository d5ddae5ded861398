"""What the caller said about exports, as a producer asks for it: the vocabulary, and further tables."""

from __future__ import annotations

import csv
from itertools import islice

from rollbook.errors import Problem, UsageError
from rollbook.intake.headers import find_delimiter
from rollbook.intake.options import ReadOptions
from rollbook.intake.producers import Producer, Reading
from rollbook.intake.vocabulary import vocabulary

TABLE_ROWS_MAX = 5_000_000
"""Rows of a further table."""


def reading_of(options: ReadOptions, producer: Producer, columns: tuple[str, ...] = ()) -> Reading:
    """What the caller said, for a producer; `columns` are those of a CSV export, as its header writes them."""
    return Reading(
        vocabulary(producer.name, options.vocabularies, producer.meanings()),
        options.input_zone,
        options.date_order,
        columns,
        {name: read_table(path) for name, path in options.tables.items()},
        options.snapshot_at,
    )


def read_table(path: str) -> list[dict[str, str]]:
    """The rows of a further table, by column. Raises UsageError where it cannot be read to its end."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 - errors name it as it was given
            delimiter = find_delimiter(file.readline(), {}, ())
            file.seek(0)
            reader = csv.DictReader(file, delimiter=delimiter)
            rows = [dict(row) for row in islice(reader, TABLE_ROWS_MAX + 1)]
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(Problem(path, f"the table cannot be read: {error}", "give a CSV file in UTF-8")) from None
    if len(rows) > TABLE_ROWS_MAX:
        rule = f"the table has more than {TABLE_ROWS_MAX:,} rows"
        raise UsageError(Problem(path, rule, "leave out the rows that this export does not need"))
    return rows
