"""Opens a bundle that anybody may have made: every name, size and number is held to a bound before it is used.

Entries are copied into a folder under names of our own; nothing in the archive says where anything is written.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rollbook.books.bundle import (
    EVIDENCE,
    FACTS,
    README,
    SECRETS,
    SECRETS_HEADER,
    STATEMENT,
    SUMS,
    previous_name,
)
from rollbook.errors import BookError, Problem
from rollbook.proof.shapes import read_json
from rollbook.proof.terms import check_record

DIRECTORY_BYTES_MAX = 2 * 2**20
"""Of the list of entries: room for more statements than a term of fifty years has."""

TEXT_BYTES_MAX = 16 * 2**20
"""Of one statement, plan, or list of secrets; of all statements together four times as much."""

TABLE_BYTES_MAX = 256 * 2**30
"""Of facts or of evidence."""

EXPANSION_MAX = 200
"""How many times larger than the archive its content may be; rows of facts are packed to about a tenth."""

FREE_BYTES = 64 * 2**20
"""So much content is taken from any archive, however small it is."""

_BLOCK_BYTES = 1 << 20
_ENTRY = re.compile(r"previous/[0-9]{4,6}\.json|plans/[0-9a-f]{64}\.toml")
_SECRET = re.compile(r"([0-9]{1,6}),([0-9a-f]{64})")
_FIXED = (README, SUMS, STATEMENT, EVIDENCE, FACTS, SECRETS)
_AGAIN = "ask for the bundle again"
_SYMLINK = 0o120000


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle in a folder of its own.

    records   the statements, the last one last
    places    the entry of each
    plans     the texts of plans, by digest
    secrets   by the number of the statement
    changed   what is not as SHA256SUMS says, in words
    """

    folder: Path
    records: tuple[Mapping[str, Any], ...]
    places: tuple[str, ...]
    plans: Mapping[str, str]
    secrets: Mapping[int, bytes]
    changed: tuple[str, ...]

    @property
    def facts(self) -> Path:
        """facts.csv."""
        return self.folder / FACTS

    @property
    def evidence(self) -> Path:
        """evidence.csv."""
        return self.folder / EVIDENCE


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The content of a bundle, checked as far as it has to be to be looked at. Raises BookError where it cannot be."""
    with tempfile.TemporaryDirectory(prefix="rollbook-") as folder:
        try:
            found = _extracted(path, Path(folder))
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from None
        # What `zipfile` raises for an archive that somebody made on purpose.
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise _unreadable(path, str(error)) from None
        yield found


def _unreadable(path: Path | str, rule: str) -> BookError:
    return BookError(Problem(str(path), f"this bundle cannot be read: {rule}", _AGAIN))


def _extracted(path: Path, folder: Path) -> Opened:
    with path.open("rb") as file:
        _refuse_large_directory(path, file)
        with zipfile.ZipFile(file) as bundle:
            entries = _entries(path, bundle)
            budget = FREE_BYTES + EXPANSION_MAX * path.stat().st_size
            sums: dict[str, str] = {}
            texts: dict[str, bytes] = {}
            for name, info in entries.items():
                most = min(budget, TABLE_BYTES_MAX if name in (FACTS, EVIDENCE) else TEXT_BYTES_MAX)
                target = folder / name if name in (FACTS, EVIDENCE) else folder / "text"
                with bundle.open(info) as source:
                    size, sums[name] = _copied(path, name, source, target, most)
                budget -= size
                if name not in (FACTS, EVIDENCE):
                    texts[name] = target.read_bytes()
                if sum(map(len, texts.values())) > 4 * TEXT_BYTES_MAX:
                    raise _unreadable(path, "its statements and plans are too long")
    changed = tuple(_unlike_sums(texts[SUMS], sums))
    records = tuple(_record(path, name, texts[name]) for name in _in_order(path, texts))
    plans = {
        name[len("plans/") : -len(".toml")]: _text(path, name, texts[name]) for name in texts if name[:6] == "plans/"
    }
    secrets = _secrets(path, texts[SECRETS], len(records))
    return Opened(folder, records, tuple(_in_order(path, texts)), plans, secrets, changed)


def _refuse_large_directory(path: Path, file: IO[bytes]) -> None:
    """The list of entries is read in one piece, so its length is looked at first, where the archive ends."""
    file.seek(0, os.SEEK_END)
    end = 22 + 20 + 56
    file.seek(max(file.tell() - end, 0))
    tail = file.read(end)
    if tail[-22:-18] != b"PK\x05\x06":
        raise _unreadable(path, "it is no ZIP archive, or is cut off")
    size = struct.unpack("<L", tail[-10:-6])[0]
    if tail[-42:-38] == b"PK\x06\x07":
        size = struct.unpack("<Q", tail[-58:-50])[0]
    file.seek(0)
    if size > DIRECTORY_BYTES_MAX:
        raise _unreadable(path, "it has too many entries")


def _entries(path: Path, bundle: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by name: exactly those that belong into a bundle."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in bundle.infolist():
        shown = repr(info.orig_filename[:80])
        if info.orig_filename not in _FIXED and not _ENTRY.fullmatch(info.orig_filename):
            raise _unreadable(path, f"the entry {shown} does not belong there")
        if info.filename in found:
            raise _unreadable(path, f"the entry {shown} stands there twice")
        if (info.external_attr >> 16) & 0o170000 == _SYMLINK:
            raise _unreadable(path, f"the entry {shown} is a link")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _unreadable(path, f"the entry {shown} is encrypted, or packed in an uncommon way")
        found[info.filename] = info
    for name in _FIXED:
        if name not in found:
            raise _unreadable(path, f"the entry {name} is missing")
    return found


def _copied(path: Path, name: str, source: IO[bytes], target: Path, most: int) -> tuple[int, str]:
    """Copies an entry, up to a size that counts what comes out and not what the archive says; its size and digest."""
    size, digest = 0, hashlib.sha256()
    with target.open("wb") as out:
        while block := source.read(_BLOCK_BYTES):
            size += len(block)
            if size > most:
                raise _unreadable(path, f"the entry {name} is too long")
            digest.update(block)
            out.write(block)
    return size, digest.hexdigest()


def _unlike_sums(content: bytes, sums: Mapping[str, str]) -> Iterator[str]:
    """Every entry whose digest is another than SHA256SUMS says, or that it does not name."""
    stated: dict[str, str] = {}
    # `splitlines` would take a vertical tab, and much else, for the end of a line.
    for line in content.decode("utf-8", errors="replace").removesuffix("\n").split("\n"):
        digest, _, name = line.partition("  ")
        stated[name] = digest
    for name in sorted({*stated, *sums} - {SUMS}):
        if name not in sums:
            yield f"{name[:80]} is missing"
        elif name not in stated:
            yield f"{name} came in later"
        elif stated[name] != sums[name]:
            yield f"{name} was changed since the bundle was written"


def _in_order(path: Path, texts: Mapping[str, bytes]) -> list[str]:
    """The entries of the statements, the last one last: earlier ones are numbered from 1 without gaps."""
    earlier = sorted((name for name in texts if name.startswith("previous/")), key=lambda name: (len(name), name))
    for number, name in enumerate(earlier, 1):
        if name != previous_name(number):
            raise _unreadable(path, f"the entry {previous_name(number)} is missing")
    return [*earlier, STATEMENT]


def _record(path: Path, name: str, content: bytes) -> dict[str, Any]:
    place = f"{path}: {name}"
    try:
        value = read_json(content)
    except ValueError as error:
        raise BookError(Problem(place, f"this is no statement: {error}", _AGAIN)) from None
    return check_record(value, place)


def _text(path: Path, name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _unreadable(f"{path}: {name}", "it is not UTF-8") from None


def _secrets(path: Path, content: bytes, statements: int) -> dict[int, bytes]:
    header, *lines = _text(path, SECRETS, content).split("\n")
    found = [_SECRET.fullmatch(line) for line in lines[:-1]]
    numbers = [match and match[1] for match in found]
    if (header, numbers) != (",".join(SECRETS_HEADER), [str(number) for number in range(1, statements + 1)]):
        raise _unreadable(f"{path}: {SECRETS}", "it does not have one secret for each statement")
    return {number: bytes.fromhex(match[2]) for number, match in enumerate(found, 1) if match}
