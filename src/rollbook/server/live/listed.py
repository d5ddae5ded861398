"""A vendor's list held against the live counts of one window: who is on both, who on one only, and why (W-33).

It is what `rollbook reconcile` does, on the same functions. Only those whom the list may mean, and those who counted,
are read; why somebody did not count is asked of their own facts, as in `uncounted`. Everything is bounded, and nothing
of a list is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import connection

from rollbook import reconciling
from rollbook.accounting.account import Account
from rollbook.advice import reconcile
from rollbook.engines.database import LiveSubscription
from rollbook.errors import Problem, UsageError
from rollbook.intake.vendor_list import VendorList
from rollbook.metering.identities import FOREVER_US, accept, unit_at
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.window import Window
from rollbook.server.live import called, clusters, contracts, driver, people, snapshots
from rollbook.server.live.usage import counted
from rollbook.server.models import Person, Subscription

ROWS_MAX = 20_000
"""Rows of a list: a larger one is for the command line."""

OURS_MAX = 100_000
"""Units that counted in the window."""

REASONS_MAX = 1_000
"""Learners on the vendor's list only of whom it is told why; of more than that, the first."""

LEFT = f"why is told of the first {REASONS_MAX:,} only: see the learner's own page"

LINKS_MAX = 100_000
"""Links of identities."""

ALIKE_MAX = 20
"""People of one name that are looked at: two are enough to say that it does not tell who is meant."""

_CHUNK = 500
_ASK_THE_COMMAND = "take an export of the facts, and ask rollbook reconcile on the command line"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of a list.

    lines      of everybody, those on one list only first
    moved      what the difference is worth
    elsewhere  rows that are of other windows, and were left out
    """

    account: Account
    window: Window
    lines: tuple[reconcile.Line, ...]
    moved: reconcile.Moved
    elsewhere: int


def reconciled(row: Subscription, listed: VendorList, window: int, now_us: int) -> Reconciled:
    """The list against a window that has begun.

    Raises UsageError with what is wrong with the list, or where there is too much to compare here, and RefusedError
    503 where too many such counts run.
    """
    if len(listed.rows) > ROWS_MAX:
        raise _too_many(f"the list has {len(listed.rows):,} rows, more than {ROWS_MAX:,}")
    live, found = contracts.live_of(row), counted(row, now_us)
    begun = [it for it in found.windows if it.start_us <= now_us]
    chosen = reconciling.by_window(listed, "list", live.subscription, begun, now_us + 1, window)
    [(of, theirs)] = chosen.items()
    asked = _Asked(live, row.customer_id, now_us + 1, theirs, _ours(live, of))
    lines = [
        replace(it, reason=LEFT) if it.group == reconcile.ONLY_THEIRS and it.learner in asked.left else it
        for it in reconciling.lines(of, theirs, asked.ours, asked.directory, asked.seen)
    ]
    elsewhere = len(listed.rows) - len(theirs)
    return Reconciled(found, of, tuple(lines), reconcile.moved(found, of.number, lines), elsewhere)


class _Asked:
    """Who is who: learners by their ids, as in files; by surrogates only where facts are asked for."""

    def __init__(
        self,
        live: LiveSubscription,
        customer: int,
        as_of_us: int,
        theirs: Sequence[reconcile.Theirs],
        ours: Sequence[reconcile.Ours],
    ) -> None:
        self._live, self._as_of_us = live, as_of_us
        self.left: frozenset[str] = frozenset()
        persons = _meant(customer, {name for it in theirs for name in it.names})
        counted_ = {it.unit for it in ours if not it.guest}
        links = _links(live.subscription.organisations or (), as_of_us)
        linked = {id_ for it in links for id_ in (it.learner, it.object)}
        # Whoever is meant may have counted under the id that survives theirs.
        persons |= people.named((counted_ | linked) - persons.keys())
        self._ids = {surrogate: _id(person) for surrogate, person in persons.items()}
        self._surrogates = {id_: surrogate for surrogate, id_ in self._ids.items()}
        self.ours = [
            it
            if it.guest
            else reconcile.Ours(
                it.organisation, self._ids.get(it.unit, it.unit), it.object, it.guest, it.first_us, it.source, it.fact
            )
            for it in ours
        ]
        accepted, _ = accept(links)
        survivors = {it: unit_at(accepted, it, FOREVER_US) for it in accepted}
        self.directory = reconcile.Directory(
            self._ids.values(),
            {_id(it): (it.email, it.name) for it in persons.values() if it.erased_at is None},
            {self._ids.get(it, it): self._ids.get(survivor, survivor) for it, survivor in survivors.items()},
        )

    def seen(self, window: Window, learners: Sequence[str]) -> Mapping[str, Sequence[reconcile.Seen]]:
        """What became of the facts of learners: as the library counts them, and everybody linked to them."""
        known = [it for it in learners if it in self._surrogates]
        wanted = [self._surrogates[it] for it in known[:REASONS_MAX]]
        self.left = frozenset(known[REASONS_MAX:])
        within = self._live.subscription.organisations or ()
        if not wanted or not within:
            return {}
        with snapshots.turn(), tempfile.TemporaryDirectory(prefix=snapshots.FOLDER) as folder:
            file = Path(folder) / "facts.parquet"
            with snapshots.one_view():
                clusters.copy_facts(within, clusters.ever_linked(within, set(wanted)), file)
            with snapshots.counted([str(file)], self._live, self._as_of_us) as result:
                found = reconciling.seen(result, window, wanted)
        return {self._ids[surrogate]: facts for surrogate, facts in found.items()}


def _id(person: Person) -> str:
    return person.learner if person.erased_at is None else f"{snapshots.ERASED} {person.pk}"


def _too_many(rule: str) -> UsageError:
    return UsageError(Problem("list", rule, _ASK_THE_COMMAND))


def _ours(live: LiveSubscription, window: Window) -> list[reconcile.Ours]:
    """Those who counted, in the order in which they came."""
    sql = f"""
        select organisation, unit, object, guest, first_us, source, id from activation
        where subscription = %s and window_number + 0 = %s
        order by first_us, source, id, organisation, unit, object limit {OURS_MAX + 1}
        """
    rows = _rows(sql, [live.key, window.number])
    if len(rows) > OURS_MAX:
        raise _too_many(f"more than {OURS_MAX:,} counted in this window")
    return [
        reconcile.Ours(organisation, unit, object_, bool(guest), first_us, source, id_)
        for organisation, unit, object_, guest, first_us, source, id_ in rows
    ]


def _links(organisations: Sequence[str], as_of_us: int) -> list[Fact]:
    """Links of identities that nobody took back."""
    within = ", ".join(["%s"] * len(organisations)) or "null"
    sql = f"""
        select id, at_us, learner, object, source, organisation from fact
        where status = true and type = '{LINKED}' and organisation in ({within}) and at_us < %s and not exists (
            select 1 from fact as void where void.status = true and void.type = '{VOIDED}' and void.at_us < %s
            and void.organisation = fact.organisation and void.source = fact.source and void.voids = fact.id)
        limit {LINKS_MAX + 1}
        """
    rows = _rows(sql, [*organisations, as_of_us, as_of_us])
    if len(rows) > LINKS_MAX:
        raise _too_many(f"there are more than {LINKS_MAX:,} links of identities")
    names = ("id", "at_us", "learner", "object", "source", "organisation")
    return [Fact(type=LINKED, **dict(zip(names, row, strict=True))) for row in rows]


def _meant(customer: int, names: Collection[str]) -> dict[str, Person]:
    """Everybody of a customer whose id, name or address is one of these, in any case."""
    numbers: set[int] = {int(it) for it in people.known(customer, names).values()}
    wanted = sorted(names)
    for what, which in called.BY:
        if what != called.FAMILY:
            numbers |= _called(customer, wanted, called.in_bytes(f"{what.format(p='')}<bytes>"), which)
    return people.named({str(it) for it in numbers})


def _called(customer: int, wanted: Sequence[str], key: str, which: str) -> set[int]:
    """Numbers of people by one of their texts. PostgreSQL is asked name by name: for many at once it reads all."""
    if driver.on_postgresql():
        one = (
            f"select id from person where customer_id = %s and {which} and {key} = lower(asked.name) limit {ALIKE_MAX}"
        )
        sql = f"select found.id from unnest(%s::text[]) as asked(name) cross join lateral ({one}) as found"
        return {number for (number,) in _rows(sql, [list(wanted), customer])}
    found: set[int] = set()
    for first in range(0, len(wanted), _CHUNK):
        some = wanted[first : first + _CHUNK]
        marks = ", ".join(["lower(%s)"] * len(some))
        sql = f"select id from person where customer_id = %s and {which} and {key} in ({marks})"
        found |= {number for (number,) in _rows(sql, [customer, *some])}
    return found


def _rows(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(parameters))
        return list(cursor.fetchall())
