"""Counts a statement anew from facts, by either reading, and says in words how evidence differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from rollbook.accounting import statement
from rollbook.accounting.statement import EVIDENCE_COLUMNS
from rollbook.books.closing import to_adjust
from rollbook.books.evidence import window_rows, write_evidence
from rollbook.engines import duckdb as fast
from rollbook.engines import reference as slow
from rollbook.intake import FactStore
from rollbook.library import Result
from rollbook.metering.steps import quoted
from rollbook.model.instants import LATEST_US, from_us, iso
from rollbook.model.subscription import Subscription
from rollbook.proof.shapes import instant

_KEY = ("window", "organisation", "unit", "object", "kind")

ROWS_MAX = 1000
"""Rows of evidence that are told to be missing or changed, on either side."""


@dataclass(frozen=True, slots=True)
class Recount:
    """A record as it has to be, and the file of its evidence."""

    record: Mapping[str, Any]
    evidence: Path


def recount(
    engine: str,
    store: FactStore,
    subscription: Subscription,
    stated: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any]],
    evidence_files: Sequence[str],
    *,
    secret: bytes,
    previous: str | None,
    to: Path,
) -> Recount:
    """The statement that has to follow the earlier ones, from all facts of a store.

    stated          the record that is checked: only what it says about whom, until when, and which window is used
    evidence_files  what the earlier statements rest on
    previous        the digest of the statement before
    to              where evidence is written
    """
    as_of_us = instant(stated["as_of"])
    organisations = subscription.organisations or tuple(sorted({*stated["organisations"], *store.organisations}))
    asked = replace(subscription, organisations=organisations)
    assumed = frozenset(stated["assumed"])
    if engine == "reference":
        metered = slow.meter(store.iterate(), asked, as_of_us, assumed=assumed)
    else:
        rows = [(0, name) for name in sorted(assumed)]
        metered = fast.meter(store.connection, [asked], as_of_us, first_us=store.first_us, assumed=rows)
    try:
        result = Result(subscription, from_us(as_of_us), store, metered, assumed)
        number = stated["window"]["number"] if stated["window"] else None
        adjusted, changed = to_adjust(result, earlier, evidence_files)
        units = window_rows(metered, store.connection, result.account, number) if number is not None else iter(())
        sealed = write_evidence(chain(units, changed), to, secret)
        record = statement.record(
            result.account,
            number,
            number=len(earlier) + 1,
            previous=previous,
            adjusted=adjusted,
            evidence={"rows": sealed.rows, "root": sealed.seal},
            facts=stated["facts"],
            assumed=assumed,
        )
    finally:
        if metered.connection is not store.connection:
            metered.connection.close()
    return Recount(record, to)


def unlike_evidence(stated: Path, found: Path, whose: tuple[str, str]) -> Iterator[str]:
    """Every row of evidence that is not in both files: who, in which window, and what. `whose` names the two.

    Who is missing moves everyone behind by a rank: rows that differ in nothing else are told by number.
    """
    settled = [name for name in EVIDENCE_COLUMNS if name != "rank"]
    told = 0
    with duckdb.connect() as connection:
        for difference in _unlike_rows(connection, stated, found, settled, whose):
            told += 1
            yield difference
        if not told:
            yield from _unlike_rows(connection, stated, found, list(EVIDENCE_COLUMNS), whose)
        elif moved := _number(connection, stated, found, list(EVIDENCE_COLUMNS)) - _number(
            connection, stated, found, settled
        ):
            yield f"because of these the rank of {moved:,} more is another"
    if not told and not _same_order(stated, found):
        yield "the same rows stand in another order"


def _unlike_rows(
    connection: duckdb.DuckDBPyConnection, stated: Path, found: Path, columns: Sequence[str], whose: tuple[str, str]
) -> Iterator[str]:
    one, other = _except(connection, stated, found, columns), _except(connection, found, stated, columns)
    # Where there are too many, both are told up to the same unit.
    ends = [max(rows) for rows in (one, other) if len(rows) >= ROWS_MAX]
    for key in sorted({*one, *other}):
        if ends and key > min(ends):
            yield "and more after these"
            return
        if key in one and key in other:
            yield f"{_who(key)}: " + "; ".join(_changes(one[key], other[key], whose))
        else:
            row, name = (one[key], whose[0]) if key in one else (other[key], whose[1])
            yield f"{_who(key)}: only in {name} (fact {row['fact']}, {_moment(row['first_us'])}, {row['standing']})"


def _difference_sql(here: Path, there: Path, columns: Sequence[str]) -> str:
    """Rows that one file has and the other has not, or has less often."""
    names = ", ".join(f'"{name}"' for name in columns)
    one, other = (f"select {names} from read_parquet({quoted(str(path))})" for path in (here, there))
    return f"({one}) except all ({other})"


def _except(
    connection: duckdb.DuckDBPyConnection, here: Path, there: Path, columns: Sequence[str]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Such rows by what makes them the same unit, the first of them."""
    order = ", ".join(f'"{name}"' for name in _KEY)
    sql = f"select * from ({_difference_sql(here, there, columns)}) order by {order} limit {ROWS_MAX}"
    found = [dict(zip(columns, row, strict=True)) for row in connection.execute(sql).fetchall()]
    return {tuple(row[name] for name in _KEY): row for row in found}


def _number(connection: duckdb.DuckDBPyConnection, here: Path, there: Path, columns: Sequence[str]) -> int:
    sql = f"select count(*) from ({_difference_sql(here, there, columns)})"
    return int(connection.execute(sql).fetchall()[0][0])


def _same_order(one: Path, other: Path) -> bool:
    pairs = zip(_batches(one), _batches(other), strict=True)
    return all(mine == theirs for mine, theirs in pairs)


def _batches(path: Path) -> Iterator[Any]:
    yield from pq.ParquetFile(path).iter_batches(batch_size=10_000)


def _who(key: tuple[Any, ...]) -> str:
    window, organisation, unit, object_, kind = key
    of = f" of {organisation}" if organisation else ""
    return f"{kind} {unit}{of}" + (f" in {object_}" if object_ else "") + f", window {window}"


def _changes(one: Mapping[str, Any], other: Mapping[str, Any], whose: tuple[str, str]) -> Iterator[str]:
    for name in one:
        if one[name] != other[name]:
            mine, theirs = (_moment(row[name]) if name == "first_us" else str(row[name]) for row in (one, other))
            yield f"{name} is {mine} in {whose[0]} and {theirs} in {whose[1]}"


def _moment(at_us: int) -> str:
    return iso(at_us) if 0 <= at_us < LATEST_US else f"{at_us} microseconds"
