"""Counts everything again beside what is live, and says where the two differ. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from rollbook.engines.database import difference, everyone, gather, schema, strays
from rollbook.engines.database.connected import prepare
from rollbook.engines.database.dialects import Database
from rollbook.engines.database.subscriptions import BEGINNING_US, LiveSubscription


def recount(cursor: Any, live: LiveSubscription) -> Iterator[str]:
    """Every difference in words: of activations, holdings, openings and tallies."""
    database = prepare(cursor)
    told: set[str] = set()
    for words in _said(database, live):
        if words not in told:
            told.add(words)
            yield words


def _said(database: Database, live: LiveSubscription) -> Iterator[str]:
    """The same, perhaps twice: who is in several organisations is looked at in each."""
    for table, scope in strays.misplaced(database, live):
        yield f"{table}, scope {scope!r} should not be there"
    for found in chain(
        everyone.touched(database, live, BEGINNING_US, live.as_of_us), strays.without_facts(database, live)
    ):
        with database.planned():
            tables = gather.meter(database, live, found) if found and live.windows_begun else ()
            differences = [words for table in tables for words in _differences(database, table)]
        yield from differences
    for unit, source, id_ in strays.guests(database, live):
        yield f"activation, unit {unit!r}, source {source!r}, id {id_!r} should not be there: no guest made this entry"
    yield from _tallies(database, live)


def _differences(database: Database, table: difference.Table) -> Iterator[str]:
    names = (*table.keys, *table.values)
    both = ", ".join(f"{side}.{name}" for side in (table.new, table.old) for name in names)
    for row in database.rows(f"select {both} from {table.joined(table.new, table.old)} where {table.changed()}"):
        counted, live = (dict(zip(names, half, strict=True)) for half in (row[: len(names)], row[len(names) :]))
        if live[table.keys[0]] is None:
            yield f"{_which(table.name, table.keys, counted)} is missing"
            continue
        for name in table.values:
            if counted[name] != live[name]:
                yield f"{_which(table.name, table.keys, counted)}: {name} is {live[name]!r}, counted {counted[name]!r}"
    keys = ", ".join(f"{table.old}.{key}" for key in table.keys)
    gone = f"select {keys} from {table.joined(table.old, table.new)} where {table.new}.{table.keys[0]} is null"
    for row in database.rows(gone):
        yield f"{_which(table.name, table.keys, dict(zip(table.keys, row, strict=True)))} should not be there"


def _which(table: str, keys: tuple[str, ...], row: Mapping[str, object]) -> str:
    return f"{table}, " + ", ".join(f"{key} {row[key]!r}" for key in keys)


def _tallies(database: Database, live: LiveSubscription) -> Iterator[str]:
    """Tallies against the activations themselves."""
    dialect = database.dialect
    cuts = live.cuts()
    segment = difference.segment_sql(dialect.rows("cuts", difference.CUTS), "activation") if cuts else "0"
    keys = schema.KEYS["tally"]
    counted = database.rows(
        f"""select window_number, organisation, segment, class, guest, count(*)
            from (select window_number, organisation, {segment} as segment, class, guest
                  from activation where subscription = {dialect.value("key")}) as placed
            group by window_number, organisation, segment, class, guest""",
        {"key": live.key, **({"cuts": cuts} if cuts else {})},
    )
    kept = database.rows(
        f"select {', '.join(keys)}, units from tally where subscription = {dialect.value('key')}", {"key": live.key}
    )
    true, told = ({row[:-1]: row[-1] for row in rows} for rows in (counted, kept))
    for key in sorted(true.keys() | told.keys()):
        if true.get(key, 0) != told.get(key, 0):
            which = _which("tally", keys, dict(zip(keys, key, strict=True)))
            yield f"{which}: units is {told.get(key, 0)}, counted {true.get(key, 0)}"
