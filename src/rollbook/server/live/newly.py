"""Whom facts make newly active: who counts with them and not without, in the window that runs or in the next.

It says what `rollbook.roster.budget.newly_active` says of the same facts; a law holds them equal. Where a term runs, it
is read off the live counts, before and after the facts were taken in: who is active in the windows that have begun, and
who holds something open that would be carried into the next. A term that has not begun has no counts yet, so there the
pure rule itself is asked, of the statuses of those concerned.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollbook.engines.database import LiveSubscription
from rollbook.model.fact import Fact
from rollbook.model.window import Window
from rollbook.roster.budget import Unit, horizon, newly_active
from rollbook.server.live import clusters, contracts, driver, metering, roster_facts
from rollbook.server.refusals import refused

TOGETHER = 1_000
"""People who are asked about at once."""

Counted = dict[int, set[tuple[int, Unit]]]
"""By number of the subscription: (window, unit) of those who count, or would be carried into the next window."""


@dataclass(frozen=True, slots=True)
class Newly:
    """Whom facts make newly active, by number of the subscription."""

    of: Mapping[int, frozenset[Unit]]

    @property
    def all(self) -> frozenset[Unit]:
        """Each once, however many subscriptions they count in."""
        return frozenset().union(*self.of.values())


class Watching:
    """What the counts of a customer are before some facts come in; asked again when they are in.

    Make it, and ask it, in the transaction that locked the customer.
    """

    def __init__(self, customer: int, facts: Sequence[Fact], now_us: int) -> None:
        self._customer, self._facts, self._now_us = customer, facts, now_us
        self._organisations = sorted({it.organisation for it in facts})
        people = {it.learner for it in facts}
        self._people = sorted(clusters.ever_linked(self._organisations, people)) if facts else []
        self._coming = {it.key: newly for it, newly in self._of_terms_to_come()}
        self._before = self._counted()

    def newly(self) -> Newly:
        """Whom the facts made newly active, now that they are in."""
        after = self._counted()
        found = {
            key: frozenset(unit for _, unit in counted - self._before.get(key, set())) for key, counted in after.items()
        }
        return Newly({key: units for key, units in {**self._coming, **found}.items() if units})

    def _subscriptions(self) -> Iterator[LiveSubscription]:
        for it in contracts.live_of_customers([self._customer]):
            if set(it.organisations) & set(self._organisations):
                yield it

    def _counted(self) -> Counted:
        found: Counted = {}
        for it in self._subscriptions():
            if it.subscription.start_us <= self._now_us and self._first_us < it.subscription.end_us:
                live = metering.begin_windows(it, self._now_us)
                found[live.key] = set(self._of_term(live))
        return found

    @property
    def _first_us(self) -> int:
        return min(it.at_us for it in self._facts)

    def _of_term(self, live: LiveSubscription) -> Iterator[tuple[int, Unit]]:
        """(window, unit) in the windows that run by the facts' instants, and the one after."""
        until_us = horizon(live.subscription, max(it.at_us for it in self._facts))
        meant = [it for it in live.windows if it.end_us > self._first_us and it.start_us < until_us]
        begun = [it.number for it in meant if it.number <= live.windows_begun]
        coming = [it for it in meant if it.number > live.windows_begun]
        scopes = {live.scope(it) for it in self._organisations}
        for some in _pieces(self._people):
            yield from _active(live, scopes, some, begun)
            for window in coming:
                yield from _carried(live, scopes, some, window)

    def _of_terms_to_come(self) -> Iterator[tuple[LiveSubscription, frozenset[Unit]]]:
        """By the statuses alone: nothing else that happened before a term counts in it."""
        for live in self._subscriptions():
            if live.subscription.start_us > self._now_us:
                found: set[Unit] = set()
                for some in _pieces(sorted({it.learner for it in self._facts})):
                    read = roster_facts.of_people(live.organisations, some)
                    if not read.are_all:
                        rule = f"more than {read.most:,} status facts would have to be read for it"
                        raise refused(422, "too-many", "rules", rule, "do it for a part of the learners at a time")
                    wanted = set(some)
                    concerned = [it for it in self._facts if it.learner in wanted]
                    found |= newly_active(read.facts, concerned, live.subscription)
                yield live, frozenset(found)


def _active(
    live: LiveSubscription, scopes: Collection[str], people: Sequence[str], windows: Sequence[int]
) -> Iterator[tuple[int, Unit]]:
    if windows:
        sql = f"""select window_number, organisation, unit, object from activation
                  where subscription = {{key}} and scope {_among("scopes")} and unit {_among("people")}
                    and window_number in ({", ".join(map(str, windows))})"""
        for number, organisation, unit, object_ in _rows(sql, live, scopes, people):
            yield number, (_scope(live, organisation), unit, object_)


def _carried(
    live: LiveSubscription, scopes: Collection[str], people: Sequence[str], window: Window
) -> Iterator[tuple[int, Unit]]:
    """Whoever holds something open when a window begins continues in it, see `engines.database.ask_ahead`."""
    if live.meter.holds:
        sql = f"""select distinct organisation, unit, object from holding
                  where subscription = {{key}} and scope {_among("scopes")} and unit {_among("people")}
                    and until_us > {window.start_us} and on_us < {window.start_us}"""
        for organisation, unit, object_ in _rows(sql, live, scopes, people):
            slot = object_ if live.meter.unit == "enrolment" else ""
            yield window.number, (_scope(live, organisation), unit, slot)


def _scope(live: LiveSubscription, organisation: str) -> str:
    """As the budget names it: see `rollbook.roster.budget.Unit`."""
    return "" if live.meter.across else organisation


def _pieces(people: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(people), TOGETHER):
        yield people[first : first + TOGETHER]


def _rows(sql: str, live: LiveSubscription, scopes: Iterable[str], people: Sequence[str]) -> list[tuple[Any, ...]]:
    names = ("key", "scopes", "people")
    placed = sql.format(**{it: f"%({it})s" if driver.on_postgresql() else f":{it}" for it in names})
    given = {"key": live.key, "scopes": _given(sorted(scopes)), "people": _given(people)}
    with driver.own_cursor() as cursor:
        return list(cursor.execute(placed, given).fetchall())


def _given(texts: Sequence[str]) -> Any:
    return list(texts) if driver.on_postgresql() else json.dumps(list(texts), ensure_ascii=False)


def _among(name: str) -> str:
    return f"= any({{{name}}})" if driver.on_postgresql() else f"in (select value from json_each({{{name}}}))"
