"""Which facts the voids of a ledger name, found once a build: a void may come before its target, and long after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from rollbook.ledger.keys import Keys, keyed
from rollbook.ledger.layout import Segment, Written, segment_folder
from rollbook.ledger.writing import CORRECTIONS_FILE, ORGANISATIONS_FILE, parquet_sql, sealed
from rollbook.metering.steps import quoted
from rollbook.model.fact import VOIDED

_SCHEMA = pa.schema(
    [
        ("organisation", pa.string()),
        ("source", pa.string()),
        ("id", pa.string()),
        ("segment", pa.int32()),
        ("row", pa.int64()),
    ]
)


def write_targets(
    connection: duckdb.DuckDBPyConnection, folder: Path, segments: Sequence[Segment], name: str
) -> Written:
    """Writes organisation, source, id, segment (its place among these) and row of each fact that a void names.

    A hundred thousand are found by their keys among a hundred million in a quarter of a second.
    """
    files = parquet_sql(segment_folder(folder, segment.name) / CORRECTIONS_FILE for segment in segments)
    connection.execute(
        f"""create or replace temp table aims as
            select source, voids, {keyed("source", "voids", "''")}
            from (select distinct source, voids from {files} where type = {quoted(VOIDED)})
            order by head"""
    )
    aims = connection.sql("select head, tail, source, voids from aims").to_arrow_table()
    path = folder / name
    with parquet.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for place, segment in enumerate(segments):
            where = segment_folder(folder, segment.name)
            found = Keys(folder, segment).find(aims["head"].to_numpy(), aims["tail"].to_numpy())
            hit = np.flatnonzero(found.rows >= 0)
            rows = found.rows[hit]
            named = aims.select(["source", "voids"]).take(pa.array(hit))
            writer.write_table(
                pa.Table.from_arrays(
                    [
                        _organisations(where, segment, rows),
                        named["source"],
                        named["voids"],
                        pa.array(np.full(len(rows), place, np.int32)),
                        pa.array(rows),
                    ],
                    schema=_SCHEMA,
                )
            )
    connection.execute("drop table aims")
    return sealed(path)


def _organisations(folder: Path, segment: Segment, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    """Whose facts these rows are: the sorted ones by where each organisation ends, corrections by themselves."""
    known = parquet.read_table(folder / ORGANISATIONS_FILE)
    corrections = parquet.read_table(folder / CORRECTIONS_FILE, columns=["organisation"])["organisation"]
    names = pa.chunked_array([*known["organisation"].chunks, *corrections.chunks], pa.string())
    ends = np.cumsum(known["rows"].to_numpy())
    sorted_ = np.searchsorted(ends, rows, "right")
    places = np.where(rows < segment.rows, sorted_, rows - segment.rows + len(known))
    return names.take(pa.array(places)).combine_chunks()
