"""JSON documents that are no lines: a list, a result page, or objects written over many lines.

Items come one by one and are never held together, so memory stays bounded by the largest item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import ijson
from ijson.common import ObjectBuilder

from rollbook.intake.batches import Refused
from rollbook.intake.streams import FileFaultError, Stream

EVENTS_MAX = 100_000
"""Values in one item; a larger one is refused."""

DEPTH_MAX = 200
"""How deep an item may be nested; a deeper one is refused."""

ITEM_BYTES_MAX = 64 * 2**20
"""Bytes of one item; a longer one ends the document."""

_LONG_NUMBER = re.compile(rb"\d{1001,}")

_OPENING, _CLOSING = ("start_map", "start_array"), ("end_map", "end_array")


class Documents:
    """The items of one document: those of a top-level list, or of a list under one of `envelopes`, else the objects.

    fault   what ended the document early; the items before it stand
    number  how many items came
    """

    def __init__(self, stream: Stream, envelopes: Sequence[str] = ()) -> None:
        self._file = _File(stream)
        self._envelopes = set(envelopes)
        self.fault: FileFaultError | None = None
        self.number = 0

    def items(self) -> Iterator[tuple[int, Any | Refused]]:
        """(number, item) of each item."""
        try:
            for item in self._items():
                self.number += 1
                self._file.since_item = 0
                yield self.number, item
        except FileFaultError as fault:
            self.fault = fault
        except (ijson.JSONError, UnicodeDecodeError) as error:
            words = " ".join(str(error).split())[:120]
            self.fault = FileFaultError(f"is not JSON from item {self.number + 1} on: {words}", "export it again")

    def _items(self) -> Iterator[Any]:
        events = ijson.basic_parse(self._file, multiple_values=True)
        for event, _ in events:
            if event == "start_array":
                yield from self._list(events, unwrap=True)
            elif event == "start_map":
                yield from self._object(events, unwrap=True)
            else:
                yield _NO_OBJECT

    def _list(self, events: Iterator[tuple[str, Any]], *, unwrap: bool) -> Iterator[Any]:
        """The items of a list, whose opening event has come."""
        for event, _ in events:
            if event == "end_array":
                return
            if event == "start_map":
                yield from self._object(events, unwrap=unwrap)
                continue
            if event == "start_array":
                _skip(events)
            yield _NO_OBJECT

    def _object(self, events: Iterator[tuple[str, Any]], *, unwrap: bool) -> Iterator[Any]:
        """One object, whose opening event has come; or the items of a list that it only wraps."""
        builder = ObjectBuilder()
        builder.event("start_map", None)
        depth, size, key, wraps, refused = 1, 0, "", False, None
        for event, value in events:
            if unwrap and depth == 1 and event == "start_array" and key in self._envelopes:
                wraps = True
                yield from self._list(events, unwrap=False)
                builder.event("null", None)
                continue
            if event == "map_key" and depth == 1:
                key = value
            depth += (event in _OPENING) - (event in _CLOSING)
            size += 1
            if size > EVENTS_MAX or depth > DEPTH_MAX:
                refused = _TOO_LARGE
            if refused is None:
                builder.event(event, value)
            if depth == 0:
                break
        if not wraps:
            yield refused or builder.value


_NO_OBJECT = Refused("the item is no JSON object", "write a list of objects")
_TOO_LARGE = Refused(f"the item has more than {EVENTS_MAX:,} values, or is nested too deeply", "look at the export")


def _skip(events: Iterator[tuple[str, Any]]) -> None:
    """Passes over a list whose opening event has come."""
    depth = 1
    for event, _ in events:
        depth += (event in _OPENING) - (event in _CLOSING)
        if depth == 0:
            return


class _File:
    """A stream as what ijson reads from."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.since_item = 0

    def read(self, size: int) -> bytes:
        """The next bytes, whatever their number; none at the end, and none where nothing is asked for."""
        if not size:
            return b""
        block = self._stream.block()
        self.since_item += len(block)
        if self.since_item > ITEM_BYTES_MAX:
            raise FileFaultError(f"holds an item of more than {ITEM_BYTES_MAX // 2**20} MiB", "look at the export")
        if _LONG_NUMBER.search(block):
            # The parser in C does not survive a number that Python refuses to convert.
            raise FileFaultError("holds a number of more than 1,000 digits", "look at the export")
        return block
