"""What is named becomes files: patterns, archives, folders of an archive, and standard input."""

from __future__ import annotations

import glob
import os
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from rollbook.errors import Problem
from rollbook.intake.streams import FileFaultError, Source

STANDARD_INPUT = "-"

MEMBERS_MAX = 10_000
"""Files of one archive, and files that one pattern may mean."""

_PATTERN = frozenset("*?[")
_WORKBOOK = "[Content_Types].xml"


def expanded(inputs: Sequence[object], folder: Path) -> Iterator[object]:
    """The inputs, with every path as a `Source`. What can be read once only is copied into `folder`.

    Files beyond `MEMBERS_MAX` are not read; a `Problem` in their place says so.
    """
    for input_ in inputs:
        if not isinstance(input_, str | os.PathLike):
            yield input_
            continue
        name = os.fspath(input_)
        if name == STANDARD_INPUT:
            yield Source("standard input", _copied(sys.stdin.buffer, folder))
            continue
        if _is_pipe(name):
            with Path(name).open("rb") as pipe:
                yield Source(name, _copied(pipe, folder))
            continue
        paths = _matching(str(name))
        for path in paths[:MEMBERS_MAX]:
            yield from _members(path)
        if len(paths) > MEMBERS_MAX:
            yield _cut(str(name), "the pattern means", len(paths), "name them by several patterns")


def _cut(name: str, what: str, files: int, remedy: str) -> Problem:
    return Problem(name, f"{what} {files:,} files, and those after the first {MEMBERS_MAX:,} were not read", remedy)


def _matching(name: str) -> list[str]:
    """The files that a pattern means, where there is none of that very name; a name that means none stays."""
    if not _PATTERN & set(name) or Path(name).exists():
        return [name]
    return sorted(glob.glob(name, recursive=True)) or [name]  # noqa: PTH207 - it takes absolute ones too


def _members(path: str) -> Iterator[Source | Problem]:
    """The files of an archive; any other file is itself."""
    members = _listed(path)
    if members is None:
        yield Source(path, Path(path))
        return
    for member in members[:MEMBERS_MAX]:
        yield Source(f"{path}/{member.filename}", Path(path), _opener(path, member))
    if len(members) > MEMBERS_MAX:
        yield _cut(path, "the archive holds", len(members), "unpack it, and name its files by several patterns")


def _listed(path: str) -> list[zipfile.ZipInfo] | None:
    """The files in a zip archive, in its order; None where it is none, or a workbook."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - Path would follow a name that no system has
            if file.read(4) != b"PK\x03\x04":
                return None
        with zipfile.ZipFile(path) as archive:
            found = [info for info in archive.infolist() if not info.is_dir()]
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    if _WORKBOOK in {info.filename for info in found}:
        return None
    return [info for info in found if not info.filename.startswith("__MACOSX/")]


def _opener(path: str, member: zipfile.ZipInfo) -> Callable[[], Any]:
    def open_() -> Any:
        try:
            # The member keeps the file open until it is closed itself.
            with zipfile.ZipFile(path) as archive:
                return archive.open(member)
        except (OSError, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            words = " ".join(str(error).split())[:120]
            raise FileFaultError(f"cannot be unpacked ({words})", "unpack it yourself") from None

    return open_


def _is_pipe(name: str) -> bool:
    """Whether this can be read once only."""
    try:
        mode = os.stat(name).st_mode  # noqa: PTH116 - a name that no system has is no error here
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _copied(stream: BinaryIO, folder: Path) -> Path:
    """A copy of what can be read once only."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="input-", delete=False) as copy:
        shutil.copyfileobj(stream, copy)
    return Path(copy.name)
