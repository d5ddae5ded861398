"""JSON documents that are no lines: a list, a result page, or objects written over many lines.

Items come one by one and are never held together, so memory stays bounded by the largest item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from rollbook.intake.batches import Refused
from rollbook.intake.json_cursor import VALUE_MAX, Blocks, Cursor, NotJsonError
from rollbook.intake.json_texts import ReadObject, read_object
from rollbook.intake.streams import FileFaultError

SKETCH_BYTES = VALUE_MAX
"""How much of a document is looked at to tell what it is. A longer object can only be one that wraps others."""

SKETCHES_MAX = 100
"""How many of its first objects are looked at."""

_SCALAR = re.compile(rb"true|false|null|-?\d[\d.eE+-]*")
_NO_OBJECT = Refused("the item is no JSON object", "write a list of objects")
_TOO_LONG = Refused(f"the item is longer than {VALUE_MAX:,} bytes", "correct the export; something else was pasted in")


def _nothing_else(_rest: Mapping[str, Any]) -> bool:
    return False


class Documents:
    """The items of one document: those of a top-level list, or of a list that an object wraps, else the objects.

    envelopes  keys under which an object wraps a list of items
    is_item    whether the rest of an object that wraps a list is an item itself: then it comes too, after the list

    fault   what ended the document early; the items before it stand
    number  how many items came
    """

    def __init__(
        self,
        stream: Blocks,
        envelopes: Sequence[str] = (),
        is_item: Callable[[Mapping[str, Any]], bool] = _nothing_else,
        read: ReadObject = read_object,
    ) -> None:
        self._cursor = Cursor(stream)
        self._envelopes = frozenset(envelopes)
        self._is_item = is_item
        self._read = read
        self.fault: FileFaultError | None = None
        self.number = 0

    def items(self) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
        """(number, item) of each item."""
        try:
            for item in self._items():
                self.number += 1
                yield self.number, item
        except FileFaultError as fault:
            self.fault = fault
        except NotJsonError as error:
            self.fault = FileFaultError(f"is not JSON from item {self.number + 1} on: {error}", "export it again")

    def _items(self) -> Iterator[dict[str, Any] | Refused]:
        cursor = self._cursor
        while first := cursor.peek():
            if first == b"[":
                for begins in cursor.elements():
                    yield from self._value(begins, self._envelopes)
            else:
                yield from self._value(first, self._envelopes)

    def _value(self, begins: bytes, envelopes: frozenset[str]) -> Iterator[dict[str, Any] | Refused]:
        """One item, or the items that it wraps."""
        if begins == b"{" and envelopes:
            yield from self._unwrapped(envelopes)
            return
        text = self._cursor.value()
        if text is None:
            yield _TOO_LONG
        elif begins not in b'{["' and not _SCALAR.fullmatch(text):
            raise NotJsonError("something stands there that is no value")
        else:
            yield self._read(text) if begins == b"{" else _NO_OBJECT

    def _unwrapped(self, envelopes: frozenset[str]) -> Iterator[dict[str, Any] | Refused]:
        """An object, or the items of each list that it wraps, under one key or several, or the same one again."""
        cursor = self._cursor
        rest: list[bytes] = []
        length, wraps, too_long = 0, False, False
        for key in cursor.members():
            if cursor.peek() == b"[" and _name(key) in envelopes:
                wraps = True
                for begins in cursor.elements():
                    yield from self._value(begins, frozenset())
                continue
            value = cursor.value()
            length += len(key) + len(value or b"")
            too_long = too_long or value is None or length > VALUE_MAX
            if too_long:
                rest.clear()
            else:
                rest.append(key + b":" + (value or b""))
        item = _TOO_LONG if too_long else self._read(b"{" + b",".join(rest) + b"}")
        if not wraps or (isinstance(item, dict) and self._is_item(item)):
            yield item


class Line:
    """A line of text as a stream of its own."""

    def __init__(self, text: str) -> None:
        self._rest = text.encode("utf-8", "surrogateescape")

    def block(self) -> bytes:
        """All of it, once."""
        rest, self._rest = self._rest, b""
        return rest


def sketches(stream: Blocks) -> list[dict[str, Any]]:
    """The first objects of a document, to tell what it is by: of every list under a key, the first value only."""
    cursor = Cursor(stream, SKETCH_BYTES)
    found: list[dict[str, Any]] = []
    try:
        while (first := cursor.peek()) and len(found) < SKETCHES_MAX:
            for begins in cursor.elements() if first == b"[" else (first,):
                if begins == b"{":
                    _sketch(cursor, found)
                else:
                    cursor.value()
                if len(found) >= SKETCHES_MAX:
                    break
    except (NotJsonError, FileFaultError):
        pass  # The reading itself will say so.
    return found


def _sketch(cursor: Cursor, found: list[dict[str, Any]]) -> None:
    """Adds the object that begins here; as far as it can be read, where it cannot be read to its end.

    Of a key that stands there twice a list that holds something is kept, otherwise what came first.
    """
    sketch: dict[str, Any] = {}
    found.append(sketch)
    for key in cursor.members():
        name = _name(key)
        if cursor.peek() != b"[":
            sketch.setdefault(name, _decoded(cursor.value()))
            continue
        first: list[Any] = []
        if not isinstance(sketch.get(name), list) or not sketch[name]:
            sketch[name] = first
        for number, _ in enumerate(cursor.elements()):
            value = cursor.value()
            if number == 0:
                first.append(_decoded(value))


def _decoded(text: bytes | None) -> Any:
    """What a value holds; None for what cannot be read."""
    try:
        return None if text is None else msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _name(key: bytes) -> str:
    """A key as text; one that cannot be read is nobody's."""
    name = _decoded(key)
    return name if isinstance(name, str) else ""
