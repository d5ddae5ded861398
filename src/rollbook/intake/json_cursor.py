"""Where values of JSON begin and end in a stream of bytes: one value at a time, never the whole document.

A cursor only cuts; what a value holds is read by whoever gets it. So a value that is broken inside costs nobody else
anything, and one that is too long is passed over without being held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from rollbook.intake.lines import LINE_MAX

VALUE_MAX = LINE_MAX
"""Longest value, in bytes: as long as a line may be. A longer one is passed over."""

_BLANK = re.compile(rb"[ \t\r\n]*+")
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
"""Up to a bracket, a brace, or a text whose end has not come yet."""

_TO_QUOTE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SCALAR = re.compile(rb'[^ \t\r\n,:"\[\]{}]*+')
_CLOSES = {ord("{"): ord("}"), ord("["): ord("]")}


class Blocks(Protocol):
    """What a cursor reads from."""

    def block(self) -> bytes:
        """The next bytes, whatever their number; none at the end."""


class NotJsonError(Exception):
    """Brackets and commas do not stand as in JSON; says why."""


class Cursor:
    """A place in a stream. `taken_bytes` is how much of it was passed, `most` where the stream is taken to end."""

    def __init__(self, stream: Blocks, most: int | None = None) -> None:
        self._stream = stream
        self._most = most
        self._buffer = b""
        self._at = 0
        self._before = 0

    @property
    def taken_bytes(self) -> int:
        """How many bytes were passed."""
        return self._before + self._at

    def peek(self) -> bytes:
        """The next byte that is not blank, which stays; b"" at the end."""
        while True:
            blank = _BLANK.match(self._buffer, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._more():
                return b""

    def take(self, expected: bytes) -> bytes:
        """Passes over the next byte, which has to be one of those expected. Raises NotJsonError."""
        found = self.peek()
        if not found:
            raise NotJsonError("it ends too early")
        if found not in [expected[at : at + 1] for at in range(len(expected))]:
            raise NotJsonError(f"{_shown(found)} stands where {' or '.join(expected.decode())} belongs")
        self._at += 1
        return found

    def members(self) -> Iterator[bytes]:
        """The keys of the object that begins here, as written; whoever asks takes the value before the next key."""
        self.take(b"{")
        if self.peek() == b"}":
            self._at += 1
            return
        while True:
            if self.peek() != b'"':
                raise NotJsonError("a key is no text in quotes")
            key = self.value()
            if key is None:
                raise NotJsonError("a key is too long")
            self.take(b":")
            yield key
            if self.take(b",}") == b"}":
                return

    def elements(self) -> Iterator[bytes]:
        """The first byte of each value of the list that begins here; whoever asks takes the value before the next."""
        self.take(b"[")
        if self.peek() == b"]":
            self._at += 1
            return
        while True:
            yield self.peek()
            if self.take(b",]") == b"]":
                return

    def value(self) -> bytes | None:
        """The value that begins here, as written; None for one that is longer than `VALUE_MAX`."""
        held = _Held()
        first = self.peek()
        if not first:
            raise NotJsonError("it ends too early")
        if first not in b'{["':
            self._scalar(held)
            return held.value()
        closing = bytearray()
        in_text = first == b'"'
        start = self._at
        self._at += in_text
        while True:
            if in_text:
                in_text = not self._pass_text()
                ended = not in_text and not closing
            else:
                ended, in_text = self._pass_brackets(closing)
            if ended:
                held.add(self._buffer[start : self._at])
                return held.value()
            if self._at >= len(self._buffer) or (in_text and self._buffer[self._at :] == b"\\"):
                held.add(self._buffer[start : self._at])
                if not self._more():
                    raise NotJsonError("it ends too early")
                start = self._at

    def _pass_brackets(self, closing: bytearray) -> tuple[bool, bool]:
        """Goes on to the next bracket, over it, and through all that follow; (value has ended, text has begun)."""
        while True:
            match = _TO_BRACKET.match(self._buffer, self._at)
            self._at = match.end() if match else self._at
            if self._at == len(self._buffer):
                return False, False
            byte = self._buffer[self._at]
            self._at += 1
            if byte == ord('"'):
                return False, True
            if byte in _CLOSES:
                closing.append(_CLOSES[byte])
            elif closing.pop() != byte:
                raise NotJsonError("brackets do not close as they open")
            elif not closing:
                return True, False

    def _pass_text(self) -> bool:
        """Goes on to the end of a text, and over it; whether it has come. A backslash at the end stays."""
        match = _TO_QUOTE.match(self._buffer, self._at)
        self._at = match.end() if match else self._at
        if self._buffer[self._at : self._at + 1] == b'"':
            self._at += 1
            return True
        return False

    def _scalar(self, held: _Held) -> None:
        while True:
            match = _SCALAR.match(self._buffer, self._at)
            end = match.end() if match else self._at
            held.add(self._buffer[self._at : end])
            self._at = end
            if end < len(self._buffer) or not self._more():
                break
        if not held.length:
            raise NotJsonError(f"{_shown(self.peek())} stands where a value belongs")

    def _more(self) -> bool:
        """Takes one more block, and lets go of what was passed; whether there was one."""
        if self._most is not None and self.taken_bytes >= self._most:
            return False
        block = self._stream.block()
        self._before += self._at
        self._buffer, self._at = self._buffer[self._at :] + block, 0
        return bool(block)


class _Held:
    """The parts of a value, as long as it is not too long."""

    def __init__(self) -> None:
        self.length = 0
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        self.length += len(part)
        if self.length > VALUE_MAX:
            self._parts.clear()
        else:
            self._parts.append(part)

    def value(self) -> bytes | None:
        return None if self.length > VALUE_MAX else b"".join(self._parts)


def _shown(byte: bytes) -> str:
    return byte.decode("latin-1") if byte.isascii() and byte.decode().isprintable() else repr(byte)[2:-1]
