"""Some learners with everyone whom links ever joined to them, and the facts of those.

Of these facts the meter says of these learners what it says of all facts: a cluster is metered by itself. Links that
were taken back, or are refused, join here too: who they concern must be read to know that they join nobody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollbook.engines import database as engine
from rollbook.model.fact import LINKED, VOIDED
from rollbook.server.live import archive, driver, snapshots


def ever_linked(organisations: Sequence[str], learners: Collection[str]) -> set[str]:
    """These surrogates and all that were ever linked to them in any of the organisations."""
    with driver.own_cursor() as cursor:
        return engine.ever_linked(cursor, organisations, learners)


def standing_links(organisation: str, learners: Collection[str]) -> list[tuple[str, str]]:
    """(survivor, given up) of the links of these surrogates in an organisation, over any others, that nobody voided."""
    # Whoever survives in a link of these is one of these.
    given = {"learners": _given(ever_linked([organisation], learners)), "organisation": organisation}
    sql = _LINKS_POSTGRESQL if driver.on_postgresql() else _LINKS_SQLITE
    with driver.own_cursor() as cursor:
        return list(cursor.execute(sql, given).fetchall())


def copy_facts(organisations: Sequence[str], learners: Collection[str], to: Path) -> snapshots.Copied:
    """Writes the facts of learners, and what takes them back, into a Parquet file, as `snapshots.copy_facts` does.

    Without attributes, without who entered them, and without when they came: see `_UNTOLD`.
    """
    given = {"learners": _given(learners), "within": _given(organisations)}
    of = _POSTGRESQL if driver.on_postgresql() else _SQLITE

    def fetched() -> Iterator[Sequence[tuple[Any, ...]]]:
        yield from _rows(of.own, given)
        voids = any(_rows(of.any_void, given))
        if voids:
            yield from _rows(of.voids, given)
        for rows in _archived(organisations, learners):
            yield rows
            if voids:
                # A fact is stored or archived, so no void is found twice.
                yield from _rows(of.voids_of, given | {"targets": _targets(rows)})

    return snapshots.write_facts(fetched(), to)


def _archived(organisations: Sequence[str], learners: Collection[str]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The facts of learners that were moved to the archive."""
    moved = archive.of_organisations(organisations)
    asked = [(organisation, learner) for organisation in organisations for learner in learners]
    if moved and asked:
        columns = ", ".join(_UNTOLD.get(name, f"archived.{name}") for name in ("number", *snapshots.STORED))
        yield from snapshots.some_at_a_time(moved.of(asked, columns))


def _targets(rows: Sequence[tuple[Any, ...]]) -> str:
    """(organisation, source, id) of facts, as JSON."""
    places = [1 + snapshots.STORED.index(name) for name in ("organisation", "source", "id")]
    return json.dumps([[row[place] for place in places] for row in rows], ensure_ascii=False)


def _rows(sql: str, given: Mapping[str, Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
    with driver.own_cursor() as cursor:
        if driver.on_postgresql():
            rows = cursor.stream(sql, given, size=snapshots.FETCHED_ROWS)
            yield from snapshots.some_at_a_time(rows)
            return
        cursor.execute(sql, given)
        while some := cursor.fetchmany(snapshots.FETCHED_ROWS):
            yield some


def _given(texts: Collection[str]) -> Any:
    """Texts as a parameter: an array, or its JSON."""
    return list(texts) if driver.on_postgresql() else json.dumps(list(texts), ensure_ascii=False)


_UNTOLD = {"recorded_us": "cast(null as bigint)", "actor": "cast('' as text)", "attributes": "cast('' as text)"}
"""Columns on which no count rests and which no account shows; attributes may be long."""

_COLUMNS = ", ".join(_UNTOLD.get(name, f"fact.{name}") for name in ("number", *snapshots.STORED))
_VOID = f"""fact.status = true and fact.type = '{VOIDED}' and fact.organisation = target.organisation
            and fact.source = target.source and fact.voids = target.id"""
_ASKED = "unnest(%(learners)s::text[]) as asked(learner)"
_OWN = 'select * from fact where organisation = any(%(within)s) and learner = asked.learner collate "C"'


_LINKS = f"""
    select link.learner, link.object from fact as link
    where link.organisation = {{organisation}} and link.learner {{among}}
      and link.status = true and link.type = '{LINKED}' and not exists (
        select 1 from fact as void where void.status = true and void.type = '{VOIDED}'
        and void.organisation = link.organisation and void.source = link.source and void.voids = link.id)
    """
_LINKS_SQLITE = _LINKS.format(organisation=":organisation", among="in (select value from json_each(:learners))")
_LINKS_POSTGRESQL = _LINKS.format(organisation="%(organisation)s", among="= any(%(learners)s)")


@dataclass(frozen=True, slots=True)
class _Questions:
    """The facts of learners; whether there are voids at all; the voids of these facts that name somebody else.

    voids_of  the same voids of facts that are given, as JSON
    """

    own: str
    any_void: str
    voids: str
    voids_of: str


_SQLITE = _Questions(
    f"""select {_COLUMNS} from json_each(:learners) as asked cross join fact
        where fact.organisation in (select value from json_each(:within)) and fact.learner = asked.value""",
    f"""select 1 from fact where status = true and type = '{VOIDED}'
        and organisation in (select value from json_each(:within)) and :learners <> '' limit 1""",
    f"""select {_COLUMNS} from json_each(:learners) as asked cross join fact as target cross join fact
        where target.organisation in (select value from json_each(:within)) and target.learner = asked.value
        and {_VOID} and fact.learner not in (select value from json_each(:learners))""",
    f"""select {_COLUMNS} from (
            select json_extract(value, '$[0]') as organisation, json_extract(value, '$[1]') as source,
                   json_extract(value, '$[2]') as id from json_each(:targets)) as target
        cross join fact where {_VOID} and fact.learner not in (select value from json_each(:learners))""",
)

_POSTGRESQL = _Questions(
    f"""select {_COLUMNS} from {_ASKED} cross join lateral ({_OWN} offset 0) as fact""",
    f"""select 1 from fact where status = true and type = '{VOIDED}' and organisation = any(%(within)s)
        and cardinality(%(learners)s::text[]) > 0 limit 1""",
    f"""select {_COLUMNS} from {_ASKED} cross join lateral ({_OWN} offset 0) as target
        cross join lateral (select * from fact where {_VOID} offset 0) as fact
        where fact.learner <> all(%(learners)s)""",
    f"""select {_COLUMNS} from (
            select (value->>0) collate "C" as organisation, (value->>1) collate "C" as source,
                   (value->>2) collate "C" as id from jsonb_array_elements(cast(%(targets)s as jsonb)) as given(value)
        ) as target
        cross join lateral (select * from fact where {_VOID} offset 0) as fact
        where fact.learner <> all(%(learners)s)""",
)
"""Voids are looked for from each fact, by their index: an organisation may have many of them."""
