"""A ledger may be damaged, copied in part, or come from a stranger: what its manifest says is held against the folder.

No name leads out of the folder, every file is a plain one of the length that was written, and every number fits. What
the bytes are is left to `checking`, which reads them all.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rollbook.errors import LedgerError, Problem
from rollbook.ledger.layout import (
    FILES_FIXED,
    KINDS_MAX,
    ROWS_MAX,
    SEGMENT_NAME,
    SEGMENTS,
    SEGMENTS_MAX,
    TARGETS_NAME,
    Manifest,
    Segment,
    Written,
    facts_file,
    segment_folder,
)

REMEDY = "copy the ledger again, or build it anew"


def faults(manifest: Manifest) -> Iterator[str]:
    """What a manifest says that no build wrote."""
    if len(manifest.segments) > SEGMENTS_MAX:
        yield f"it names {len(manifest.segments):,} segments"
        return
    numbers = [int(it.name) if SEGMENT_NAME.fullmatch(it.name) else -1 for it in manifest.segments]
    if -1 in numbers:
        yield "it names a segment that is no number"
    elif len({0, *numbers}) <= len(numbers) or max(numbers, default=0) >= manifest.next:
        yield "its segments are not numbered one after the other"
    if (manifest.targets is None) != (not manifest.segments):
        yield "it does not say what voids name"
    if manifest.targets and not TARGETS_NAME.fullmatch(manifest.targets.name):
        yield "its file of targets has another name"
    for segment in manifest.segments:
        if not _fits(segment):
            yield f"the numbers of segment {segment.name[:9]!r} contradict each other"


def _fits(segment: Segment) -> bool:
    """Whether the numbers and names of a segment are those of one that was written."""
    names = {*FILES_FIXED, *map(facts_file, range(len(segment.file_rows)))}
    return (
        0 <= segment.links <= segment.corrections
        and len(segment.file_rows) <= segment.groups <= segment.rows
        and all(rows > 0 for rows in segment.file_rows)
        and sum(segment.file_rows) == segment.rows
        and 0 < segment.facts <= ROWS_MAX
        and 0 <= segment.learners <= segment.rows
        and len(segment.kinds) <= KINDS_MAX
        and len(segment.written) == len(names)
        and {written.name for written in segment.written} == names
    )


def refuse_missing(folder: Path, manifest: Manifest) -> None:
    """Raises LedgerError where a file that the manifest names is not there, is a link, or has another length."""
    for path, written in files(folder, manifest):
        if fault := lying(path, written):
            raise LedgerError(Problem(str(path), fault, REMEDY))


def files(folder: Path, manifest: Manifest) -> Iterator[tuple[Path, Written]]:
    """Every file that a manifest names, and what it says of it."""
    for segment in manifest.segments:
        for written in segment.written:
            yield segment_folder(folder, segment.name) / written.name, written
    if manifest.targets:
        yield folder / manifest.targets.name, manifest.targets


def lying(path: Path, written: Written) -> str:
    """What is wrong with how a file lies there, in words; nothing where all is well."""
    try:
        if any(it.is_symlink() for it in (path, *_inside(path))):
            return "is a link, and whatever lies in a ledger is a file of its own"
        found = path.lstat()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if found.st_size != written.bytes:
        return f"has {found.st_size:,} bytes, and {written.bytes:,} were written"
    return ""


def _inside(path: Path) -> Iterator[Path]:
    """The folders between a file and that of the ledger."""
    if path.parent.parent.name == SEGMENTS:
        yield path.parent
        yield path.parent.parent


@contextmanager
def in_words(folder: Path, place: Path | None = None) -> Iterator[None]:
    """Ends in a sentence where files of a ledger hold something that was never written there."""
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException):
        # A full disk or too little memory, and no damage.
        raise
    except (duckdb.Error, pa.ArrowException, ValueError, IndexError, KeyError, OverflowError, TypeError) as error:
        rule = f"holds what no build wrote ({' '.join(str(error).split())[:200]})"
        remedy = f"see which file is damaged: rollbook ledger verify {folder}"
        raise LedgerError(Problem(str(place or folder), rule, remedy)) from None


def array(path: Path, dtype: Any, count: int) -> NDArray[Any]:
    """An array of a segment, mapped from disk. Raises LedgerError where it is of another type or length."""
    with in_words(path.parents[2], path):
        try:
            found: NDArray[Any] = np.load(path, mmap_mode="r" if count else None, allow_pickle=False)
        except (SyntaxError, TokenError, RecursionError, MemoryError) as error:
            # The head of such a file is a literal of Python.
            raise ValueError(error) from None
        if found.dtype != np.dtype(dtype) or found.shape != (count,):
            raise ValueError(f"{found.dtype} in {found.shape}, where {count:,} of {np.dtype(dtype)} were written")
        return found
