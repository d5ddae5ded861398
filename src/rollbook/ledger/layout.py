"""What lies in the folder of a ledger, and the manifest that says which of it counts.

    manifest.json
    segments/000001/facts-000.parquet …   facts by (organisation, learner, instant, source, id), texts by their bytes
                    groups.npy            where the instants and the kinds of each row group lie in their file
                    corrections.parquet   voids and links
                    learners.parquet      who occurs: number, organisation, learner, first row
                    learners.npy          digest of the id and number, to find one without reading all
                    learners-rows.npy     the first row of each number
                    organisations.parquet where each organisation's facts begin, and how many there are
                    coverage.parquet      source, day and type: facts, first and last instant
                    keys-*.npy            digests of (source, id) in order, of contents, and the row of each
    targets-000001.parquet                which facts the voids of the whole ledger name

The Parquet files of facts have the canonical columns, for whichever tool reads them, and two numbers by which they are
counted: `learner_number`, from 0 in the order of the rows, and `kind`, which stands for (type, role, mode, whether
impersonated). Instants and kinds are neither coded nor compressed: each row group has the instants as one array, and
the lowest bytes of its kinds as another.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

FORMAT = 2
"""The version of the layout. A reader refuses what it does not know."""

MANIFEST = "manifest.json"
UNFINISHED = "manifest.json.new"
SEGMENTS = "segments"
TARGETS = "targets"

SEGMENT_NAME, TARGETS_NAME = re.compile(r"[0-9]{6,9}"), re.compile(rf"{TARGETS}-[0-9]{{6,9}}\.parquet")
"""What builds call their segments and their files of targets."""


FILE_ROWS = 1 << 22
"""Rows of one file of facts, at most: its footer is read whole to find one learner."""

GROUP_ROWS = 1 << 17
"""Rows of one row group: what a pass takes at a time, and what is read to explain one learner."""

ROWS_MAX = (1 << 31) - 1
"""Rows of one segment, at most: they and its learners are numbered in four bytes."""

SEGMENTS_MAX = 1000
"""Segments that a manifest may name: many times what `LARGER` and `ROWS_MAX` let come about."""

KINDS_MAX = 32_767
"""Kinds that fit into two bytes; facts of more are not numbered, and the query reads their texts."""

FILES_FIXED = (
    "corrections.parquet",
    "coverage.parquet",
    "groups.npy",
    "keys-heads.npy",
    "keys-rows.npy",
    "keys-tails.npy",
    "learners-rows.npy",
    "learners.npy",
    "learners.parquet",
    "organisations.parquet",
)
"""What every segment has beside its files of facts."""

MANIFEST_BYTES_MAX = 1 << 28
"""What is read of a manifest. A thousand builds and a dozen segments of a few kinds take a quarter of a mebibyte."""

BUILDS_MAX = 1000
"""Builds that the manifest remembers, the newest ones."""


class Written(msgspec.Struct, frozen=True):
    """A file of a segment: its name, and the SHA-256 of its bytes, which tells a damaged copy."""

    name: str
    bytes: int
    sha256: str


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """What a plan may ask of a single fact, apart from who, when and whether it was taken back."""

    type: str
    role: str
    mode: str
    impersonated: bool


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Facts in one order.

    name         of its folder
    rows         facts in the sorted files, `files` of them with `file_rows` each
    groups       row groups of these files, all together
    corrections  voids and links, which follow them in the numbering of rows
    links        how many of these are links
    learners     how many numbers of learners there are
    first_us     the first instant, UTC microseconds; null where there is no fact
    kinds        what each `kind` stands for
    digest       SHA-256 over the digests of its facts in the order of their keys: the same for the same facts,
                 however they came and wherever they lie
    """

    name: str
    rows: int
    groups: int
    corrections: int
    links: int
    file_rows: tuple[int, ...]
    learners: int
    first_us: int | None
    kinds: tuple[Kind, ...]
    digest: str
    written: tuple[Written, ...]

    @property
    def facts(self) -> int:
        """All facts, corrections included."""
        return self.rows + self.corrections


class BuildRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one build met: rows = added + duplicates + rejected."""

    at: str
    rows: int
    added: int
    duplicates: int
    rejected: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Which segments count, oldest first, and what was built when.

    targets  the file of what voids name; null where nothing was built
    next     the number of the next segment
    """

    format: int = FORMAT
    segments: tuple[Segment, ...] = ()
    targets: Written | None = None
    builds: tuple[BuildRecord, ...] = ()
    next: int = 1

    @property
    def facts(self) -> int:
        """All facts."""
        return sum(segment.facts for segment in self.segments)


def is_ledger(path: object) -> bool:
    """Whether a path is the folder of a ledger."""
    if not isinstance(path, str | os.PathLike):
        return False
    try:
        return (Path(os.fspath(path)) / MANIFEST).is_file()
    except (OSError, ValueError):
        return False


def located(folder: Path) -> Path:
    """The folder by a name that nothing takes for somebody's home: libraries do so where it begins with `~`."""
    return folder.absolute() if str(folder).startswith("~") else folder


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replaces the manifest in one step: a reader, or a machine that dies, meets the one before or this one."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    unfinished = folder / UNFINISHED
    unfinished.unlink(missing_ok=True)
    with unfinished.open("xb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / MANIFEST)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def segment_folder(folder: Path, name: str) -> Path:
    """Where the files of a segment lie."""
    return folder / SEGMENTS / name


def facts_file(number: int) -> str:
    """The name of a segment's file of facts, counted from 0."""
    return f"facts-{number:03}.parquet"
