"""Bytes come in bounded blocks, decompressed, and as UTF-8 where they say that they are another Unicode.

A fault stops the stream; every block before it stands.
"""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

BLOCK_BYTES = 256 * 1024
_HEAD_BYTES = 4096

_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "is an Excel workbook, or a zip archive that is damaged", "save the sheet as CSV; or unpack it"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook", "save the sheet as CSV"),
    (b"BZh", "is compressed with bzip2", "unpack it first, or compress it with gzip"),
    (b"\xfd7zXZ\x00", "is compressed with xz", "unpack it first, or compress it with gzip"),
    (b"PARE", "is an encrypted Parquet file", "export it without encryption"),
    (b"%PDF", "is a PDF document", "export the rows as CSV"),
    (b"SQLite format 3\x00", "is a SQLite database", "export its rows as CSV"),
)
_UNICODES = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class FileFaultError(Exception):
    """A whole file, or the rest of one, cannot be read: the rule and the remedy of a problem."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.rule, self.remedy = rule, remedy


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: at `path`, or wherever `open` finds it, which may be called again."""

    name: str
    path: Path
    open: Callable[[], Any] | None = None


class Stream:
    """An opened file whose `kind` is known: csv, ndjson, json (a list) or parquet. `received_bytes` were read."""

    def __init__(self, source: Path | Source) -> None:
        source = source if isinstance(source, Source) else Source(str(source), source)
        self._file: Any = source.open() if source.open else _open(source.path)
        self.compressed = source.open is not None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._ended = False
        self.received_bytes = 0
        try:
            self._read = self._decompressor()
            self._head = self._read_head()
            self._first = b""
            self.kind = self._recognise()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()

    def block(self) -> bytes:
        """The next bytes, b"" at the end. Raises FileFaultError where the file cannot be read any further."""
        if self._first:
            first, self._first = self._first, b""
            return first
        return self._decoded()

    def _decoded(self) -> bytes:
        """The next bytes as UTF-8. Half characters become bytes that are none, so that their lines are refused."""
        if self._decoder is None:
            return self._raw()
        while not self._ended:
            raw = self._raw()
            self._ended = not raw
            try:
                text = self._decoder.decode(raw, final=self._ended)
            except UnicodeError:
                raise FileFaultError("holds bytes that are not of its own encoding", "export it as UTF-8") from None
            if text:
                return text.encode("utf-8", "surrogatepass")
        return b""

    def _decompressor(self) -> Callable[[int], bytes]:
        within = self.compressed
        magic = self._magic()
        stream: Any = self._file
        if magic[:2] == b"\x1f\x8b":
            stream = gzip.GzipFile(fileobj=self._file, mode="rb")
        elif magic == b"\x28\xb5\x2f\xfd":
            stream = pa.CompressedInputStream(self._file, "zstd")
            self.compressed = True
            return lambda size: bytes(stream.read(size))
        self.compressed = within or stream is not self._file
        return lambda size: bytes(stream.read1(size))

    def _magic(self) -> bytes:
        """The first bytes, which stay to be read."""
        try:
            return bytes(self._file.peek(4)[:4])
        except (OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
            raise FileFaultError(f"cannot be read ({_one_line(error)})", "transfer or export it again") from None

    def _raw(self) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        try:
            return self._counted(self._read(BLOCK_BYTES))
        except EOFError:
            raise FileFaultError(
                "is cut off: its compressed data end too early", "transfer or export it again"
            ) from None
        except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
            rule = f"is damaged: its compressed data are wrong ({_one_line(error)})"
            raise FileFaultError(rule, "transfer or export it again; do not trust what was read of it") from None
        except (OSError, ValueError) as error:
            rule = f"cannot be read any further ({_one_line(error)})"
            raise FileFaultError(rule, "transfer or export it again") from None

    def _counted(self, block: bytes) -> bytes:
        self.received_bytes += len(block)
        return block

    def _read_head(self) -> bytes:
        """Enough bytes to recognise the file by; a fault that comes after some bytes waits for its turn."""
        self._head = head = b""
        while len(head) < _HEAD_BYTES:
            try:
                more = self._raw()
            except FileFaultError as fault:
                if not head:
                    raise
                self._read = _raiser(fault)
                break
            if not more:
                break
            head += more
        return head

    def _recognise(self) -> str:
        head = self._head
        if head.startswith(b"PAR1"):
            return "parquet"
        for magic, rule, remedy in _REFUSED:
            if head.startswith(magic):
                raise FileFaultError(rule, remedy)
        for mark, codec in _UNICODES:
            if head.startswith(mark):
                self._decoder = codecs.getincrementaldecoder(codec)("surrogatepass")
                break
        else:
            self._head = head.removeprefix(codecs.BOM_UTF8)
        return self._recognise_text()

    def _recognise_text(self) -> str:
        text = self._first = self._decoded()
        start = text.lstrip()
        if not start:
            if len(text) < _HEAD_BYTES:
                raise FileFaultError("is empty", "export it again; at least the names of the columns are needed")
            return "csv"
        if b"\0" in start.split(b"\n", 1)[0][:_HEAD_BYTES]:
            rule = "holds bytes that are no text: it is neither CSV nor JSON lines nor Parquet"
            raise FileFaultError(rule, "export it as CSV in UTF-8, as JSON lines or as Parquet")
        if start[:1] == b"[":
            return "json"
        if start[:1] == b"<":
            raise FileFaultError(
                "is a page of HTML or XML", "export the rows as CSV; the page may be a failed download"
            )
        # Where a log begins in the middle of a line, the lines after it tell.
        after = start.split(b"\n", 3)[1:3]
        is_log = len(after) > 1 and all(line.startswith(b'{"') for line in after)
        return "ndjson" if start[:1] == b"{" or is_log else "csv"


def _raiser(fault: FileFaultError) -> Callable[[int], bytes]:
    def fail(_size: int) -> bytes:
        raise fault

    return fail


def _open(path: Path) -> io.BufferedReader:
    try:
        if path.is_dir():
            raise FileFaultError("is a directory", "name the files in it")
        return path.open("rb")
    except FileNotFoundError:
        raise FileFaultError("does not exist", "check the name and the folder") from None
    except PermissionError:
        raise FileFaultError("may not be read by you", "ask for the permission to read it") from None
    except (OSError, ValueError) as error:
        raise FileFaultError(f"cannot be opened ({_one_line(error)})", "check the name and the folder") from None


def _one_line(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
    return " ".join(text.split())[:160].lower()
