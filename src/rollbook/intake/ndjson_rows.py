"""JSON lines: every line that is not blank is a row, an object whose keys are columns.

Whole numbers stand for their digits; every other value that is no text goes to the gate as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NoReturn

from rollbook.intake.batches import Batch, Refused
from rollbook.intake.headers import find_columns
from rollbook.intake.lines import Lines
from rollbook.model.fact import COLUMNS

_REMEDY = "write one object on each line"
_SHAPES_MAX = 1000
_WHOLE_MAX = 10**18


@dataclass(frozen=True, slots=True)
class _Shape:
    """What objects with the same keys have in common.

    columns, keys  the canonical columns that are there, and the keys they are read from
    choose         puts texts of `columns`, followed by an empty one, into the order of `COLUMNS`
    refused        why no such object can be read
    """

    columns: tuple[str, ...]
    keys: tuple[str, ...]
    choose: Callable[[list[str]], tuple[str, ...]]
    refused: Refused | None


class NdjsonRows:
    """The rows of one NDJSON file. `mapped` are the keys of the mapping met so far."""

    def __init__(self, lines: Lines, mapping: Mapping[str, str]) -> None:
        self._lines = lines
        self._mapping = mapping
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self.mapped: set[str] = set()

    def batches(self) -> Iterator[Batch]:
        """Every row, once."""
        lines = self._lines
        batch = Batch(COLUMNS)
        for text in lines:
            lines.held.clear()
            number = lines.number
            marked = lines.mark_in(number, number) if lines.marked else None
            if marked:
                lines.forget(number)
                batch.refuse(number, Refused(*marked))
            elif text.strip():
                row = self._row(text)
                if isinstance(row, tuple):
                    batch.lines.append(number)
                    batch.rows.append(row)
                else:
                    batch.odd.append((number, row))
            if batch.is_full(lines.received_bytes):
                yield batch
                batch = Batch(COLUMNS, received_before=lines.received_bytes)
        yield batch

    def _row(self, text: str) -> tuple[str, ...] | Mapping[str, object] | Refused:
        """Texts in the order of `COLUMNS` where every value is plain, otherwise the values by column."""
        document = _object(text)
        if isinstance(document, Refused):
            return document
        keys = tuple(document)
        shape = self._shapes.get(keys) or self._shape_of(keys)
        if shape.refused:
            return shape.refused
        row = [document[key] for key in shape.keys]
        for position, value in enumerate(row):
            if type(value) is str:
                continue
            if value is None:
                row[position] = ""
            elif type(value) is int and shape.columns[position] != "attributes" and abs(value) < _WHOLE_MAX:
                row[position] = str(value)
            else:
                return dict(zip(shape.columns, (document[key] for key in shape.keys), strict=True))
        if not _encodes("".join(row)):
            return dict(zip(shape.columns, row, strict=True))
        row.append("")
        return shape.choose(row)

    def _shape_of(self, keys: tuple[str, ...]) -> _Shape:
        """Which columns an object with these keys has, under the rules of headers."""
        header = find_columns(keys, self._mapping)
        self.mapped |= header.mapped
        columns = tuple(header.positions)
        order = [columns.index(column) if column in columns else -1 for column in COLUMNS]
        shape = _Shape(
            columns=columns,
            keys=tuple(keys[header.positions[column]] for column in columns),
            choose=itemgetter(*order),
            refused=Refused(*header.faults[0]) if header.faults else None,
        )
        if len(self._shapes) < _SHAPES_MAX:
            self._shapes[keys] = shape
        return shape


def _object(text: str) -> dict[str, Any] | Refused:
    try:
        document = _DECODER.decode(text.strip())
    except RecursionError:
        return Refused("the line is nested too deeply", _REMEDY)
    except ValueError as error:
        return Refused(f"the line is not JSON: {str(error)[:120].lower()}", _REMEDY)
    return document if isinstance(document, dict) else Refused("the line is no JSON object", _REMEDY)


def _encodes(text: str) -> bool:
    """Whether a text of JSON is whole: escapes may write half a character."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
