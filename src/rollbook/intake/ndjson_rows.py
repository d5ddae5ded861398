"""Objects of JSON whose keys are columns: every line that is not blank is one, or every item of a document.

Whole numbers stand for their digits; every other value that is no text goes to the gate as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from rollbook.intake.batches import Batch, Refused
from rollbook.intake.headers import find_columns
from rollbook.intake.json_texts import read_plain_object
from rollbook.intake.lines import Lines
from rollbook.model.fact import COLUMNS

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


class ObjectRows:
    """Rows of one export in JSON. `mapped` are the keys of the mapping met so far."""

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self._mapping = mapping
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self.mapped: set[str] = set()

    def batches(
        self, objects: Iterable[tuple[int, dict[str, Any] | Refused]], received_bytes: Callable[[], int]
    ) -> Iterator[Batch]:
        """Every row, once; each comes with its line or its number."""
        batch = Batch(COLUMNS)
        for number, document in objects:
            row = document if isinstance(document, Refused) else self.row(document)
            if isinstance(row, tuple):
                batch.lines.append(number)
                batch.rows.append(row)
            else:
                batch.odd.append((number, row))
            if batch.is_full(received_bytes()):
                yield batch
                batch = Batch(COLUMNS, received_before=received_bytes())
        yield batch

    def row(self, document: Mapping[str, Any]) -> tuple[str, ...] | Mapping[str, object] | Refused:
        """Texts in the order of `COLUMNS` where every value is plain, otherwise the values by column."""
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


def plain_objects(lines: Lines) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
    """(line, object) of every line that is not blank."""
    for text in lines:
        lines.held.clear()
        number = lines.number
        marked = lines.mark_in(number, number) if lines.marked else None
        if marked:
            lines.forget(number)
            yield number, Refused(*marked)
        elif text.strip():
            yield number, read_plain_object(text)


def _encodes(text: str) -> bool:
    """Whether a text of JSON is whole: escapes may write half a character."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
