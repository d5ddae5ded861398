"""What a statement rests on, as rows: a unit with its proving fact, and every fact that bears on the counting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from rollbook.accounting.account import Account
from rollbook.accounting.questions import ranked_sql
from rollbook.accounting.statement import ADDED, BEYOND, EVIDENCE_COLUMNS, INCLUDED, REMOVED
from rollbook.engines.metered import Metered
from rollbook.metering.steps import quoted, quoted_list
from rollbook.model.fact import COLUMNS, CORRECTIONS
from rollbook.model.plan import Meter
from rollbook.proof.digests import Cell, canonical_row, digest_rows
from rollbook.proof.merkle import leaf, root, salt

BATCH_ROWS = 50_000

_INTEGERS = ("window", "rank", "first_us", "facts")

EVIDENCE_SCHEMA = pa.schema([(name, pa.int64() if name in _INTEGERS else pa.string()) for name in EVIDENCE_COLUMNS])

_KEY = ("window", "organisation", "unit", "object", "kind", "entry_source", "entry_fact")
"""What makes a row of evidence the same unit in the same window; an entry is one unit, and known by its fact."""

_TEXTS = tuple(name for name in COLUMNS if name not in ("occurred_at", "recorded_at"))


Row = list[Cell]


@dataclass(frozen=True, slots=True)
class Sealed:
    """Rows that were written: how many, and the digest or root that stands for them."""

    rows: int
    seal: str


def window_rows(metered: Metered, store: duckdb.DuckDBPyConnection, found: Account, window: int) -> Iterator[Row]:
    """The evidence of one window: a canonical row for each unit, in order."""
    by_organisation = found.subscription.plan.allowance.pool_scope == "organisation"
    sql = f"""
        select {_EVIDENCE} from ({ranked_sql("organisation" if by_organisation else "''")})
        where window_number = {window}
        """
    seated = {key for used in found.seats if used.window.number == window for key in used.beyond}
    ranks = {used.pool: used.beyond for used in found.of(window)}
    for row in _typed(store, metered.table(sql)):
        if found.seats:
            outside = (row[2], row[3], row[4]) in seated
        else:
            rank = int(str(row[1]))
            outside = any(first <= rank <= last for first, last in ranks[str(row[2]) if by_organisation else ""])
        yield [*row, BEYOND if outside else INCLUDED]


def changed_rows(
    metered: Metered, store: duckdb.DuckDBPyConnection, found: Account, closed: Sequence[int], files: Sequence[str]
) -> Iterator[Row]:
    """Units that count now in windows that are closed, and did not when they were; then the reverse."""
    if not closed:
        return
    windows = ", ".join(map(str, closed))
    key = ", ".join(f'"{name}"' for name in _KEY)
    names = ", ".join(f'"{name}"' for name in EVIDENCE_COLUMNS if name not in ("type", "standing"))
    by_itself = "true" if found.subscription.plan.meter.unit == "entry" else "kind = 'guest'"
    keyed = f"""*, case when {by_itself} then source else '' end as entry_source,
               case when {by_itself} then fact else '' end as entry_fact"""
    by_organisation = found.subscription.plan.allowance.pool_scope == "organisation"
    ranked = ranked_sql("organisation" if by_organisation else "''")
    now = f"select {keyed} from (select {_EVIDENCE} from ({ranked}) where window_number in ({windows}))"
    # A later statement's word on a unit stands: it may have been added, removed, and added again.
    then = f"""
        select * from (select {keyed} from read_parquet([{as_read(files)}], filename = true))
        where "window" in ({windows})
        qualify row_number() over (partition by {key} order by length(filename) desc, filename desc) = 1
        """
    present = f"select * from ({then}) where standing <> '{REMOVED}'"
    for standing, sql in (
        (ADDED, f"select {names} from ({now}) anti join ({present}) using ({key})"),
        (REMOVED, f"select {names} from ({present}) anti join ({now}) using ({key})"),
    ):
        for row in _typed(store, metered.table(sql)):
            yield [*row, standing]


def as_read(files: Sequence[str]) -> str:
    """Files in a list of SQL, each by its very name: DuckDB would take `*`, `?` and `[` for patterns."""
    return quoted_list([re.sub(r"[*?\[]", r"[\g<0>]", name) for name in files])


_EVIDENCE = """
    window_number as "window", rank, organisation, unit, object,
    case when guest then 'guest' else 'learner' end as kind, class, first_us, source, id as fact, facts
    """


def _typed(store: duckdb.DuckDBPyConnection, units: pa.Table) -> Iterator[Row]:
    """The rows of units, in order, with the type of their proving fact before the number of facts."""
    store.register("units_met", units)
    result = store.execute(
        """
        select "window", rank, units_met.organisation, unit, units_met.object, kind, class, first_us, units_met.source,
               fact, coalesce(facts.type, ''), units_met.facts
        from units_met left join facts on facts.source = units_met.source and facts.id = units_met.fact
        order by "window", first_us, units_met.source, fact, units_met.organisation, unit, units_met.object
        """
    )
    while rows := result.fetchmany(BATCH_ROWS):
        yield from map(list, rows)
    store.unregister("units_met")


def write_evidence(rows: Iterator[Row], path: Path, secret: bytes) -> Sealed:
    """Writes rows of evidence; the seal is the root of the tree over them."""
    leaves: list[bytes] = []
    with pq.ParquetWriter(path, EVIDENCE_SCHEMA) as writer:
        for batch in _batches(rows):
            for row in batch:
                content = canonical_row(row)
                leaves.append(leaf(content, salt(secret, content)))
            columns = zip(*batch, strict=True)
            arrays = [pa.array(column, kind) for column, kind in zip(columns, EVIDENCE_SCHEMA.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=EVIDENCE_SCHEMA))
    return Sealed(len(leaves), root(leaves).hex())


def read_evidence(path: Path) -> pa.RecordBatchReader:
    """The rows of a statement's evidence for people: with `first_at`, an instant, in the place of `first_us`."""
    file = pq.ParquetFile(path)
    place = EVIDENCE_SCHEMA.get_field_index("first_us")
    schema = EVIDENCE_SCHEMA.set(place, pa.field("first_at", pa.timestamp("us", tz="UTC")))
    return pa.RecordBatchReader.from_batches(
        schema,
        (
            pa.record_batch(
                [column.cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)], schema=schema
            )
            for batch in file.iter_batches(columns=EVIDENCE_SCHEMA.names)
        ),
    )


def write_facts(
    store: duckdb.DuckDBPyConnection,
    meter: Meter,
    organisations: Sequence[str],
    as_of_us: int,
    path: Path,
    files: Sequence[str],
) -> Sealed:
    """Writes the facts that bear on the counting and are not in the book yet; the seal is the digest of their rows.

    organisations  whose facts belong to it: a book never holds those of another customer
    files          the facts that are in the book
    """
    store.execute(f"create or replace temp view resting as {_resting(meter, organisations, as_of_us, files)}")
    total = int(store.execute("select count(*) from resting").fetchall()[0][0])
    kept = ", ".join(f"{sql} as {name}" for name, sql in _AT_REST.items())
    store.execute(f"copy (select {kept} from resting order by source, id) to {quoted(str(path))} (format parquet)")
    result = store.execute(f"select {', '.join(FACT_CELLS)} from resting order by source, id")
    return Sealed(total, digest_rows(_fetched(result)))


FACT_CELLS = ("source", "id", "at_us", "recorded_us", *(name for name in _TEXTS if name not in ("source", "id")))
"""The columns of a fact's canonical row; instants are UTC microseconds."""

_AT_REST = {
    "id": "id",
    "occurred_at": "make_timestamptz(at_us)",
    **{name: name for name in _TEXTS if name != "id"},
    "recorded_at": "make_timestamptz(recorded_us)",
}
"""The columns of facts in a file, by the SQL of each."""


def _resting(meter: Meter, organisations: Sequence[str], as_of_us: int, files: Sequence[str]) -> str:
    known = f"anti join read_parquet([{as_read(files)}]) as known using (source, id)" if files else ""
    columns = ", ".join(f"facts.{name}" for name in FACT_CELLS)
    return f"""
        select {columns} from facts {known}
        where facts.type in ({quoted_list((*meter.types, *CORRECTIONS))}) and facts.at_us < {as_of_us}
          and facts.organisation in (select unnest([{quoted_list(organisations)}]::varchar[]))
        """


def _fetched(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Cell, ...]]:
    while rows := result.fetchmany(BATCH_ROWS):
        yield from rows


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch
