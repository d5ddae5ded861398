"""Who counted in a window, as people browse it: in either order of time or by what they are called, filtered, searched.

`roll` numbers everybody of a window; here nobody is numbered, and a page is read off an index where it begins. Who is
beyond the allowance follows from the same account and the same order: the first one beyond is found once, and whoever
comes with it or after it is beyond.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection

from rollbook.accounting.account import Account
from rollbook.accounting.consumption import Consumption
from rollbook.engines.database import LiveSubscription
from rollbook.server.live import called, contracts, driver, people
from rollbook.server.models import Person, Subscription
from rollbook.server.refusals import refused

FIRST, LATEST, NAME = "first", "latest", "name"
ORDERS = (FIRST, LATEST, NAME)
"""Who came first, who came last, or by what people are called: guests and erased people have no name, and no place."""

INCLUDED, BEYOND = "included", "beyond"
GUEST = "guest"

SORTED_MAX = 5000
"""So many units are sorted by name; of more, people are walked in the order of their names."""

RANGES_MAX = 40
"""Pools whose first one beyond is looked for to filter by it; each is a question."""

_COLUMNS = ("organisation", "unit", "object", "guest", "class", "first_us", "source", "id", "facts")
_KEY = ("first_us", "source", "id", "organisation", "unit", "object")

Key = tuple[int, str, str, str, str, str]
"""Where a unit stands in the order in which they came: what `questions.IN_ORDER` orders by."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be shown of a window.

    class_    one of CLASSES, or `GUEST`
    standing  `INCLUDED` or `BEYOND`
    search    how id, name or address begins
    """

    organisation: str = ""
    class_: str = ""
    standing: str = ""
    search: str = ""
    order: str = FIRST


@dataclass(frozen=True, slots=True)
class Entry:
    """One unit that counted; `person` is who it is, None for a guest's entry."""

    organisation: str
    unit: str
    object: str
    guest: bool
    class_: str
    first_us: int
    source: str
    fact: str
    facts: int
    standing: str
    person: Person | None

    @property
    def erased(self) -> bool:
        """Whether nothing is left of who it was."""
        return self.person is not None and self.person.erased_at is not None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order; `after` is where the next page begins, None at the end. `narrow`: too many were found."""

    entries: tuple[Entry, ...]
    after: tuple[Any, ...] | None
    narrow: bool = False


@dataclass
class _Window:
    """One window of one subscription: what its pages are asked with."""

    live: LiveSubscription
    account: Account
    number: int
    edges: dict[str, list[tuple[Key | None, Key | None]]] = field(default_factory=dict)
    seats_beyond: frozenset[tuple[str, str, str]] = frozenset()

    def __post_init__(self) -> None:
        mine = (it for it in self.account.seats if it.window.number == self.number)
        self.seats_beyond = frozenset(key for it in mine for key in it.beyond)

    @property
    def by_organisation(self) -> bool:
        return self.account.subscription.plan.allowance.pool_scope == "organisation"

    def of_pool(self, pool: str) -> list[tuple[Key | None, Key | None]]:
        """[first, end) of those beyond in one pool, as keys; no end where all that follow are."""
        if pool not in self.edges:
            used = [it for it in self.account.of(self.number) if it.pool == pool]
            self.edges[pool] = [
                (self._at(it, first), self._at(it, last + 1) if last < it.active else None)
                for it in used
                for first, last in it.beyond
            ]
        return self.edges[pool]

    def _at(self, used: Consumption, rank: int) -> Key | None:
        """Who has a rank: counted from whichever end is nearer."""
        back = used.active - rank
        down = back < rank - 1
        pools, parameters = ("and organisation = %s", [used.pool]) if self.by_organisation else ("", [])
        sql = f"""
            select {", ".join(_KEY)} from activation where subscription = %s and window_number + 0 = %s {pools}
            order by {_ordered(_KEY, down=down)} limit 1 offset %s
            """
        found = _rows(sql, [self.live.key, self.number, *parameters, max(back if down else rank - 1, 0)])
        return tuple(found[0]) if found else None

    def standing(self, row: dict[str, Any]) -> str:
        if self.account.seats:
            across = self.account.subscription.plan.meter.across
            key = ("" if across else row["organisation"], row["unit"], row["object"])
            return BEYOND if key in self.seats_beyond else INCLUDED
        at = tuple(row[name] for name in _KEY)
        ranges = self.of_pool(row["organisation"] if self.by_organisation else "")
        beyond = any(first is not None and first <= at and (end is None or at < end) for first, end in ranges)
        return BEYOND if beyond else INCLUDED


def page(
    row: Subscription, found: Account, window: int, asked: Asked, after: Sequence[Any] = (), limit: int = 50
) -> Page:
    """One page of the units that counted in a window.

    found  the account of the subscription, which says what is included
    after  `after` of the page before
    Raises RefusedError 422 for an `after` that is none, and for a standing that is to be asked of one organisation.
    """
    there = _Window(contracts.live_of(row), found, window)
    if asked.search:
        return _searched(row, there, asked)
    if asked.order == NAME:
        return _named(row, there, asked, after, limit)
    where, parameters = _conditions(there, asked)
    down = asked.order == LATEST
    if after:
        where += f" and ({', '.join(_KEY)}) {'<' if down else '>'} (%s, %s, %s, %s, %s, %s)"
        parameters += _cursor(after, (int, str, str, str, str, str))
    place = ", ".join(_KEY)
    sql = f"""
        select {_columns()}, {place} from activation as a where {where}
        order by {_ordered(_KEY, down=down)} limit %s
        """
    return _page(there, _rows(sql, [*parameters, limit + 1]), limit)


def of_people(row: Subscription, found: Account, window: int, numbers: Sequence[int]) -> tuple[Entry, ...]:
    """The units of some people in a window, in order: each has its place in the index of units."""
    there = _Window(contracts.live_of(row), found, window)
    return _entries(there, _units_of(there, [str(it) for it in numbers], "", []))


def of_guest(row: Subscription, found: Account, window: int, entry: str) -> tuple[Entry, ...]:
    """A guest's entry in a window, by its fact's id."""
    there = _Window(contracts.live_of(row), found, window)
    return _entries(there, _units_of(there, [entry], " and a.guest", []))


def _searched(row: Subscription, there: _Window, asked: Asked) -> Page:
    matching = called.search(row.customer_id, asked.search)
    where, parameters = _conditions(there, replace(asked, search=""), placed=False)
    units = [str(it) for it in matching.people]
    rows = _units_of(there, units, f" and not a.guest{where}", parameters) if units else []
    if asked.order == LATEST:
        rows.reverse()
    entries = _entries(there, rows[: called.FOUND_MAX])
    if asked.order == NAME:
        entries = tuple(sorted(entries, key=lambda it: (_called(it).lower(), it.unit)))
    return Page(entries, None, narrow=matching.more or len(rows) > called.FOUND_MAX)


def _called(entry: Entry) -> str:
    return (entry.person.name or entry.person.learner) if entry.person else entry.unit


def _named(row: Subscription, there: _Window, asked: Asked, after: Sequence[Any], limit: int) -> Page:
    """By name. Few units are sorted; else people are walked in the order of their names, each with its units."""
    where, parameters = _conditions(there, asked)
    where += " and not a.guest and p.customer_id = %s and p.erased_at is null"
    parameters.append(row.customer_id)
    key = (called.LABEL.format(p="p.") + "<bytes>", "p.id", "a.scope", "a.part")
    if after:
        # The first two alone as well: they are what the index of names has.
        where += f" and ({key[0]}, {key[1]}) >= (%s, %s) and ({', '.join(key)}) > (%s, %s, %s, %s)"
        known = _cursor(after, (str, int, str, str))
        parameters += [*known[:2], *known]
    if _units(there, asked) <= SORTED_MAX:
        number = "case when a.guest then null else cast(a.unit as bigint) end"
        together = f"activation as a join person as p on p.id = {number}"
    else:
        scopes = sorted({there.live.scope(it) for it in there.live.organisations})
        inside = f"a.subscription = %s and a.window_number = %s and a.unit = cast(p.id as text) and {_in('a.scope')}"
        bound = [there.live.key, there.number, _listed(scopes)]
        if driver.on_postgresql():
            together = f"person as p cross join lateral (select * from activation as a where {inside} offset 0) as a"
            parameters = [*bound, *parameters]
        else:
            # Which SQLite never turns round.
            together = "person as p cross join activation as a"
            where, parameters = f"{inside} and {where}", [*bound, *parameters]
    sql = f"""
        select {_columns()}, {key[0]}, {", ".join(key[1:])} from {together} where {where}
        order by {", ".join(key)} limit %s
        """
    return _page(there, _rows(called.in_bytes(sql), [*parameters, limit + 1]), limit)


def _units(there: _Window, asked: Asked) -> int:
    """How many units there are of an organisation and a class, from the tallies."""
    where, parameters = "", []
    for column, value in (("organisation", asked.organisation), ("class", asked.class_)):
        if value and value != GUEST:
            where += f" and {column} = %s"
            parameters.append(value)
    sql = f"select coalesce(sum(units), 0) from tally where subscription = %s and window_number = %s{where}"
    return int(_rows(sql, [there.live.key, there.number, *parameters])[0][0])


def _units_of(there: _Window, units: Sequence[str], where: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    scopes = sorted({there.live.scope(it) for it in there.live.organisations})
    sql = f"""
        select {_columns()} from activation as a
        where a.subscription = %s and a.window_number = %s and {_in("a.scope")} and {_in("a.unit")}{where}
        order by {_ordered(_KEY)} limit {called.FOUND_MAX + 1}
        """
    return _dicts(_rows(sql, [there.live.key, there.number, _listed(scopes), _listed(units), *parameters]))


def _conditions(there: _Window, asked: Asked, *, placed: bool = True) -> tuple[str, list[Any]]:
    """The condition on activations, called `a`, and its parameters; `placed` with subscription and window."""
    where = ""
    parameters: list[Any] = []
    if placed:
        where, parameters = " and a.subscription = %s and a.window_number + 0 = %s", [there.live.key, there.number]
    if asked.organisation:
        where += " and a.organisation = %s"
        parameters.append(asked.organisation)
    if asked.class_:
        where += " and a.guest" if asked.class_ == GUEST else " and not a.guest and a.class = %s"
        parameters += [] if asked.class_ == GUEST else [asked.class_]
    if asked.standing:
        beyond, more = _beyond(there, asked.organisation)
        where += f" and {'' if asked.standing == BEYOND else 'not '}({beyond})"
        parameters += more
    return where.removeprefix(" and ") if placed else where, parameters


def _beyond(there: _Window, organisation: str) -> tuple[str, list[Any]]:
    """The condition on those beyond, and its parameters."""
    if there.account.seats:
        ours = "''" if there.account.subscription.plan.meter.across else "a.organisation"
        listed = f"select {', '.join(map(_part, range(3)))} from {_LISTED[driver.on_postgresql()]}"
        return f"({ours}, a.unit, a.object) in ({listed})", [_listed(sorted(there.seats_beyond))]
    pools = [it.pool for it in there.account.of(there.number) if it.beyond]
    if there.by_organisation and organisation:
        pools = [it for it in pools if it == organisation]
    if len(pools) > RANGES_MAX:
        rule = "each organisation has its own allowance, and there are too many to look at at once"
        raise refused(422, "too-many", "standing", rule, "choose an organisation as well")
    parts: list[str] = []
    parameters: list[Any] = []
    six = "(%s, %s, %s, %s, %s, %s)"
    for pool in pools:
        for first, end in there.of_pool(pool):
            if first is None:
                continue
            said = f"({', '.join(f'a.{it}' for it in _KEY)}) >= {six}"
            parameters += first
            if end is not None:
                said += f" and ({', '.join(f'a.{it}' for it in _KEY)}) < {six}"
                parameters += end
            if there.by_organisation:
                said += " and a.organisation = %s"
                parameters.append(pool)
            parts.append(f"({said})")
    return " or ".join(parts) or "1 = 0", parameters


def _page(there: _Window, rows: Sequence[tuple[Any, ...]], limit: int) -> Page:
    """What follows the columns of a row is its place in the list."""
    shown = rows[:limit]
    return Page(_entries(there, _dicts(shown)), tuple(shown[-1][len(_COLUMNS) :]) if len(rows) > limit else None)


def _entries(there: _Window, rows: Sequence[dict[str, Any]]) -> tuple[Entry, ...]:
    known = people.named({str(it["unit"]) for it in rows if not it["guest"]})
    return tuple(
        Entry(
            organisation=it["organisation"],
            unit=it["unit"],
            object=it["object"],
            guest=bool(it["guest"]),
            class_=it["class"],
            first_us=it["first_us"],
            source=it["source"],
            fact=it["id"],
            facts=it["facts"],
            standing=there.standing(it),
            person=None if it["guest"] else known.get(it["unit"]),
        )
        for it in rows
    )


def _cursor(after: Sequence[Any], kinds: Sequence[type]) -> list[Any]:
    """The parts of an `after`, which came from outside. Raises RefusedError 422."""
    of_kind = len(after) == len(kinds) and all(type(it) is kind for it, kind in zip(after, kinds, strict=True))
    if not of_kind or any(abs(it) >= 2**63 if isinstance(it, int) else "\0" in it for it in after):
        raise refused(422, "invalid", "after", "it is no place in this list", "begin at the first page")
    return list(after)


def _columns() -> str:
    return ", ".join(f"a.{name}" for name in _COLUMNS)


def _ordered(names: Sequence[str], *, down: bool = False) -> str:
    return ", ".join(f"{it} desc" for it in names) if down else ", ".join(names)


_LISTED = {True: "jsonb_array_elements(cast(%s as jsonb)) as listed (value)", False: "json_each(%s) as listed"}
"""The rows of a list; by whether it is PostgreSQL."""


def _part(place: int) -> str:
    if driver.on_postgresql():
        return f"listed.value ->> {place}"
    return f"json_extract(listed.value, '$[{place}]')"


def _in(column: str) -> str:
    """Whether a column is one of the texts of a list: one parameter, for there may be any number of them."""
    if driver.on_postgresql():
        return f"{column} = any(array(select jsonb_array_elements_text(cast(%s as jsonb))))"
    return f"{column} in (select value from json_each(%s))"


def _listed(values: Sequence[Any]) -> str:
    return json.dumps(list(values), ensure_ascii=False)


def _rows(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(parameters))
        return list(cursor.fetchall())


def _dicts(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(_COLUMNS, line, strict=False)) for line in rows]
