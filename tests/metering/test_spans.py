"""Spans of presence, told by what switched them. Both the fold and the query must find them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from rollbook.metering.identities import accept
from rollbook.metering.spans import fold
from rollbook.model.fact import LINKED, Fact
from rollbook.model.plan import Meter, State, WindowRule
from rollbook.model.subscription import Subscription
from tests.metering import ledgers
from tests.metering.written import shown, us

STATE = State(on=("on",), off=("off",))
TERM = Subscription(
    plan=ledgers.plan(Meter(holds=STATE), WindowRule(kind="term")), start=date(2026, 1, 1), end=date(2027, 1, 1)
)

Written = tuple[str, str, str, str, str]
"""Unit (and object), on, off, and the facts at both ends."""


def folded(facts: Sequence[Fact], *, by_object: bool = False, reset: str = "") -> tuple[list[Written], dict[str, str]]:
    """The holdings as `Written`, and what each fact did, by its id."""
    links, conflicts = accept(fact for fact in facts if fact.type == LINKED)
    assert not conflicts
    switches = [fact for fact in facts if fact.type != LINKED]
    holdings, did = fold(switches, STATE, links, by_object=by_object, reset_us=us(reset) if reset else -1)
    found = [
        (
            f"{it.unit} {it.object}".strip(),
            shown("on_us", it.on_us),
            shown("off_us", it.off_us),
            it.on_fact,
            it.off_fact or "-",
        )
        for it in holdings
    ]
    return found, {id_: what.removeprefix("state: ") for (_, id_), what in did.items()}


def holdings_of(facts: Sequence[Fact]) -> list[Written]:
    """The same holdings from the fold and from the query, on a year that all of them overlap."""
    by_fold, _ = folded(facts)
    [outcome] = ledgers.run_fast(facts, [TERM])
    by_query = [
        (it.unit, shown("on_us", it.on_us), shown("off_us", it.off_us), it.on_fact, it.off_fact or "-")
        for it in outcome.holdings
    ]
    assert sorted(by_query) == sorted(by_fold)
    return by_fold


def test_a_span_lasts_from_on_to_off(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-01-20T00:00Z  e2  ana      off   A
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "2026-01-20T00:00Z", "e1", "e2")]


def test_what_is_never_switched_off_has_no_end(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "null", "e1", "-")]


def test_asking_for_what_already_holds_changes_nothing(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-09T00:00Z  e1  ana      off   A
    2026-01-10T00:00Z  e2  ana      on    A
    2026-01-11T00:00Z  e3  ana      on    A
    2026-01-12T00:00Z  e4  ana      off   A
    2026-01-13T00:00Z  e5  ana      off   A
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "2026-01-12T00:00Z", "e2", "e4")]
    assert folded(ledger)[1] == {
        "e1": "redundant",
        "e2": "opened",
        "e3": "redundant",
        "e4": "closed",
        "e5": "redundant",
    }


def test_a_learner_is_present_while_any_object_is_on(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-01-15T00:00Z  e2  ana      on    B
    2026-01-20T00:00Z  e3  ana      off   A
    2026-01-25T00:00Z  e4  ana      off   B
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "2026-01-25T00:00Z", "e1", "e4")]
    assert folded(ledger, by_object=True)[0] == [
        ("ana A", "2026-01-10T00:00Z", "2026-01-20T00:00Z", "e1", "e3"),
        ("ana B", "2026-01-15T00:00Z", "2026-01-25T00:00Z", "e2", "e4"),
    ]


def test_on_and_off_at_once_is_a_presence_of_no_length(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e2  ana      on    A
    2026-01-10T00:00Z  e1  ana      off   A
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "2026-01-10T00:00Z", "e2", "e1")]
    assert folded(ledger)[1] == {"e2": "opened", "e1": "closed"}


def test_a_renewal_at_midnight_neither_ends_nor_begins_anything(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-02-01T00:00Z  e2  ana      off   A
    2026-02-01T00:00Z  e3  ana      on    A
    2026-02-10T00:00Z  e4  ana      off   A
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "2026-02-10T00:00Z", "e1", "e4")]
    assert folded(ledger)[1] == {"e1": "opened", "e2": "redundant", "e3": "redundant", "e4": "closed"}


def test_a_move_to_another_object_at_midnight_is_one_span(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-02-01T00:00Z  e2  ana      off   A
    2026-02-01T00:00Z  e3  ana      on    B
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "null", "e1", "-")]
    assert folded(ledger)[1] == {"e1": "opened", "e2": "closed", "e3": "opened"}


def test_off_without_an_object_closes_them_all(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-01-11T00:00Z  e2  ana      on    B
    2026-01-20T00:00Z  e3  ana      off   -
    2026-01-21T00:00Z  e4  ana      off   B
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "2026-01-20T00:00Z", "e1", "e3")]
    assert folded(ledger)[1]["e4"] == "redundant"


def test_off_without_an_object_is_about_one_organisation(ledger: list[Fact]) -> None:
    """Within one scope of a customer; a learner is present while any organisation has something on.

    at                 id  organisation  learner  type  object
    2026-01-10T00:00Z  e1  north         ana      on    A
    2026-01-11T00:00Z  e2  south         ana      on    A
    2026-01-20T00:00Z  e3  north         ana      off   -
    2026-01-25T00:00Z  e4  south         ana      off   A
    """
    assert folded(ledger)[0] == [("ana", "2026-01-10T00:00Z", "2026-01-25T00:00Z", "e1", "e4")]


def test_off_without_an_object_meets_what_comes_on_at_that_instant(ledger: list[Fact]) -> None:
    """A was on and is closed. B comes on at that very instant: on and off at once, as if it were named.

    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-01-20T00:00Z  e2  ana      on    B
    2026-01-20T00:00Z  e3  ana      off   -
    """
    assert holdings_of(ledger) == [
        ("ana", "2026-01-10T00:00Z", "2026-01-20T00:00Z", "e1", "e3"),
        ("ana", "2026-01-20T00:00Z", "2026-01-20T00:00Z", "e2", "e3"),
    ]


def test_off_without_an_object_and_nothing_on_is_redundant(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      off   -
    2026-01-20T00:00Z  e2  ana      on    A
    """
    assert holdings_of(ledger) == [("ana", "2026-01-20T00:00Z", "null", "e2", "-")]
    assert folded(ledger)[1]["e1"] == "redundant"


def test_of_several_at_one_instant_the_first_by_source_and_id_is_the_proof(ledger: list[Fact]) -> None:
    """As bytes, Z comes before a; the order of delivery says nothing.

    at                 source  id  learner  type  object
    2026-01-10T00:00Z  a       e1  ana      on    A
    2026-01-10T00:00Z  Z       e2  ana      on    B
    2026-01-20T00:00Z  a       e4  ana      off   A
    2026-01-20T00:00Z  a       e3  ana      off   B
    """
    assert holdings_of(ledger) == [("ana", "2026-01-10T00:00Z", "2026-01-20T00:00Z", "e2", "e3")]


# Links.


def test_an_open_span_passes_to_the_survivor_at_the_link(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  bo       on               A
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    2026-02-10T00:00Z  e2  bo       off              A
    """
    assert holdings_of(ledger) == [
        ("bo", "2026-01-10T00:00Z", "2026-02-01T00:00Z", "e1", "l1"),
        ("ana", "2026-02-01T00:00Z", "2026-02-10T00:00Z", "l1", "e2"),
    ]


def test_a_closed_span_stays_with_the_id_given_up(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  bo       on               A
    2026-01-20T00:00Z  e2  bo       off              A
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    """
    assert holdings_of(ledger) == [("bo", "2026-01-10T00:00Z", "2026-01-20T00:00Z", "e1", "e2")]


def test_a_survivor_who_is_present_already_goes_on(ledger: list[Fact]) -> None:
    """Ana's own A is off in February, and bo's A, now hers too, with it: they are one slot.

    at                 id  learner  type             object
    2026-01-05T00:00Z  e1  ana      on               A
    2026-01-10T00:00Z  e2  bo       on               A
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    2026-02-10T00:00Z  e3  ana      off              A
    """
    assert holdings_of(ledger) == [
        ("ana", "2026-01-05T00:00Z", "2026-02-10T00:00Z", "e1", "e3"),
        ("bo", "2026-01-10T00:00Z", "2026-02-01T00:00Z", "e2", "l1"),
    ]
    assert folded(ledger)[1] == {"e1": "opened", "e2": "opened", "e3": "closed"}


def test_a_link_at_the_very_instant_of_an_off_acts_first(ledger: list[Fact]) -> None:
    """The link ends bo's span. The off closes what has passed to ana, who was never present.

    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  bo       on               A
    2026-02-01T00:00Z  e2  bo       off              A
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    """
    assert holdings_of(ledger) == [("bo", "2026-01-10T00:00Z", "2026-02-01T00:00Z", "e1", "l1")]
    assert folded(ledger)[1] == {"e1": "opened", "e2": "closed"}


def test_a_link_as_the_survivor_is_switched_off_keeps_the_survivor_present(ledger: list[Fact]) -> None:
    """Ana's B ends as bo's A passes to her: present before and after, so nothing ends.

    at                 id  learner  type             object
    2026-01-05T00:00Z  e1  ana      on               B
    2026-01-10T00:00Z  e2  bo       on               A
    2026-02-01T00:00Z  e3  ana      off              B
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    """
    assert holdings_of(ledger) == [
        ("ana", "2026-01-05T00:00Z", "null", "e1", "-"),
        ("bo", "2026-01-10T00:00Z", "2026-02-01T00:00Z", "e2", "l1"),
    ]


def test_a_renewal_at_the_very_instant_of_the_link_passes_on(ledger: list[Fact]) -> None:
    """On and off at once leaves A as it was: on, and ana's from the link.

    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  bo       on               A
    2026-02-01T00:00Z  e2  bo       off              A
    2026-02-01T00:00Z  e3  bo       on               A
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    """
    assert holdings_of(ledger) == [
        ("bo", "2026-01-10T00:00Z", "2026-02-01T00:00Z", "e1", "l1"),
        ("ana", "2026-02-01T00:00Z", "null", "l1", "-"),
    ]


def test_a_chain_at_one_instant_passes_a_span_to_the_last_survivor_at_once(ledger: list[Fact]) -> None:
    """The first of the two links by id is the fact at both ends.

    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  cy       on               A
    2026-02-01T00:00Z  l2  bo       identity.linked  cy
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    """
    assert holdings_of(ledger) == [
        ("cy", "2026-01-10T00:00Z", "2026-02-01T00:00Z", "e1", "l1"),
        ("ana", "2026-02-01T00:00Z", "null", "l1", "-"),
    ]


def test_off_without_an_object_closes_what_came_by_link(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  bo       on               A
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    2026-02-10T00:00Z  e2  ana      off              -
    """
    assert holdings_of(ledger)[1:] == [("ana", "2026-02-01T00:00Z", "2026-02-10T00:00Z", "l1", "e2")]


# The start of a term that does not carry in.


def test_a_reset_ends_what_is_on_and_no_fact_does(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2025-12-20T00:00Z  e1  ana      on    A
    2026-01-05T00:00Z  e2  ana      off   A
    2026-01-10T00:00Z  e3  ana      on    A
    """
    found, did = folded(ledger, reset="2026-01-01T00:00Z")
    assert found == [
        ("ana", "2025-12-20T00:00Z", "2026-01-01T00:00Z", "e1", "-"),
        ("ana", "2026-01-10T00:00Z", "null", "e3", "-"),
    ]
    assert did == {"e1": "opened", "e2": "redundant", "e3": "opened"}


def test_what_comes_on_at_the_reset_is_a_span_of_its_own(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2025-12-20T00:00Z  e1  ana      on    A
    2026-01-01T00:00Z  e2  ana      on    A
    """
    found, did = folded(ledger, reset="2026-01-01T00:00Z")
    assert found == [
        ("ana", "2025-12-20T00:00Z", "2026-01-01T00:00Z", "e1", "-"),
        ("ana", "2026-01-01T00:00Z", "null", "e2", "-"),
    ]
    assert did["e2"] == "opened"


def test_on_and_off_at_the_reset_is_a_presence_of_no_length(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2025-12-20T00:00Z  e1  ana      on    A
    2026-01-01T00:00Z  e2  ana      off   A
    2026-01-01T00:00Z  e3  ana      on    A
    """
    found, did = folded(ledger, reset="2026-01-01T00:00Z")
    assert found == [
        ("ana", "2025-12-20T00:00Z", "2026-01-01T00:00Z", "e1", "-"),
        ("ana", "2026-01-01T00:00Z", "2026-01-01T00:00Z", "e3", "e2"),
    ]
    assert did == {"e1": "opened", "e2": "closed", "e3": "opened"}


@pytest.mark.parametrize("by_object", [False, True], ids=["learner", "enrolment"])
def test_nothing_that_switches_holds_nothing(*, by_object: bool) -> None:
    assert folded([], by_object=by_object, reset="2026-01-01T00:00Z") == ([], {})
