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


def write_targets(
    connection: duckdb.DuckDBPyConnection, folder: Path, segments: Sequence[Segment], name: str
) -> Written:
    """Writes organisation, source, id, segment (its place among these) and row of each fact that a void names.

    And `voided_us`, the instant of the first void that takes it back; null where all are of other organisations. Facts
    are in the order in which they lie, so that whoever counts leaves them out in passing. A hundred thousand are found
    by their keys among a hundred million in a quarter of a second.
    """
    files = parquet_sql(segment_folder(folder, segment.name) / CORRECTIONS_FILE for segment in segments)
    connection.execute(
        f"""create or replace temp table aims as
            select source, voids, {keyed("source", "voids", "''")}
            from (select distinct source, voids from {files} where type = {quoted(VOIDED)})
            order by head"""
    )
    aims = connection.sql("select head, tail, source, voids from aims").to_arrow_table()
    found = []
    for place, segment in enumerate(segments):
        rows = Keys(folder, segment).find(aims["head"].to_numpy(), aims["tail"].to_numpy()).rows
        hit = np.flatnonzero(rows >= 0)
        named = aims.select(["source", "voids"]).take(pa.array(hit)).rename_columns(["source", "id"])
        found.append(
            named.append_column(
                "organisation", _organisations(segment_folder(folder, segment.name), segment, rows[hit])
            )
            .append_column("segment", pa.array(np.full(len(hit), place, np.int32)))
            .append_column("row", pa.array(rows[hit]))
        )
    connection.register("aimed_at", pa.concat_tables(found))
    path = folder / name
    connection.execute(
        f"""copy (select organisation, source, id, segment, row, voided_us
                  from aimed_at
                  left join (select organisation, source, voids as id, min(epoch_us(occurred_at)) as voided_us
                             from {files} where type = {quoted(VOIDED)} group by all)
                    using (organisation, source, id)
                  order by segment, row)
            to {quoted(str(path.absolute()))} (format parquet, compression zstd)"""
    )
    connection.unregister("aimed_at")
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
