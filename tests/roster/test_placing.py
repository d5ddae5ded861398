"""In which groups learners are, and since when: the history says at every instant what the roster says."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollbook.model.fact import Fact
from rollbook.model.groups import Group
from rollbook.roster.placing import lines, placed
from rollbook.roster.view import linked, roster_of, standing
from tests.metering.written import facts as written
from tests.metering.written import us
from tests.roster.drawn import INSTANTS, ledgers

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))
LATER = us("2026-04-01T00:00Z")


def telling(text: str, *groups: list[str] | None) -> list[Fact]:
    """The facts of a table, each telling these groups; None tells none."""
    return [
        fact.replace(attributes="" if told is None else json.dumps({"groups": told}))
        for fact, told in zip(written(text), groups, strict=True)
    ]


def history(facts: list[Fact], learner: str) -> list[tuple[int, tuple[Group, ...]]]:
    past = standing(facts, LATER)
    return list(lines(past, linked(past)).get(("", learner), []))


@relaxed
@given(ledgers(), st.sampled_from((*INSTANTS, INSTANTS[-1] + 1)))
def test_the_history_says_at_every_instant_what_the_roster_says(facts: list[Fact], as_of_us: int) -> None:
    past = standing(facts, as_of_us)
    found = lines(past, linked(past))
    for key, record in roster_of(facts, as_of_us).learners.items():
        assert placed(found.get(key, ()), as_of_us - 1) == record.groups


def test_groups_hold_until_others_are_told_and_before_the_first_telling_too() -> None:
    facts = telling(
        """
        at                 id  learner  type
        2026-03-02T00:00Z  e1  ana      account.created
        2026-03-03T00:00Z  e2  ana      account.deleted
        2026-03-04T00:00Z  e3  ana      account.created
        2026-03-05T00:00Z  e4  ana      account.changed
        """,
        ["Sales / North"],
        ["Ops"],  # nobody asks a deletion
        None,
        ["Ops"],
    )
    line = history(facts, "ana")
    assert line == [
        (us("2026-03-02T00:00Z"), (("Sales", "North"),)),
        (us("2026-03-05T00:00Z"), (("Ops",),)),
    ]
    assert placed(line, us("2026-01-01T00:00Z")) == (("Sales", "North"),)
    assert placed(line, us("2026-03-04T23:00Z")) == (("Sales", "North"),)
    assert placed(line, us("2026-03-05T00:00Z")) == (("Ops",),)
    assert placed((), us("2026-03-05T00:00Z")) == ()
    assert roster_of(facts, LATER).learners["", "ana"].groups == (("Ops",),)


def test_of_two_tellings_at_one_instant_the_last_by_id_holds() -> None:
    facts = telling(
        """
        at                 id  learner  type
        2026-03-02T00:00Z  e2  ana      account.changed
        2026-03-02T00:00Z  e1  ana      account.created
        """,
        ["Ops"],
        ["Sales"],
    )
    assert history(facts, "ana") == [(us("2026-03-02T00:00Z"), (("Ops",),))]


def test_a_link_brings_the_groups_along_unless_the_survivor_was_told_to_be_somewhere() -> None:
    """On the 3rd anna becomes ana, of whom nobody told a group; on the 4th bob becomes ana, who is in Sales by then."""
    facts = telling(
        """
        at                 id  learner  type             object
        2026-03-01T00:00Z  e1  anna     account.created  -
        2026-03-01T00:00Z  e2  bob      account.created  -
        2026-03-03T00:00Z  e3  ana      identity.linked  anna
        2026-03-04T00:00Z  e4  ana      identity.linked  bob
        2026-03-05T00:00Z  e5  bob      account.changed  -
        """,
        ["Sales"],
        ["Ops"],
        None,
        None,
        ["HR"],
    )
    assert history(facts, "ana") == [
        (us("2026-03-03T00:00Z"), (("Sales",),)),
        (us("2026-03-05T00:00Z"), (("HR",),)),
    ]
    assert roster_of(facts, LATER).learners["", "ana"].groups == (("HR",),)
    assert ("", "anna") not in roster_of(facts, LATER).learners


def test_what_is_voided_told_nothing_and_an_account_that_is_only_described_is_not_there() -> None:
    facts = telling(
        """
        at                 id  learner  type             voids
        2026-03-01T00:00Z  e1  ana      account.changed  -
        2026-03-02T00:00Z  e2  ana      account.changed  -
        2026-03-09T00:00Z  e3  -        fact.voided      e2
        """,
        ["Sales"],
        ["Ops"],
        None,
    )
    assert history(facts, "ana") == [(us("2026-03-01T00:00Z"), (("Sales",),))]
    assert roster_of(facts, LATER).learners == {}


def test_a_teacher_is_in_no_group_of_learners() -> None:
    [fact] = telling(
        """
        at                 id  learner  type             role
        2026-03-01T00:00Z  e1  tom      account.created  instructor
        """,
        ["Sales"],
    )
    assert history([fact], "tom") == []
