"""Adds facts to a ledger. What stands there stands: nothing that comes later displaces or changes it.

A build reads exports as every command does, leaves out what is there already, and writes the rest as a segment of its
own. Segments that are small beside the newest one are written together with it: of any two neighbours the older one is
at least `LARGER` times as large, so there are few. Equal days for ten years make at most six segments and write each
fact twelve times in all; most builds write no more than the last days, and now and then one writes much of the ledger.

A build may be killed at any instant: until the manifest names what it wrote, nothing of it is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from rollbook.errors import LedgerError, Problem, RollbookError, UsageError
from rollbook.intake import FactStore, ReadOptions
from rollbook.intake.tables import FIELDS
from rollbook.intake.times import shown
from rollbook.ledger.keys import Keys, keyed
from rollbook.ledger.layout import (
    BUILDS_MAX,
    ROWS_MAX,
    SEGMENT_NAME,
    SEGMENTS,
    TARGETS,
    TARGETS_NAME,
    UNFINISHED,
    BuildRecord,
    Manifest,
    Segment,
    facts_file,
    is_ledger,
    located,
    segment_folder,
    sync_folder,
    write_manifest,
)
from rollbook.ledger.locks import LOCK, READERS, unread, writing
from rollbook.ledger.manifests import read_manifest
from rollbook.ledger.store import opened
from rollbook.ledger.targets import write_targets
from rollbook.ledger.trust import in_words, refuse_missing
from rollbook.ledger.writing import CORRECTIONS_FILE, reading, shaped, write_segment

LARGER = 4
"""How many times as large as its follower a segment is at least."""

_LOOKUP_ROWS = 1 << 18


@dataclass(frozen=True, slots=True)
class Built:
    """What a build met and what it made of it; the numbers are in `record`.

    store     what was read, with its problems; closed
    manifest  of the ledger as it is now
    """

    record: BuildRecord
    manifest: Manifest
    store: FactStore


def build(folder: Path, inputs: Sequence[object], options: ReadOptions | None = None, *, at: datetime) -> Built:
    """Adds the facts of the inputs to the ledger in a folder, which is made where there is none.

    at  when this is, for the record

    Raises LedgerError where the folder is being written by another, is damaged or cannot be written, and what
    `read_facts` raises. The ledger is then as it was.
    """
    folder = located(folder)
    _refuse_foreign(folder)
    if any(is_ledger(input_) and Path(str(input_)).resolve() == folder.resolve() for input_ in inputs):
        raise UsageError(Problem(str(folder), "a ledger cannot be built from itself", "name exports, or other ledgers"))
    with writing(folder):
        _begin(folder)
        manifest = read_manifest(folder)
        refuse_missing(folder, manifest)
        _clear(folder, manifest)
        try:
            with opened(inputs, options) as store, in_words(folder):
                duplicates, conflicting = _leave_out(store, folder, manifest)
                record = BuildRecord(
                    at=at.isoformat(timespec="seconds"),
                    rows=store.rows,
                    added=store.facts - duplicates - conflicting,
                    duplicates=store.duplicates + duplicates,
                    rejected=store.rejected + conflicting,
                )
                manifest = _added(store.connection, folder, manifest, record)
        except BaseException:
            # Whatever of it was written takes up room, and none of it is named.
            with suppress(OSError, RollbookError):
                _clear(folder, read_manifest(folder))
            raise
    return Built(record, manifest, store)


def _refuse_foreign(folder: Path) -> None:
    """A folder that holds something else is not made a ledger."""
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        rule = "is no text in UTF-8, and databases take no other names"
        raise UsageError(Problem(ascii(str(folder)), rule, "name another folder")) from None
    if not folder.exists() or is_ledger(folder):
        return
    if not folder.is_dir():
        raise UsageError(Problem(str(folder), "is a file, and a ledger is a folder", "name a new folder"))
    # A build that was killed before its first manifest has left its locks, and perhaps more beside them.
    names = {path.name for path in folder.iterdir()}
    ours = {LOCK, READERS, UNFINISHED, SEGMENTS} if LOCK in names else set()
    if others := sorted(name for name in names - ours if not TARGETS_NAME.fullmatch(name)):
        rule = f"is no ledger, and holds other things ({shown(others[0])})"
        raise UsageError(Problem(str(folder), rule, "name a new or an empty folder"))


def _begin(folder: Path) -> None:
    """A new ledger has a manifest before it has anything else, so that segments without one are a copy in part."""
    if is_ledger(folder):
        return
    if any((folder / SEGMENTS).glob("*")):
        rule = "holds segments, and no manifest.json that names them"
        raise LedgerError(Problem(str(folder), rule, "copy manifest.json here too, or name a new folder"))
    write_manifest(folder, Manifest())


def _clear(folder: Path, manifest: Manifest) -> None:
    """Removes what no manifest names: what a killed build left, and segments that were written together.

    The latter wait as long as somebody reads the ledger, and nothing is removed that no build can have written.
    """
    named = {segment.name for segment in manifest.segments}
    segments = folder / SEGMENTS
    if segments.is_symlink():
        raise LedgerError(
            Problem(str(segments), "is a link, and leads elsewhere", "move its folder here, or build anew")
        )
    segments.mkdir(exist_ok=True)
    with unread(folder) as alone:
        for path in segments.iterdir():
            if path.name in named or not SEGMENT_NAME.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
                continue
            if alone or int(path.name) >= manifest.next:
                shutil.rmtree(path)
        for path in folder.iterdir():
            is_named = manifest.targets is not None and path.name == manifest.targets.name
            if alone and not is_named and TARGETS_NAME.fullmatch(path.name):
                path.unlink()


def _leave_out(store: FactStore, folder: Path, manifest: Manifest) -> tuple[int, int]:
    """Makes the relation `arriving`, of facts that the ledger does not have; returns repeats and contradictions."""
    connection = store.connection
    connection.execute("create temp table present (number bigint, same boolean)")
    connection.execute(
        "create temp view arriving as select * from facts where number not in (select number from present)"
    )
    if not manifest.segments:
        connection.execute("create or replace temp view arriving as from facts")
        return 0, 0
    # Ordered, so that each page of the keys on disk is touched once.
    connection.execute(f"create temp table asked as select {keyed()}, number from facts order by head")
    [(asked,)] = connection.execute("select count(*) from asked").fetchall()
    for segment in manifest.segments:
        keys = Keys(folder, segment)
        for first in range(0, asked, _LOOKUP_ROWS):
            page = f"from asked where rowid between {first} and {first + _LOOKUP_ROWS - 1}"
            heads, tails, numbers = (column.to_numpy() for column in connection.sql(page).to_arrow_table().columns)
            found = keys.find(heads, tails)
            hit = found.rows >= 0
            connection.register("there", pa.table({"number": numbers[hit], "same": found.same[hit]}))
            connection.execute("insert into present from there")
            connection.unregister("there")
    connection.execute("drop table asked")
    _tell(store, folder)
    counted = "select count(*) filter (same), count(*) filter (not same) from present"
    [(same, other)] = connection.execute(counted).fetchall()
    return int(same), int(other)


def _tell(store: FactStore, folder: Path) -> None:
    """Says of each fact that contradicts what stands where it is, and that it was left out."""
    kept = store.connection.execute(
        """select source, id from facts where number in (select number from present where not same)
           order by number limit ?""",
        [store.problems.room],
    ).fetchall()
    places = store.places(kept)
    for source, id_ in kept:
        whose = f" of source {shown(source)}" if source else ""
        rule = f"id {shown(id_)}{whose} stands in {folder} with other content"
        store.problems.add_row(
            Problem(places[source, id_], rule, "void the fact that stands, and give this one an id of its own")
        )
    [(all_,)] = store.connection.execute("select count(*) from present where not same").fetchall()
    store.problems.count(int(all_) - len(kept))


def _added(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, record: BuildRecord) -> Manifest:
    """Writes what arrives, joins small segments, and lets the manifest name them."""
    if record.added > ROWS_MAX:
        rule = f"{record.added:,} facts are more than one build may add ({ROWS_MAX:,})"
        raise UsageError(Problem(str(folder), rule, "build it from some of the files first, and then from the others"))
    next_ = manifest.next
    segments = list(manifest.segments)
    made = write_segment(connection, f"select {', '.join(FIELDS)} from arriving", _new(folder, next_))
    if made:
        next_ += 1
        segments.append(made)
        tail = _tail(segments)
        if len(tail) > 1:
            joined = write_segment(connection, _together(folder, tail), _new(folder, next_))
            next_ += 1
            segments[-len(tail) :] = [joined] if joined else []
    builds = (*manifest.builds, record)[-BUILDS_MAX:]
    targets = write_targets(connection, folder, segments, f"{TARGETS}-{next_:06}.parquet") if made else manifest.targets
    after = Manifest(segments=tuple(segments), targets=targets, builds=builds, next=next_)
    sync_folder(folder / SEGMENTS)
    write_manifest(folder, after)
    return after


def _new(folder: Path, number: int) -> Path:
    """The folder of the next segment."""
    return segment_folder(folder, f"{number:06}")


def _tail(segments: Sequence[Segment]) -> list[Segment]:
    """The newest segments that are to be one: from the oldest that is not `LARGER` times as large as all after it."""
    tail = [segments[-1]]
    for older in reversed(segments[:-1]):
        size = sum(segment.facts for segment in tail)
        if older.facts >= LARGER * size or older.facts + size > ROWS_MAX:
            break
        tail.insert(0, older)
    return tail


def _together(folder: Path, segments: Sequence[Segment]) -> str:
    """SQL of the facts of several segments."""
    files = [
        str(segment_folder(folder, segment.name) / name)
        for segment in segments
        for name in (*map(facts_file, range(len(segment.file_rows))), CORRECTIONS_FILE)
    ]
    return shaped(reading(files))
