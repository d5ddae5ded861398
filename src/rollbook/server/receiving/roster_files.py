"""A roster as a platform exports it, sent as a file: read within bounds, and asked for as one action.

What is confirmed is what was shown: the digest of the file, and of how it is read, is part of the action.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from rollbook.errors import Problem, UsageError
from rollbook.intake.rosters import RosterOptions, RosterReading, read_roster
from rollbook.server.live import snapshots
from rollbook.server.live.roster import organisations_of
from rollbook.server.live.snapshots import FOLDER
from rollbook.server.models import Customer
from rollbook.server.receiving.roster_deciding import SNAPSHOT, Asked
from rollbook.server.refusals import RefusedError, refused

UNPACKED_BYTES_MAX = 64 * 1024 * 1024
"""All files of an archive together, unpacked."""

MEMBERS_MAX = 50
"""Files of an archive; OneRoster has 17."""

ENTRIES_MAX = 500
"""Entries of the directory of an archive, folders among them. It is read whole where an archive is opened."""

ROWS_MAX = 200_000
"""Lines of all files together. As objects, so many take some 300 MB."""

BLOCK_BYTES = 1024 * 1024

ENTRY = b"PK\x01\x02"
"""How each entry of the directory of an archive begins (APPNOTE 4.3.12), one of ZIP64 too."""

PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh")
"""How files begin that may unpack to very much: gzip, Zstandard, xz and bzip2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a roster is to be read.

    day           the local day for which it stands
    organisation  whose it is, where it does not say
    date_order    for days written with the year last, dmy or mdy; None refuses what could be either
    complete      whether it holds everybody; None believes what it says itself
    keeps_status  enrolments stay enabled or disabled as they are, whatever it says
    """

    day: date
    organisation: str = ""
    date_order: str | None = None
    complete: bool | None = None
    keeps_status: bool = False


def asked(content: bytes, how: How) -> Asked:
    """The action that a file asks for.

    Raises RefusedError 413 or 422, with all problems, for what is no roster, and 503 where too many are read.
    """
    if content.startswith(PACKED):
        raise _unusable("it is compressed", "unpack it first, or send a zip archive")
    with snapshots.turn():
        is_zip = zipfile.is_zipfile(io.BytesIO(content))
        _bound(_unpacked(content) if is_zip else [content])
        reading = _read(content, "roster.zip" if is_zip else "roster.csv", how)
    return replace(unread(content, how), snapshot=reading)


def unread(content: bytes, how: How) -> Asked:
    """The same action before it is read: by what it is recognised."""
    said = f"{how!r} {hashlib.sha256(content).hexdigest()}"
    return Asked(kind=SNAPSHOT, organisation=how.organisation, sent=said)


def only_organisation(customer: Customer) -> str:
    """Whose a roster is that does not say, where the customer has one organisation; '' where there are several."""
    names = organisations_of(customer)
    return names[0] if len(names) == 1 else ""


def _read(content: bytes, name: str, how: How) -> RosterReading:
    options = RosterOptions(
        day=how.day,
        organisation=how.organisation,
        date_order=how.date_order,
        complete=how.complete,
        keeps_status=how.keeps_status,
    )
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            reading = read_roster(path, options)
        except UsageError as error:
            raise RefusedError(422, "unusable-file", [_placed(it, folder) for it in error.problems]) from None
    for kept in (reading.problems.files, reading.problems.rows):
        kept[:] = [_placed(it, folder) for it in kept]
    if reading.problems.files:
        raise RefusedError(422, "unusable-file", reading.problems.files)
    if not reading.snapshot.roster.learners and not reading.snapshot.roster.enrolments:
        problems = [*reading.problems.rows, *reading.problems.notes]
        raise RefusedError(422, "unusable-file", [_placed(it, folder) for it in problems]) if problems else _empty()
    return reading


def _placed(problem: Problem, folder: str) -> Problem:
    """A problem without the folder in which the file lay for a moment."""
    bare = re.compile(re.escape(folder) + r"/?")
    return replace(problem, place=bare.sub("", problem.place), rule=bare.sub("", problem.rule))


def _unpacked(content: bytes) -> Iterator[bytes]:
    """The files of an archive in blocks; none is longer than the archive says. Raises RefusedError.

    Entries are counted by how they begin and before the archive is opened, whatever its end says of their number and
    size: one of 4 MiB may have some 90,000. A file that is packed again may look like some, and is refused anyway.
    """
    if (entries := content.count(ENTRY)) > ENTRIES_MAX:
        raise _too_large(f"it lists {entries:,} files and folders, more than {ENTRIES_MAX}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [it for it in archive.infolist() if not it.is_dir()]
            if len(members) > MEMBERS_MAX:
                raise _too_large(f"it holds {len(members):,} files, more than {MEMBERS_MAX}")
            if sum(it.file_size for it in members) > UNPACKED_BYTES_MAX:
                raise _too_large(f"it unpacks to more than {UNPACKED_BYTES_MAX:,} bytes")
            for member in members:
                with archive.open(member) as file:
                    first = file.read(BLOCK_BYTES)
                    if first.startswith((*PACKED, b"PK")):
                        raise _unusable("a file in it is compressed again", "pack the files as they are")
                    yield first
                    while block := file.read(BLOCK_BYTES):
                        yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError):
        raise _unusable("it is an archive that cannot be read", "export it anew") from None


def _bound(blocks: Iterator[bytes] | list[bytes]) -> None:
    """Raises RefusedError 413 for more lines than are read."""
    rows = 0
    for block in blocks:
        rows += max(block.count(b"\n"), block.count(b"\r"))
        if rows > ROWS_MAX:
            raise _too_large(f"it has more than {ROWS_MAX:,} rows")


def _empty() -> RefusedError:
    return _unusable("nobody stands in it", "export it anew; the first row of a CSV file names the columns")


def _too_large(rule: str) -> RefusedError:
    return refused(413, "too-large", "file", rule, "send an organisation at a time, or parts that are not complete")


def _unusable(rule: str, remedy: str) -> RefusedError:
    return refused(422, "unusable-file", "file", rule, remedy)
