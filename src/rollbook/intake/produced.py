"""Rows of a producer's export become canonical rows, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec

from rollbook.intake.batches import NTH_BITS, Batch, Refused
from rollbook.intake.csv_rows import CsvRecords, recoded
from rollbook.intake.documents import Documents
from rollbook.intake.lines import NOT_UTF8, Lines
from rollbook.intake.producers import Convert, Row
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
        for made in (row,) if isinstance(row, Refused) else _converted(row, convert):
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


def ndjson_rows(lines: Lines, envelopes: Iterable[str]) -> Numbered:
    """The objects of JSON lines; a line that only wraps a list gives the list's items, all at this line."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for text in lines:
        lines.held.clear()
        number = lines.number
        marked = lines.mark_in(number, number) if lines.marked else None
        if marked:
            lines.forget(number)
            yield number, Refused(*marked)
            continue
        if not text.strip():
            continue
        try:
            document = decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            yield number, Refused(f"the line is not a JSON object: {_one_line(error)}", "write one object on each line")
            continue
        for item in _unwrapped(document, envelopes):
            yield number, item if isinstance(item, dict) else Refused("the item is no JSON object", "correct it")


def document_rows(documents: Documents) -> Numbered:
    """The items of a JSON document."""
    yield from documents.items()


def _unwrapped(document: dict[str, Any], envelopes: Iterable[str]) -> list[Any]:
    for key in envelopes:
        if isinstance(document.get(key), list):
            return list(document[key])
    return [document]


def _converted(row: Mapping[str, Any], convert: Convert) -> Iterable[Row | Refused]:
    """The facts of a row; whatever is not where this export has it refuses the row."""
    try:
        made = tuple(convert(row))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        return (Refused(f"the row has not the shape of this export: {_one_line(error)}", _SHAPE),)
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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]
