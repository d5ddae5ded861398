"""Adds facts to a ledger. What stands there stands: nothing that comes later displaces or changes it.

A build reads exports as every command does, leaves out what is there already, and writes the rest as a segment of its
own, so one more day costs that day. Segments that are small beside the newest one are written together with it: of any
two neighbours the older one is at least `LARGER` times as large, so there are few, and a fact is written again only as
often as its segment grows `LARGER` times, whatever the history.

A build may be killed at any instant: until the manifest names what it wrote, nothing of it is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from rollbook.errors import Problem, UsageError
from rollbook.intake import FactStore, ReadOptions
from rollbook.intake.tables import FIELDS
from rollbook.intake.times import shown
from rollbook.ledger.keys import Keys, keyed
from rollbook.ledger.layout import (
    BUILDS_MAX,
    ROWS_MAX,
    SEGMENTS,
    TARGETS,
    BuildRecord,
    Manifest,
    Segment,
    facts_file,
    is_ledger,
    locked,
    read_manifest,
    segment_folder,
    sync_folder,
    write_manifest,
)
from rollbook.ledger.store import opened
from rollbook.ledger.targets import write_targets
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

    Raises LedgerError where the folder is being written by another or is no ledger, and what `read_facts` raises.
    """
    _refuse_foreign(folder)
    if any(is_ledger(input_) and Path(str(input_)).resolve() == folder.resolve() for input_ in inputs):
        raise UsageError(Problem(str(folder), "a ledger cannot be built from itself", "name exports, or other ledgers"))
    with locked(folder):
        manifest = read_manifest(folder)
        _clear(folder, manifest)
        with opened(inputs, options) as store:
            duplicates, conflicting = _leave_out(store, folder, manifest)
            record = BuildRecord(
                at=at.isoformat(timespec="seconds"),
                rows=store.rows,
                added=store.facts - duplicates - conflicting,
                duplicates=store.duplicates + duplicates,
                rejected=store.rejected + conflicting,
            )
            manifest = _added(store.connection, folder, manifest, record)
    return Built(record, manifest, store)


def _refuse_foreign(folder: Path) -> None:
    """A folder that holds something else is not made a ledger."""
    if not folder.exists() or is_ledger(folder):
        return
    if not folder.is_dir():
        raise UsageError(Problem(str(folder), "is a file, and a ledger is a folder", "name a new folder"))
    others = sorted(path.name for path in folder.iterdir() if path.name not in (SEGMENTS, "lock", "manifest.json.new"))
    if others:
        rule = f"is no ledger, and holds other things ({shown(others[0])})"
        raise UsageError(Problem(str(folder), rule, "name a new or an empty folder"))


def _clear(folder: Path, manifest: Manifest) -> None:
    """Removes what no manifest names: what a killed build left, and segments that the build before wrote together."""
    named = {segment.name for segment in manifest.segments}
    segments = folder / SEGMENTS
    segments.mkdir(exist_ok=True)
    for path in segments.iterdir():
        if path.name not in named:
            shutil.rmtree(path)
    for path in folder.glob(f"{TARGETS}-*"):
        if manifest.targets is None or path.name != manifest.targets.name:
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
    for segment in manifest.segments:
        keys = Keys(segment_folder(folder, segment.name))
        there = [pa.table({"number": pa.array([], pa.int64()), "same": pa.array([], pa.bool_())})]
        for batch in connection.sql("from asked").to_arrow_reader(_LOOKUP_ROWS):
            heads, tails, numbers = (column.to_numpy() for column in batch.columns)
            found = keys.find(heads, tails)
            hit = found.rows >= 0
            there.append(pa.table({"number": numbers[hit], "same": found.same[hit]}))
        connection.register("there", pa.concat_tables(there))
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
