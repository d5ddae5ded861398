"""Lines come with their numbers, one block in memory at a time; a line that cannot be text is marked, never lost.

The lines of the record being read are held, so that a record that goes wrong over many lines (a quote that nobody
closed) can be given up and its other lines read again.
"""

from __future__ import annotations

import io
from collections import deque

from rollbook.intake.streams import FileFaultError, Stream

LINE_MAX = 1024 * 1024
"""Longest line, in bytes. A longer one is skipped without being held, and refused."""

RECORD_MAX = 1024 * 1024
"""Longest record over many lines, in characters."""

NOT_UTF8 = ("the line is not UTF-8", "convert the file: it was probably written as Windows-1252 or Latin-1")
TOO_LONG = (f"the line is longer than {LINE_MAX:,} bytes", "correct the export; something else was pasted in")


class RecordTooLongError(Exception):
    """A record goes on over more than `RECORD_MAX` characters."""


class Lines:
    """An iterator over the lines of a stream, each with its newline.

    number          of the line that came last, from 1
    received_bytes  how far the file was read
    marked          line number → (rule, remedy) of lines that cannot be read; bytes that are not UTF-8 come escaped
    held            the lines since `held` was last cleared
    fault           what ended the stream early; the unfinished line before it is not handed out
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ready: deque[str] = deque()
        self._partial = b""
        self._skipping = False
        self._ended = False
        self._newline = b""
        self._received = 0
        self._held_length = 0
        self.received_bytes = 0
        self.number = 0
        self.marked: dict[int, tuple[str, str]] = {}
        self.held: list[str] = []
        self.fault: FileFaultError | None = None

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        while not self._ready:
            if self._ended:
                raise StopIteration
            self._receive()
        line = self._ready.popleft()
        self.number += 1
        if not self.held:
            self._held_length = 0
        self.held.append(line)
        self._held_length += len(line)
        if self._held_length > RECORD_MAX and len(self.held) > 1:
            raise RecordTooLongError
        return line

    def rewind(self, kept: int = 1) -> None:
        """Hands out the held lines again, all but the first `kept`."""
        again = self.held[kept:]
        self.number -= len(again)
        self._ready.extendleft(reversed(again))
        self.held.clear()

    def mark_in(self, first: int, last: int) -> tuple[str, str] | None:
        """(rule, remedy) of the first marked line from `first` to `last`."""
        marked = [number for number in self.marked if first <= number <= last]
        return self.marked[min(marked)] if marked else None

    def forget(self, last: int) -> None:
        """Drops the marks of lines up to `last`: their rows are dealt with."""
        for number in [number for number in self.marked if number <= last]:
            del self.marked[number]

    def _receive(self) -> None:
        """Takes one more block, and makes its whole lines ready."""
        try:
            block = self._stream.block()
        except FileFaultError as fault:
            self.fault, self._ended, self._partial = fault, True, b""
            return
        if not block:
            self._ended = True
            if self._partial or self._skipping:
                self._split(self._partial)
            return
        self.received_bytes += len(block)
        if not self._newline:
            self._newline = b"\r" if b"\r" in block and b"\n" not in block else b"\n"
        whole, newline, rest = (block if self._skipping else self._partial + block).rpartition(self._newline)
        if newline:
            self._split(whole + newline)
            self._partial = rest
        elif not self._skipping:
            self._partial = rest
        if len(self._partial) > LINE_MAX:
            self._skipping, self._partial = True, b""

    def _split(self, data: bytes) -> None:
        if self._skipping:
            self._skipping = False
            self._mark(TOO_LONG)
            self._ready.append("\n")
            data = data.partition(self._newline)[2]
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._split_doubtful(data)
            return
        lines = list(io.StringIO(text, newline=self._newline.decode()))
        if len(data) > LINE_MAX:
            lines = [self._bounded(line, offset) for offset, line in enumerate(lines, 1)]
        self._received += len(lines)
        self._ready.extend(lines)

    def _split_doubtful(self, data: bytes) -> None:
        """Line by line, so that those that are UTF-8 are kept."""
        for raw in io.BytesIO(data) if self._newline == b"\n" else data.split(self._newline):
            line = raw if self._newline == b"\n" else raw + self._newline
            try:
                self._ready.append(self._bounded(line.decode(), 1))
                self._received += 1
            except UnicodeDecodeError:
                self._mark(NOT_UTF8)
                self._ready.append(line[:LINE_MAX].decode(errors="surrogateescape"))

    def _bounded(self, line: str, offset: int) -> str:
        if len(line) <= LINE_MAX:
            return line
        self.marked[self._received + offset] = TOO_LONG
        return "\n"

    def _mark(self, fault: tuple[str, str]) -> None:
        self._received += 1
        self.marked[self._received] = fault
