"""Rows of a producer's export become canonical rows, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from rollbook.intake.batches import NTH_BITS, Batch, Refused
from rollbook.intake.csv_rows import CsvRecords, recoded
from rollbook.intake.documents import Documents, Line
from rollbook.intake.json_texts import one_line, read_object
from rollbook.intake.lines import NOT_UTF8, Lines
from rollbook.intake.producers import Convert, Producer, Row
from rollbook.model.fact import COLUMNS

Numbered = Iterable[tuple[int, Mapping[str, Any] | Refused]]
"""Rows of an export with the line, or the item, that each stands in."""

_EMPTY: Row = dict.fromkeys(COLUMNS, "")
_columns_of: Callable[[Mapping[str, Any]], tuple[str, ...]] = itemgetter(*COLUMNS)

_SHAPE = "correct the row, or say with --input what the export is"

_CROWDED = Refused(f"the line makes more than {1 << NTH_BITS:,} facts", "write each item on a line of its own")


def batches(rows: Numbered, convert: Convert, received_bytes: Callable[[], int]) -> Iterator[Batch]:
    """The facts of the rows, and what was refused, in batches; `received_bytes` says how far the export was read."""
    batch = Batch(COLUMNS)
    before, nth = 0, 0
    for line, row in rows:
        for made in (row,) if isinstance(row, Refused) else converted(row, convert):
            nth = nth + 1 if line == before else 0
            before = line
            if nth >> NTH_BITS:
                batch.refuse(line << NTH_BITS, _CROWDED)
            else:
                _add(batch, line << NTH_BITS | nth, made)
        if batch.is_full(received_bytes()):
            yield batch
            batch = Batch(COLUMNS, received_before=received_bytes())
    yield batch


def csv_rows(records: CsvRecords, encoding: str | None) -> Numbered:
    """The records of a CSV file by column. Fields of lines that are not UTF-8 are read in `encoding`."""
    width = len(records.names)
    for line, record in records.records(readable=(NOT_UTF8,) if encoding else ()):
        if isinstance(record, Refused):
            yield line, record
        elif len(record) != width:
            yield line, records.miscounted(len(record))
        else:
            fields = [recoded(field, encoding) for field in record] if encoding else record
            yield line, dict(zip(records.names, fields, strict=True))


def ndjson_rows(lines: Lines, producer: Producer) -> Numbered:
    """The objects of JSON lines; a line that only wraps a list gives the list's items, all at this line."""
    for text in lines:
        lines.held.clear()
        number = lines.number
        marked = lines.mark_in(number, number) if lines.marked else None
        if marked:
            lines.forget(number)
            yield number, Refused(*marked)
        elif text.strip():
            document = read_object(text)
            if isinstance(document, dict) and may_wrap(document, producer.envelopes):
                documents = Documents(Line(text), producer.envelopes, producer.recognises)
                yield from ((number, item) for _, item in documents.items())
            else:
                yield number, document


def may_wrap(document: Mapping[str, Any], envelopes: Collection[str]) -> bool:
    """Whether an object has a key that may hold a list of items; which it has twice, the object no longer shows."""
    return any(key in document for key in envelopes)


def converted(row: Mapping[str, Any], convert: Convert) -> Iterable[Row | Refused]:
    """The facts of a row; whatever is not where this export has it refuses the row."""
    try:
        made = tuple(convert(row))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        return (Refused(f"the row has not the shape of this export: {one_line(error)}", _SHAPE),)
    return made or (Refused("the row says nothing that could be a fact", _SHAPE),)


def _add(batch: Batch, line: int, made: Row | Refused) -> None:
    if isinstance(made, Refused):
        batch.refuse(line, made)
        return
    texts = _columns_of({**_EMPTY, **made})
    try:
        whole = _encodes("".join(texts))
    except TypeError:
        whole = False  # Not every value is a text: the gate says which.
    if whole:
        batch.lines.append(line)
        batch.rows.append(texts)
    else:
        batch.odd.append((line, made))


def _encodes(text: str) -> bool:
    """Whether a text is whole: escapes of JSON may write half a character."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
