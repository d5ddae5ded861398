"""Writes facts as one segment: sorted once, in a stream, within the memory that the database may have.

The files of facts are written first; what else a segment has is asked of them.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from rollbook.intake.tables import FIELDS
from rollbook.ledger.keys import keyed, write_keys
from rollbook.ledger.layout import FILE_ROWS, GROUP_ROWS, KINDS_MAX, Kind, Segment, Written, facts_file, sync_folder
from rollbook.metering.steps import quoted, quoted_list
from rollbook.model.fact import COLUMNS, CORRECTIONS, LINKED
from rollbook.model.instants import DAY_US

CORRECTIONS_FILE, LEARNERS_FILE = "corrections.parquet", "learners.parquet"
ORGANISATIONS_FILE, COVERAGE_FILE = "organisations.parquet", "coverage.parquet"
LEARNERS_INDEX, FIRST_ROWS = "learners.npy", "learners-rows.npy"
GROUPS_INDEX = "groups.npy"

INDEXED = np.dtype([("digest", np.uint64), ("number", np.uint32)])
"""Of the index of learners."""

GROUPED = np.dtype([("file", np.uint32), ("rows", np.uint32), ("instants", np.uint64), ("kinds", np.uint64)])
"""Of the index of row groups: the place of the file, how many rows, and at which byte of it their values begin."""

COUNTED = {"instants": ("occurred_at", 8), "kinds": ("kind", 4)}
"""The columns whose places the index tells, and the bytes of a value.

Instants lie there one after the other, with the least byte first. Of kinds the least byte of each value lies first, and
after those the second one of each, and so on.
"""

KINDS_CHARACTERS_MAX = 1 << 20
"""What the kinds of one segment may have in all: they stand in the manifest."""

_TEXTS = tuple(name for name in COLUMNS if name not in ("occurred_at", "recorded_at"))

_CORRECTIONS_ROWS = 8192
"""Rows of a row group of corrections: those of one fact are asked for, one fact at a time."""

_INSTANT = pa.timestamp("us", "UTC")

_STORED = {"occurred_at": "at_us", "recorded_at": "recorded_us"}

SCHEMA = pa.schema(
    [pa.field(name, _INSTANT if name in _STORED else pa.string(), nullable=name == "recorded_at") for name in COLUMNS]
    + [pa.field("learner_number", pa.int32(), nullable=False), pa.field("kind", pa.int16(), nullable=False)]
)
"""Of the files of facts."""

_COMPRESSION = {"occurred_at": "none", "kind": "none", "learner_number": "lz4"}

# What is counted lies there as it is, one page a row group: reading it is then no more than copying bytes, and of the
# kinds mostly one byte a fact. Instants would not get smaller anyway; kinds take 3 bytes a fact more than coded.
_OPTIONS = {
    "column_encoding": {"kind": "BYTE_STREAM_SPLIT"},
    "use_dictionary": [*(name for name in _TEXTS if name not in ("id", "attributes")), "learner_number"],
    "compression": {name: _COMPRESSION.get(name, "zstd") for name in SCHEMA.names},
    "data_page_size": 1 << 21,
    "max_rows_per_page": GROUP_ROWS,
}


def write_segment(connection: duckdb.DuckDBPyConnection, facts: str, folder: Path) -> Segment | None:
    """Writes a query of facts, in the columns of `FIELDS`, as a segment into a folder that is made for it.

    Returns None, and writes nothing, where there is no fact. The query is read three times.
    """
    folder.mkdir(parents=True)
    kinds = _kinds(connection, facts)
    rows = _write_facts(connection, facts, folder)
    corrections, links = _write_corrections(connection, facts, folder)
    if not rows and not corrections:
        shutil.rmtree(folder)
        return None
    files = [str(folder / facts_file(number)) for number in range(len(rows))]
    groups = _index_groups(folder, len(rows))
    learners = _index_learners(connection, folder)
    first_us = _describe(connection, [*files, str(folder / CORRECTIONS_FILE)], folder)
    query = keys_sql(files, rows, folder / CORRECTIONS_FILE)
    digest = write_keys(connection, query, sum(rows) + corrections, folder)
    return Segment(
        name=folder.name,
        rows=sum(rows),
        groups=groups,
        corrections=corrections,
        links=links,
        file_rows=tuple(rows),
        learners=learners,
        first_us=first_us,
        kinds=kinds,
        digest=digest,
        written=tuple(seal(folder)),
    )


def shaped(files: str) -> str:
    """SQL of facts at rest, in the columns of `FIELDS`, from SQL that reads their files with `file` and `line`."""
    columns = {
        "at_us": "epoch_us(occurred_at)",
        "recorded_us": "epoch_us(recorded_at)",
    }
    listed = ", ".join(f"{columns[name]} as {name}" if name in columns else name for name in FIELDS)
    return f"select {listed} from ({files})"


def reading(files: list[str], *, first: int = 0, rows: tuple[int, int] | None = None) -> str:
    """SQL of the rows of Parquet files, with `file`, its place among them from `first`, and `line` from 1.

    rows  only these, the first and the last of them, from 0: no other row group is read
    """
    chosen = f"where file_row_number between {rows[0]} and {rows[1]}" if rows else ""
    return f"""
        select *, (file_index + {first})::integer as file, file_row_number + 1 as line
        from {parquet_sql(files)} {chosen}
        """


def parquet_sql(files: Iterable[str | Path]) -> str:
    """SQL of the rows of Parquet files; a folder may have any name, and DuckDB takes names for patterns."""
    listed = quoted_list(glob.escape(str(Path(file).absolute())) for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false)"


def keys_sql(files: list[str], rows: list[int], corrections: Path) -> str:
    """SQL of head, tail and row of the facts of a segment; corrections are numbered after all others."""
    starts = [0, *np.cumsum(rows, dtype=np.int64).tolist()]
    listed = [*files, str(corrections)] if corrections.exists() else files
    starting = f"[{', '.join(map(str, starts))}]::bigint[]"
    return f"""
        select {keyed()}, ({starting})[file + 1] + line - 1 as row
        from ({shaped(reading(listed))})
        """


def _kinds(connection: duckdb.DuckDBPyConnection, facts: str) -> tuple[Kind, ...]:
    """Numbers what is asked of single facts, in the temporary table `kinds`; none where there are too many."""
    connection.execute(
        f"""create or replace temp table kinds as
            select (row_number() over (order by type, role, mode, impersonated) - 1)::smallint as kind, *
            from (select distinct type, role, mode, impersonator <> '' as impersonated from ({facts})
                  where type not in ({quoted_list(CORRECTIONS)}) limit {KINDS_MAX + 1})"""
    )
    found = connection.execute("select type, role, mode, impersonated from kinds order by kind").fetchall()
    if len(found) > KINDS_MAX or sum(map(len, chain.from_iterable(row[:3] for row in found))) > KINDS_CHARACTERS_MAX:
        connection.execute("truncate kinds")
        return ()
    return tuple(Kind(*row) for row in found)


def _write_facts(connection: duckdb.DuckDBPyConnection, facts: str, folder: Path) -> list[int]:
    """Writes the files of facts and the list of learners; returns the rows of each file."""
    names = ", ".join(_STORED.get(name, name) for name in COLUMNS)
    stream = connection.sql(
        f"""select {names}, coalesce(kind, -1)::smallint as kind
            from (select *, impersonator <> '' as impersonated from ({facts})) as facts
            left join kinds using (type, role, mode, impersonated)
            where type not in ({quoted_list(CORRECTIONS)})
            order by organisation, learner, at_us, source, id"""
    ).to_arrow_reader(GROUP_ROWS)
    rows: list[int] = []
    writer: parquet.ParquetWriter | None = None
    with _Learners(folder / LEARNERS_FILE) as learners:
        try:
            for batch in _groups(stream):
                if writer is None or rows[-1] + len(batch) > FILE_ROWS:
                    if writer:
                        writer.close()
                    writer = parquet.ParquetWriter(folder / facts_file(len(rows)), SCHEMA, **_OPTIONS)
                    rows.append(0)
                numbers = learners.numbered(batch, sum(rows))
                table = pa.Table.from_arrays([*_stored(batch), pa.array(numbers), batch.column("kind")], schema=SCHEMA)
                writer.write_table(table, row_group_size=GROUP_ROWS)
                rows[-1] += len(batch)
        finally:
            if writer:
                writer.close()
    return rows


def _groups(stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The rows of a stream in batches of at most one row group."""
    for batch in stream:
        for first in range(0, len(batch), GROUP_ROWS):
            yield batch.slice(first, GROUP_ROWS)


class _Learners:
    """Numbers learners in the order of the rows, and writes down who they are and where each one's rows begin."""

    SCHEMA = pa.schema(
        [
            pa.field("learner_number", pa.int32(), nullable=False),
            pa.field("organisation", pa.string(), nullable=False),
            pa.field("learner", pa.string(), nullable=False),
            pa.field("first_row", pa.int64(), nullable=False),
        ]
    )

    def __init__(self, path: Path) -> None:
        self._writer = parquet.ParquetWriter(path, self.SCHEMA, compression="zstd", use_dictionary=["organisation"])
        self._held: list[pa.Table] = []
        self._next = 0
        self._last: tuple[str, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        """Writes one row group: of as many small ones as there are batches, to open the file takes 5 ms."""
        if self._held:
            self._writer.write_table(pa.concat_tables(self._held), row_group_size=GROUP_ROWS)
        self._held = []

    def numbered(self, batch: pa.RecordBatch, before: int) -> NDArray[np.int32]:
        """The number of each row's learner; `before` is how many rows there were in earlier batches."""
        organisation, learner = batch.column("organisation"), batch.column("learner")
        begins = np.empty(len(batch), np.bool_)
        begins[0] = self._last != (organisation[0].as_py(), learner[0].as_py())
        changed = pc.or_(pc.not_equal(organisation[1:], organisation[:-1]), pc.not_equal(learner[1:], learner[:-1]))
        begins[1:] = changed.to_numpy(zero_copy_only=False)
        numbers = np.cumsum(begins, dtype=np.int32)
        numbers += self._next - 1
        at = pa.array(np.flatnonzero(begins))
        found = [pa.array(numbers), organisation, learner]
        columns = [*(column.take(at) for column in found), pa.array(np.flatnonzero(begins) + before)]
        self._held.append(pa.Table.from_arrays(columns, schema=self.SCHEMA))
        if sum(map(len, self._held)) >= GROUP_ROWS:
            self._write()
        self._next += len(at)
        self._last = (organisation[-1].as_py(), learner[-1].as_py())
        return numbers


def _index_groups(folder: Path, files: int) -> int:
    """Writes where the counted columns of each row group lie; returns how many row groups there are.

    The values of a page end where its column ends. That a column is one page, and what is in it, is seen by reading it.
    """
    found = []
    for number in range(files):
        path = folder / facts_file(number)
        with parquet.ParquetFile(path) as file, path.open("rb") as lying:
            for group in range(file.num_row_groups):
                shape = file.metadata.row_group(group)
                table = file.read_row_group(group, columns=[name for name, _ in COUNTED.values()])
                begins = []
                for name, width in COUNTED.values():
                    column = shape.column(SCHEMA.get_field_index(name))
                    begins.append(column.data_page_offset + column.total_compressed_size - width * len(table))
                    lying.seek(begins[-1])
                    whole = table[name].combine_chunks().cast(pa.int64()).to_numpy().astype(f"<i{width}")
                    if name == "kind":
                        whole = np.ascontiguousarray(whole.view(np.uint8).reshape(-1, width).T)
                    if lying.read(width * len(table)) != whole.tobytes():
                        raise RuntimeError(f"{path}: {name} was not written as one page of values as they are")
                found.append((number, len(table), *begins))
    np.save(folder / GROUPS_INDEX, np.array(found, GROUPED))
    return len(found)


def _write_corrections(connection: duckdb.DuckDBPyConnection, facts: str, folder: Path) -> tuple[int, int]:
    """Writes voids and links, so that those of one fact lie together; how many there are, and how many are links."""
    names = ", ".join(_STORED.get(name, name) for name in COLUMNS)
    stream = connection.sql(
        f"""select {names} from ({facts}) where type in ({quoted_list(CORRECTIONS)})
            order by type, organisation, source, voids, at_us, id"""
    ).to_arrow_reader(_CORRECTIONS_ROWS)
    found = links = 0
    with parquet.ParquetWriter(folder / CORRECTIONS_FILE, SCHEMA, **_OPTIONS) as writer:
        for batch in stream:
            none = [pa.array(np.full(len(batch), -1, type_)) for type_ in (np.int32, np.int16)]
            writer.write_table(pa.Table.from_arrays([*_stored(batch), *none], schema=SCHEMA))
            found += len(batch)
            links += pc.sum(pc.equal(batch.column("type"), LINKED)).as_py()
    return found, links


def _stored(batch: pa.RecordBatch) -> list[pa.Array]:
    """The canonical columns of a batch, instants as such."""
    columns = zip(COLUMNS, batch.columns[: len(COLUMNS)], strict=True)
    return [column.cast(_INSTANT) if name in _STORED else column for name, column in columns]


def digest_sql(learner: str) -> str:
    """SQL of the digest by which a learner is found."""
    return f"(md5_number({learner}) >> 64)::ubigint"


def digest_of(learner: str) -> int:
    """The same of one id."""
    return int.from_bytes(hashlib.md5(learner.encode(), usedforsecurity=False).digest()[8:], "little")


def _index_learners(connection: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Writes the two arrays by which learners are found: by digest, and by number. Returns how many there are."""
    file = parquet_sql([folder / LEARNERS_FILE])
    firsts = connection.sql(f"select first_row from {file} order by learner_number").to_arrow_table()
    np.save(folder / FIRST_ROWS, firsts["first_row"].to_numpy().astype(np.uint32))
    found = connection.sql(
        f"select {digest_sql('learner')} as digest, learner_number from {file} order by digest, learner_number"
    ).to_arrow_table()
    index = np.empty(len(found), INDEXED)
    index["digest"], index["number"] = found["digest"].to_numpy(), found["learner_number"].to_numpy()
    np.save(folder / LEARNERS_INDEX, index)
    return len(found)


def _describe(connection: duckdb.DuckDBPyConnection, files: list[str], folder: Path) -> int | None:
    """Writes what is known of organisations and sources; returns the first instant."""
    source = parquet_sql(files)
    corrections = quoted_list(CORRECTIONS)
    connection.execute(
        f"""copy (select organisation, count(*) filter (type not in ({corrections})) as rows,
                         min(epoch_us(occurred_at)) as first_us
                  from {source} group by organisation order by organisation)
            to {quoted(str((folder / ORGANISATIONS_FILE).absolute()))} (format parquet, compression zstd)"""
    )
    connection.execute(
        f"""copy (select source, (epoch_us(occurred_at) // {DAY_US})::integer as day, type, count(*) as facts,
                         min(epoch_us(occurred_at)) as first_us, max(epoch_us(occurred_at)) as last_us
                  from {source} group by all order by source, day, type)
            to {quoted(str((folder / COVERAGE_FILE).absolute()))} (format parquet, compression zstd)"""
    )
    query = f"select min(first_us) from {parquet_sql([folder / ORGANISATIONS_FILE])}"
    [(first_us,)] = connection.execute(query).fetchall()
    return None if first_us is None else int(first_us)


def seal(folder: Path) -> Iterator[Written]:
    """Makes every file of a folder last, and takes its digest."""
    for path in sorted(folder.iterdir()):
        yield sealed(path)
    sync_folder(folder)


def sealed(path: Path) -> Written:
    """Makes a file last, and takes its digest."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return Written(path.name, file.tell(), digest)
