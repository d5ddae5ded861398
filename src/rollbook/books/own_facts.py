"""Compares facts of one's own with those of a bundle: which only one side has, and which say something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from rollbook.books.evidence import write_facts
from rollbook.intake import FactStore
from rollbook.metering.steps import quoted
from rollbook.model.subscription import Subscription
from rollbook.proof.shapes import instant
from rollbook.proof.verdict import DIFFERENCES_MAX

_BEARING = (
    "occurred_at",
    "organisation",
    "learner",
    "type",
    "role",
    "mode",
    "object",
    "session",
    "impersonator",
    "voids",
)
"""The columns of a fact that bear on the counting."""

_SIDES = ("only in your facts", "only in the bundle")


def unlike_facts(
    own: FactStore, bundled: FactStore, subscription: Subscription, record: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    """Facts that bear on a statement and are not the same on both sides, each named by its source and id."""
    organisations = subscription.organisations or tuple(sorted({*record["organisations"], *own.organisations}))
    paths = folder / "own.parquet", folder / "bundled.parquet"
    for store, path in zip((own, bundled), paths, strict=True):
        meter = subscription.plan.meter
        write_facts(store.connection, meter, organisations, instant(record["as_of"]), path, ())
    one, other = (f"read_parquet({quoted(str(path))})" for path in paths)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for side, here, there in zip(_SIDES, (one, other), (other, one), strict=True):
            yield from _told(connection, f"from {here} as one anti join {there} using (source, id)", side)
        unlike = " or ".join(f"one.{name} is distinct from other.{name}" for name in _BEARING)
        yield from _told(
            connection, f"from {one} as one join {other} as other using (source, id) where {unlike}", "says otherwise"
        )


def _told(connection: duckdb.DuckDBPyConnection, tail: str, words: str) -> Iterator[str]:
    [(total,)] = connection.execute(f"select count(*) {tail}").fetchall()
    rows = connection.execute(
        f"""select source, id, one.type, one.learner, strftime(one.occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ') {tail}
            order by source, id limit {DIFFERENCES_MAX}"""
    ).fetchall()
    for source, id_, type_, learner, at in rows:
        yield f"{words}: {source}/{id_}, {type_} of {learner or 'a guest'} at {at}"
    if total > len(rows):
        yield f"{words}: {total - len(rows):,} more"
