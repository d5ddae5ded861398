"""Every case of every published plan, delivered live: the figures that a person worked out by hand, and their cost."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from rollbook.accounting.account import Account, account, beyond
from rollbook.engines import duckdb as files
from rollbook.engines.database import LiveSubscription, ask, begin_window, rebuild, recount, store
from rollbook.metering.outcome import Outcome
from rollbook.model.fact import Fact
from rollbook.model.subscription import Subscription
from tests.engines import lives
from tests.metering.ledgers import connect
from tests.test_plans import all_cases, figures


def named(to: Subscription, facts: tuple[Fact, ...]) -> Subscription:
    """Live subscriptions name their organisations."""
    if to.organisations is not None:
        return to
    return replace(to, organisations=tuple(sorted({fact.organisation for fact in facts})))


def test_every_case_counts_live_whom_it_says(connection: Any) -> None:
    """Facts come one by one and windows begin in between; afterwards nothing differs from a count from nothing."""
    cursor = connection.cursor()
    for case in all_cases():
        to = named(case.subscription, case.facts)
        live = LiveSubscription(1, to)
        for n, fact in enumerate(case.facts):
            lives.deliver(cursor, [live], [fact])
            if n % 2 and live.windows_begun <= len(live.windows):
                live = begin_window(cursor, live)
        while live.windows_begun <= len(live.windows):
            live = begin_window(cursor, live)
        found = lives.found(cursor, live)
        assert figures(to, found.activations) == case.expected, case.path
        assert list(recount(cursor, live)) == []
        rebuild(cursor, live)
        assert sorted_(lives.found(cursor, live)) == sorted_(found), case.path
        connection.rollback()


def sorted_(outcome: Outcome) -> tuple[list[Any], list[Any]]:
    return sorted(outcome.activations), sorted(outcome.holdings, key=repr)


@cache
def of_file(number: int, begun: int) -> tuple[Account, list[tuple[int, str, str, str]]]:
    """The account of a case as a file, and who is beyond; one for both databases."""
    case = all_cases()[number]
    to = named(case.subscription, case.facts)
    as_of_us = LiveSubscription(1, to, begun).as_of_us
    with connect(case.facts) as facts:
        metered = files.meter(facts, [to], as_of_us, assume_members=True)
        found = account(to, to.organisations or (), as_of_us, metered.rows)
        return found, beyond(found, metered.rows)


def test_an_account_of_what_is_live_is_the_account_of_a_file(connection: Any) -> None:
    """Half-way through a term, or after it: consumption, seats, charges, and who is beyond what is included."""
    cursor = connection.cursor()
    for number, case in enumerate(all_cases()):
        to = named(case.subscription, case.facts)
        live = LiveSubscription(1, to)
        begun = len(live.windows) // 2 if number % 3 == 0 else len(live.windows) + 1
        live = replace(live, windows_begun=begun)
        store(cursor, case.facts)
        rebuild(cursor, live)
        found = account(to, to.organisations or (), live.as_of_us, ask(cursor, live))
        assert (found, beyond(found, ask(cursor, live))) == of_file(number, begun), case.path
        connection.rollback()
