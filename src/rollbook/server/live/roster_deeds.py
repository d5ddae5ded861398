"""What some learners did last, added up by the database: rules ask how long something lay idle, and not for each deed.

However many deeds somebody has, a row for each of their courses comes back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.db import connection

from rollbook.model.fact import VOIDED
from rollbook.roster.deciding import COMPLETED, Total
from rollbook.server.live import archive, clusters, driver


def of_people(
    organisations: Sequence[str], surrogates: Collection[str], as_of_us: int, *, completed_only: bool
) -> Iterator[Total]:
    """What these people did before an instant, and whoever was ever linked to them.

    completed_only  nothing but what they completed is asked for
    """
    if not organisations or not surrogates:
        return
    everybody = sorted(clusters.ever_linked(organisations, surrogates))
    given: dict[str, Any] = {
        "learners": _given(everybody),
        "organisations": _given(organisations),
        "as_of_us": as_of_us,
    }
    with driver.own_cursor() as cursor:
        sql = _sql(completed_only=completed_only)
        if not cursor.execute(_placed(_ANY_VOID), given).fetchone():
            sql = sql.replace(_STANDS, "")
        for row in cursor.execute(_placed(sql), given).fetchall():
            yield Total(*row)
    yield from _archived(organisations, everybody, as_of_us, completed_only=completed_only)


def _archived(
    organisations: Sequence[str], learners: Sequence[str], as_of_us: int, *, completed_only: bool
) -> Iterator[Total]:
    """The same of what was moved to the archive."""
    moved = archive.of_organisations(organisations)
    if moved is None:
        return
    where = "archived.at_us < $as_of_us and archived.role = 'learner' and archived.impersonator = ''"
    if completed_only:
        where += f" and archived.type = '{COMPLETED}'"
    where += " and not list_contains($voided, archived.organisation || chr(31) || archived.source || chr(31) || id)"
    added = f"""archived.organisation, archived.learner, archived.object, max(archived.at_us),
                max(archived.at_us) filter (where archived.type = '{COMPLETED}')"""
    asked = [(organisation, learner) for organisation in organisations for learner in learners]
    given = {"as_of_us": as_of_us, "voided": _voided(organisations, as_of_us)}
    yield from (Total(*row) for row in moved.of(asked, added, f"{where} group by all", given))


def _voided(organisations: Sequence[str], as_of_us: int) -> list[str]:
    """What voids name, as one text each."""
    marks = ", ".join(["%s"] * len(organisations))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select organisation, source, voids from fact where status = true and type = %s and at_us < %s
                and organisation in ({marks})""",
            [VOIDED, as_of_us, *organisations],
        )
        return [chr(31).join(row) for row in cursor.fetchall()]


_ANY_VOID = f"""select 1 from fact where status = true and type = '{VOIDED}' and organisation {{among_organisations}}
                and at_us < {{as_of_us}} and {{learners}} is not null limit 1"""

_STANDS = f"""and not exists (
    select 1 from fact as void where void.status = true and void.type = '{VOIDED}'
    and void.organisation = fact.organisation and void.source = fact.source and void.voids = fact.id
    and void.at_us < {{as_of_us}})"""


def _sql(*, completed_only: bool) -> str:
    """Learner by learner, by the index of learners: deeds of their own, see `rollbook.roster.deciding.Deeds`."""
    only = f"and fact.type = '{COMPLETED}'" if completed_only else ""
    where = f"""fact.status = false and fact.organisation {{among_organisations}} and fact.at_us < {{as_of_us}}
                and fact.role = 'learner' and fact.impersonator = '' {only} {_STANDS}"""
    added = f"""organisation, learner, object, max(at_us),
                max(case when type = '{COMPLETED}' then at_us end)"""
    if driver.on_postgresql():
        return f"""select {added} from unnest({{learners}}::text[]) as asked(name) cross join lateral (
                       select organisation, learner, object, at_us, type from fact
                       where fact.learner = asked.name collate "C" and {where} offset 0) as done
                   group by organisation, learner, object"""
    return f"""select {added} from (
                   select fact.organisation, fact.learner, fact.object, fact.at_us, fact.type
                   from json_each({{learners}}) as asked cross join fact
                   where fact.learner = asked.value and {where})
               group by organisation, learner, object"""


def _given(texts: Collection[str]) -> Any:
    return list(texts) if driver.on_postgresql() else json.dumps(list(texts), ensure_ascii=False)


def _placed(sql: str) -> str:
    """Parameters as the driver writes them."""
    if driver.on_postgresql():
        names = {name: f"%({name})s" for name in ("learners", "as_of_us")}
        return sql.format(**names, among_organisations="= any(%(organisations)s)")
    names = {name: f":{name}" for name in ("learners", "as_of_us")}
    return sql.format(**names, among_organisations="in (select value from json_each(:organisations))")
