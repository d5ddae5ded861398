"""Who counted in a window, in the order in which they came: the roll, page by page.

Who is beyond the allowance follows from that order: first instant, then source and id of the proving fact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection

from rollbook.accounting.account import Account
from rollbook.accounting.questions import IN_ORDER
from rollbook.accounting.statement import BEYOND, INCLUDED
from rollbook.model.instants import iso
from rollbook.server.live import contracts, driver, metering, people
from rollbook.server.models import Person, Subscription

_NAMES = ("position", "rank", "organisation", "unit", "object", "guest", "class", "first_us", "source", "id", "facts")


def roll(
    row: Subscription, window: int, now_us: int, *, after: int = 0, limit: int = 100, beyond_only: bool = False
) -> dict[str, Any]:
    """One page of the units that counted in a window, with people's ids and names.

    after        the position of the last one of the page before, counted from 1
    beyond_only  only those beyond the allowance
    """
    live = contracts.live(row)
    found = metering.account_of(live, now_us + 1)
    pooled = "organisation" if live.subscription.plan.allowance.pool_scope == "organisation" else "''"
    ranked = f"""
        select row_number() over (order by {IN_ORDER}) as position,
               row_number() over (partition by {pooled} order by {IN_ORDER}) as rank,
               organisation, unit, object, guest, class, first_us, source, id, facts
        from activation where subscription = %s and window_number = %s
        """
    which, parameters = _beyond(found, window) if beyond_only else ("1 = 1", [])
    with connection.cursor() as cursor:
        cursor.execute(
            f"select * from ({ranked}) as ranked where position > %s and ({which}) order by position limit %s",
            [live.key, window, after, *parameters, limit + 1],
        )
        rows = [dict(zip(_NAMES, values, strict=True)) for values in cursor.fetchall()]
    page = rows[:limit]
    known = people.named({str(it["unit"]) for it in page if not it["guest"]})
    return {
        "window": window,
        "learners": [_line(found, window, it, known) for it in page],
        "next": page[-1]["position"] if len(rows) > limit else None,
    }


def _beyond(found: Account, window: int) -> tuple[str, list[Any]]:
    """The condition on the rows of those beyond, and its parameters: one list, for there may be any number of them."""
    if found.seats:
        keys = [key for it in found.seats if it.window.number == window for key in it.beyond]
        one, two, three = _parts()
        if found.subscription.plan.meter.across:
            return f"(unit, object) in (select {two}, {three} from {_LISTED[driver.on_postgresql()]})", [_listed(keys)]
        listed = f"select {one}, {two}, {three} from {_LISTED[driver.on_postgresql()]}"
        return f"(organisation, unit, object) in ({listed})", [_listed(keys)]
    by_organisation = found.subscription.plan.allowance.pool_scope == "organisation"
    ranges = [(used.pool, first, last) for used in found.of(window) for first, last in used.beyond]
    pool, first, last = _parts()
    within = f"rank between cast({first} as bigint) and cast({last} as bigint)"
    pools = f"and organisation = {pool}" if by_organisation else ""
    return f"exists (select 1 from {_LISTED[driver.on_postgresql()]} where {within} {pools})", [_listed(ranges)]


_LISTED = {True: "jsonb_array_elements(cast(%s as jsonb)) as listed (value)", False: "json_each(%s) as listed"}
"""The rows of a list of lists; by whether it is PostgreSQL."""


def _parts() -> list[str]:
    """The three parts of one of them."""
    return [
        f"listed.value ->> {place}" if driver.on_postgresql() else f"json_extract(listed.value, '$[{place}]')"
        for place in range(3)
    ]


def _listed(rows: Iterable[Sequence[object]]) -> str:
    return json.dumps([list(row) for row in rows], ensure_ascii=False)


def _line(found: Account, window: int, unit: Mapping[str, Any], known: Mapping[str, Person]) -> dict[str, Any]:
    person = known.get(str(unit["unit"]))
    guest = bool(unit["guest"])
    return {
        "position": unit["position"],
        "organisation": unit["organisation"],
        "kind": "guest" if guest else "learner",
        "learner": unit["unit"] if guest or person is None else person.learner,
        "erased": person is not None and person.erased_at is not None,
        "name": person.name if person else "",
        "email": person.email if person else "",
        "object": unit["object"],
        "class": unit["class"],
        "first_at": iso(unit["first_us"]),
        "source": unit["source"],
        "fact": unit["id"],
        "facts": unit["facts"],
        "standing": BEYOND if _is_beyond(found, window, unit) else INCLUDED,
    }


def _is_beyond(found: Account, window: int, unit: Mapping[str, Any]) -> bool:
    if found.seats:
        across = found.subscription.plan.meter.across
        key = ("" if across else unit["organisation"], unit["unit"], unit["object"])
        return any(key in it.beyond for it in found.seats if it.window.number == window)
    pool = unit["organisation"] if found.subscription.plan.allowance.pool_scope == "organisation" else ""
    return any(
        first <= unit["rank"] <= last for used in found.of(window) if used.pool == pool for first, last in used.beyond
    )
