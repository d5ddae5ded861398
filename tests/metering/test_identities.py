"""Links: one person who has had two ids. `learner` survives, `object` is given up, from the link's instant on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from rollbook.metering.identities import FOREVER_US, Link, accept, beginning, identities, path, unit_at
from rollbook.model.fact import LINKED, Fact
from tests.metering.written import shown, us


def rows(links: Mapping[str, Link]) -> list[tuple[str, str, str, str, str, str]]:
    """Learner, unit, cluster, from, to, and the link that began the row, `-` where nothing did."""
    return [
        (
            row.learner,
            row.unit,
            row.cluster,
            "-" if row.from_us < 0 else shown("from_us", row.from_us),
            shown("to_us", row.to_us),
            row.link.id if row.link else "-",
        )
        for row in identities(links)
    ]


def test_an_id_is_the_survivor_from_the_instant_of_the_link_on(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    """
    links, conflicts = accept(ledger)
    at_us = us("2026-02-01T00:00Z")
    assert conflicts == []
    assert [unit_at(links, "bo", at) for at in (at_us - 1, at_us)] == ["bo", "ana"]
    assert [unit_at(links, "ana", at) for at in (at_us - 1, at_us)] == ["ana", "ana"]
    assert unit_at(links, "cy", at_us) == "cy"
    assert rows(links) == [
        ("ana", "ana", "ana", "-", "for ever", "-"),
        ("bo", "bo", "ana", "-", "2026-02-01T00:00Z", "-"),
        ("bo", "ana", "ana", "2026-02-01T00:00Z", "for ever", "l1"),
    ]


def test_no_links_are_no_rows() -> None:
    assert accept([]) == ({}, [])
    assert list(identities({})) == []


def test_the_same_link_twice_is_one_from_the_earlier_on(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-09T00:00Z  l1  ana      identity.linked  bo
    2026-02-01T00:00Z  l2  ana      identity.linked  bo
    """
    links, conflicts = accept(ledger)
    assert conflicts == []
    assert links == {"bo": Link("bo", "ana", us("2026-02-01T00:00Z"), "", "l2")}


def test_two_survivors_contradict_each_other_and_neither_is_applied(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    2026-02-02T00:00Z  l2  cy       identity.linked  bo
    2026-02-03T00:00Z  l3  ana      identity.linked  bo
    2026-02-04T00:00Z  l4  ana      identity.linked  di
    """
    links, conflicts = accept(ledger)
    assert list(links) == ["di"], "whoever is in no conflict is linked"
    rule = "bo is linked to several survivors: ana and cy"
    assert [(conflict.fact, conflict.rule) for conflict in conflicts] == [("l1", rule), ("l2", rule), ("l3", rule)]


def test_a_circle_of_two_is_no_link(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    2026-02-02T00:00Z  l2  bo       identity.linked  ana
    """
    links, conflicts = accept(ledger)
    assert links == {}
    assert sorted((conflict.fact, conflict.rule) for conflict in conflicts) == [
        ("l1", "ana and bo are linked in a circle"),
        ("l2", "ana and bo are linked in a circle"),
    ]


def test_whoever_leads_into_a_circle_stays_linked(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    2026-02-02T00:00Z  l2  cy       identity.linked  ana
    2026-02-03T00:00Z  l3  bo       identity.linked  cy
    2026-02-04T00:00Z  l4  ana      identity.linked  di
    """
    links, conflicts = accept(ledger)
    assert list(links) == ["di"]
    assert {conflict.fact for conflict in conflicts} == {"l1", "l2", "l3"}
    assert unit_at(links, "di", FOREVER_US) == "ana"


def test_an_id_that_survives_itself_is_a_circle_of_one(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-01T00:00Z  l1  ana      identity.linked  ana
    """
    links, conflicts = accept(ledger)
    assert links == {}
    assert [conflict.fact for conflict in conflicts] == ["l1"]


def test_what_is_linked_to_a_refused_id_is_linked_no_further(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-01T00:00Z  l1  bo       identity.linked  cy
    2026-02-02T00:00Z  l2  ana      identity.linked  bo
    2026-02-03T00:00Z  l3  di       identity.linked  bo
    """
    links, _ = accept(ledger)
    assert [link.id for link in path(links, "cy", FOREVER_US)] == ["l1"]
    assert unit_at(links, "cy", FOREVER_US) == "bo"


def test_a_chain_in_order_of_time_leads_further_link_by_link(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-01T00:00Z  l1  bo       identity.linked  cy
    2026-03-01T00:00Z  l2  ana      identity.linked  bo
    """
    links, _ = accept(ledger)
    assert rows(links) == [
        ("ana", "ana", "ana", "-", "for ever", "-"),
        ("bo", "bo", "ana", "-", "2026-03-01T00:00Z", "-"),
        ("bo", "ana", "ana", "2026-03-01T00:00Z", "for ever", "l2"),
        ("cy", "cy", "ana", "-", "2026-02-01T00:00Z", "-"),
        ("cy", "bo", "ana", "2026-02-01T00:00Z", "2026-03-01T00:00Z", "l1"),
        ("cy", "ana", "ana", "2026-03-01T00:00Z", "for ever", "l2"),
    ]


def test_a_chain_against_the_order_of_time_is_walked_when_its_nearest_link_is_there(ledger: list[Fact]) -> None:
    """Cy becomes bo in March, when bo has long been ana: cy is ana at once, and never bo.

    at                 id  learner  type             object
    2026-03-01T00:00Z  l1  bo       identity.linked  cy
    2026-02-01T00:00Z  l2  ana      identity.linked  bo
    """
    links, _ = accept(ledger)
    assert [row for row in rows(links) if row[0] == "cy"] == [
        ("cy", "cy", "ana", "-", "2026-03-01T00:00Z", "-"),
        ("cy", "ana", "ana", "2026-03-01T00:00Z", "for ever", "l1"),
    ]


def test_a_chain_at_one_instant_is_one_step_proved_by_its_first_link(ledger: list[Fact]) -> None:
    """As bytes, Z comes before a.

    at                 source  id  learner  type             object
    2026-02-01T00:00Z  a       l1  bo       identity.linked  cy
    2026-02-01T00:00Z  Z       l2  ana      identity.linked  bo
    """
    links, _ = accept(ledger)
    at_us = us("2026-02-01T00:00Z")
    assert [link.id for link in path(links, "cy", at_us)] == ["l1", "l2"]
    assert beginning(links, "cy", at_us).id == "l2"
    assert [row for row in rows(links) if row[0] == "cy"] == [
        ("cy", "cy", "ana", "-", "2026-02-01T00:00Z", "-"),
        ("cy", "ana", "ana", "2026-02-01T00:00Z", "for ever", "l2"),
    ]


def test_several_may_be_given_up_for_one_survivor(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    2026-02-02T00:00Z  l2  ana      identity.linked  cy
    """
    links, conflicts = accept(ledger)
    assert conflicts == []
    assert {row.cluster for row in identities(links)} == {"ana"}


NAMES = st.sampled_from(("a", "b", "c", "d", "e"))
LEDGERS = st.lists(st.tuples(NAMES, NAMES, st.integers(0, 3)), max_size=8).map(
    lambda drawn: [
        Fact(id=str(n), type=LINKED, learner=survivor, object=given_up, at_us=at_us)
        for n, (survivor, given_up, at_us) in enumerate(drawn)
    ]
)


@given(LEDGERS)
def test_rows_say_what_a_walk_along_the_links_says(facts: list[Fact]) -> None:
    """Every link is in force or in conflict, the rows of each id tile all of time, and each begins by its link."""
    links, conflicts = accept(facts)
    assert {fact.object for fact in facts} == links.keys() | {
        fact.object for fact in facts if fact.id in {conflict.fact for conflict in conflicts}
    }
    by_learner: dict[str, list[tuple[int, int]]] = {}
    for row in identities(links):
        by_learner.setdefault(row.learner, []).append((row.from_us, row.to_us))
        inside = [at_us for at_us in range(-1, 5) if row.from_us <= at_us < row.to_us]
        assert {unit_at(links, row.learner, at_us) for at_us in inside} == {row.unit}
        assert row.cluster == unit_at(links, row.learner, FOREVER_US)
        assert (row.link.at_us if row.link else -1) == row.from_us
        assert (row.next_link.at_us if row.next_link else FOREVER_US) == row.to_us
    for tiles in by_learner.values():
        assert (tiles[0][0], tiles[-1][1]) == (-1, FOREVER_US)
        assert all(earlier[1] == later[0] for earlier, later in pairwise(tiles))


@given(LEDGERS, st.randoms(use_true_random=False))
def test_the_order_in_which_links_arrive_changes_nothing(facts: list[Fact], random: Random) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)
    (links, conflicts), (again, refused) = accept(facts), accept(shuffled)
    assert links == again
    assert sorted(conflicts) == sorted(refused)
