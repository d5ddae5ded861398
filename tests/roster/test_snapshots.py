"""Any sequence of snapshots becomes status facts whose replay is the last snapshot."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollbook.metering import reference
from rollbook.model.fact import TYPES, Fact
from rollbook.model.groups import Group
from rollbook.model.roster import Enrolment, LearnerRecord, Roster, Snapshot
from rollbook.model.subscription import Subscription
from rollbook.plans import published
from rollbook.roster.snapshots import diff
from rollbook.roster.view import roster_of
from tests.roster.drawn import FIRST, INSTANTS, ORGANISATIONS, sequences

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))
Sequence = list[tuple[int, Snapshot]]
LATER = INSTANTS[-1] + 1
PLANS = {plan.id: plan for plan in published()}


def taken_in(sequence: Sequence) -> list[Fact]:
    """The facts of all these snapshots, each held against the view of the facts before it."""
    facts: list[Fact] = []
    for at_us, snapshot in sequence:
        facts += diff(roster_of(facts, at_us), snapshot, at_us)
    return facts


def bare(roster: Roster) -> tuple[dict[object, LearnerRecord], dict[object, Enrolment]]:
    """What a snapshot can say: no instants, and not who switched what."""
    return (
        {key: replace(it, since_us=None) for key, it in roster.learners.items()},
        {key: replace(it, since_us=None, switched=False) for key, it in roster.enrolments.items()},
    )


def expected(sequence: Sequence) -> tuple[dict[object, LearnerRecord], dict[object, Enrolment]]:
    """What is there after these snapshots, without any facts: each replaces what it tells of, and nothing else."""
    learners: dict[object, LearnerRecord] = {}
    enrolments: dict[object, Enrolment] = {}
    places: dict[object, tuple[Group, ...]] = {}
    for _, snapshot in sequence:
        told_learners, told_enrolments = bare(snapshot.roster)
        for key, record in told_learners.items():
            if not snapshot.says_active:
                stood = learners.get(key)
                told_learners[key] = replace(record, active=stood.active if stood else True)
            # Where somebody belongs outlives their account: who comes back is where they were, unless it says so.
            places[key] = record.groups if snapshot.says_groups else places.get(key, ())
            told_learners[key] = replace(told_learners[key], groups=places[key])
        for key, enrolment in told_enrolments.items():
            if not snapshot.says_enabled:
                before = enrolments.get(key)
                told_enrolments[key] = replace(enrolment, enabled=before.enabled if before else False)
        if snapshot.complete:
            learners = {key: it for key, it in learners.items() if it.organisation not in snapshot.organisations}
            enrolments = {key: it for key, it in enrolments.items() if it.organisation not in snapshot.organisations}
        learners |= told_learners
        enrolments |= told_enrolments
    return learners, enrolments


@relaxed
@given(sequences())
def test_the_replay_of_any_sequence_of_snapshots_is_the_last_snapshot(sequence: Sequence) -> None:
    assert bare(roster_of(taken_in(sequence), LATER)) == expected(sequence)


@relaxed
@given(sequences())
def test_a_snapshot_that_is_sent_twice_gives_the_same_facts_or_none(sequence: Sequence) -> None:
    facts = taken_in(sequence)
    for at_us, snapshot in sequence:
        assert set(diff(roster_of(facts, at_us), snapshot, at_us)) == {it for it in facts if it.at_us == at_us}
    if sequence:
        assert diff(roster_of(facts, LATER), sequence[-1][1], LATER) == ()
    assert len({it.key for it in facts}) == len(facts)
    assert {it.type for it in facts} <= set(TYPES)


@relaxed
@given(sequences(), st.randoms(use_true_random=False), st.sampled_from(INSTANTS))
def test_no_order_within_a_sync_and_no_later_sync_changes_what_was_before_it(
    sequence: Sequence, random: object, closed_us: int
) -> None:
    """The windows that are over at an instant are the same, whatever comes in afterwards in whatever order."""
    facts = taken_in(sequence)
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    early = [it for it in facts if it.at_us < closed_us]
    for name in ("wisenet-elearning", "wisenet-lrm"):
        start = FIRST.replace(month=1)
        term = Subscription(
            plan=PLANS[name], start=start, end=date(2027, 1, 1), zone="UTC", organisations=ORGANISATIONS
        )
        whole = reference.meter(facts, term, LATER)
        assert whole == reference.meter(shuffled, term, LATER)
        assert reference.meter(shuffled, term, closed_us).activations == reference.meter(early, term, LATER).activations
        ended = [it for it in whole.holdings if it.off_us is not None and it.off_us < closed_us]
        assert set(ended) <= set(reference.meter(early, term, closed_us).holdings)


def one(**changes: object) -> Enrolment:
    return Enrolment(**{"organisation": "north", "learner": "ana", "object": "A", "course": "A", **changes})  # type: ignore[arg-type]


def taken(*things: Enrolment | LearnerRecord, **changes: object) -> Snapshot:
    learners = {it.key: it for it in things if isinstance(it, LearnerRecord)}
    enrolments = {it.key: it for it in things if isinstance(it, Enrolment)}
    roster = Roster(learners=learners, enrolments=enrolments)
    return Snapshot(roster=roster, organisations=frozenset({"north"}), **changes)  # type: ignore[arg-type]


def test_what_the_first_snapshot_finds_has_been_so_for_an_unknown_time_and_what_comes_later_has_not() -> None:
    """S-33: ana's enrolment was enabled before anybody looked; bo's was, after the first look."""
    ana, bo = one(enabled=True), one(learner="bo", enabled=True)
    first, second, third = INSTANTS[:3]
    facts = taken_in([(first, taken(ana)), (second, taken(ana, bo)), (third, taken(one(), bo))])
    roster = roster_of(facts, third)
    assert roster.enrolments[ana.key].since_us is None
    assert roster.enrolments[bo.key].since_us == second
    assert roster.synced == {"north": second}
    assert roster_of(facts, LATER).enrolments[ana.key].since_us == third


def test_a_snapshot_of_nobody_ends_everything_and_whoever_comes_back_is_there_again() -> None:
    ana, record = one(enabled=True), LearnerRecord(organisation="north", learner="ana")
    facts = taken_in([(INSTANTS[0], taken(ana, record)), (INSTANTS[1], taken()), (INSTANTS[2], taken(ana, record))])
    assert [(it.at_us, it.type) for it in facts] == [
        (INSTANTS[0], "account.created"),
        (INSTANTS[0], "enrolment.created"),
        (INSTANTS[0], "enrolment.enabled"),
        (INSTANTS[1], "account.deleted"),
        (INSTANTS[1], "enrolment.ended"),
        (INSTANTS[2], "account.created"),
        (INSTANTS[2], "enrolment.created"),
        (INSTANTS[2], "enrolment.enabled"),
    ]


def test_in_a_partial_snapshot_nobody_is_missing() -> None:
    ana, bo = one(enabled=True), one(learner="bo")
    facts = taken_in([(INSTANTS[0], taken(ana)), (INSTANTS[1], taken(bo, complete=False))])
    assert roster_of(facts, LATER).enrolments[ana.key].enabled
    assert roster_of(facts, LATER).enrolments.keys() == {ana.key, bo.key}


def test_a_learner_who_is_found_inactive_costs_no_month() -> None:
    """Created and disabled at one instant would count (W-12); nobody was active here."""
    facts = taken_in([(INSTANTS[0], taken(LearnerRecord(organisation="north", learner="ana", active=False)))])
    plan = PLANS["wisenet-lrm"]
    term = Subscription(plan=plan, start=date(2026, 3, 1), end=date(2027, 3, 1), zone="UTC", organisations=("north",))
    assert reference.meter(facts, term, LATER).activations == []
    assert not roster_of(facts, LATER).learners["north", "ana"].active


def test_a_snapshot_that_does_not_say_who_is_enabled_leaves_it_and_a_new_enrolment_is_disabled() -> None:
    """W-05 for bo; ana stays enabled."""
    ana, bo = one(enabled=True), one(learner="bo", enabled=True)
    facts = taken_in([(INSTANTS[0], taken(ana)), (INSTANTS[1], taken(one(), bo, says_enabled=False))])
    found = roster_of(facts, LATER).enrolments
    assert (found[ana.key].enabled, found[bo.key].enabled) == (True, False)


def test_what_facts_without_an_object_enabled_ends_with_the_last_enrolment_of_its_learner() -> None:
    """An off without an object meets all enrolments: it may not be sent while another one stays."""
    wide = Fact(id="1", at_us=INSTANTS[0], type="enrolment.enabled", organisation="north", learner="ana")
    facts = [wide, *diff(roster_of([wide], INSTANTS[1]), taken(one(enabled=True)), INSTANTS[1])]
    assert roster_of(facts, LATER).enrolments.keys() == {("north", "ana", ""), ("north", "ana", "A")}
    facts += diff(roster_of(facts, INSTANTS[2]), taken(), INSTANTS[2])
    assert roster_of(facts, LATER).enrolments == {}


def test_ids_tell_nothing_of_a_learner() -> None:
    facts = taken_in([(INSTANTS[0], taken(one(learner="ana.maria@example.org", enabled=True)))])
    assert all(set(it.id) <= set("0123456789abcdef") for it in facts)


@pytest.mark.parametrize(
    "wrong", [one(organisation="süd"), one(learner=""), one(object=""), LearnerRecord(organisation="north", learner="")]
)
def test_a_snapshot_of_a_stranger_or_of_nobody_cannot_be_made(wrong: Enrolment | LearnerRecord) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        taken(wrong)


HARD = {
    "an empty snapshot after one that is not": lambda found: any(
        earlier.roster.enrolments and not later.roster.enrolments and later.complete
        for (_, earlier), (_, later) in pairwise(found)
    ),
    "the same snapshot twice running": lambda found: any(a[1] is b[1] for a, b in pairwise(found)),
    "somebody who comes back": lambda found: any(
        key in a[1].roster.enrolments and key not in b[1].roster.enrolments and key in c[1].roster.enrolments
        for a, b, c in zip(found, found[1:], found[2:], strict=False)
        for key in a[1].roster.enrolments
    ),
    "a partial one": lambda found: any(not it.complete for _, it in found),
    "one that says no statuses": lambda found: any(not it.says_enabled for _, it in found),
    "an id that is not ASCII": lambda found: any(
        not "".join(key).isascii() for _, it in found for key in it.roster.enrolments
    ),
    "somebody who moves to another group": lambda found: any(
        key in b[1].roster.learners and b[1].says_groups and b[1].roster.learners[key].groups != it.groups
        for a, b in pairwise(found)
        if a[1].says_groups
        for key, it in a[1].roster.learners.items()
    ),
    "one without groups after one with": lambda found: any(
        a[1].says_groups and not b[1].says_groups and a[1].roster.learners.keys() & b[1].roster.learners.keys()
        for a, b in pairwise(found)
    ),
    "a date that is missing": lambda found: any(
        e.start is None or e.end is None for _, it in found for e in it.roster.enrolments.values()
    ),
    "an end before the start": lambda found: any(
        e.start and e.end and e.end < e.start for _, it in found for e in it.roster.enrolments.values()
    ),
}


def test_the_sequences_show_the_hard_cases_often() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(sequences())
    def look(sequence: Sequence) -> None:
        seen["all"] += 1
        seen.update(name for name, holds in HARD.items() if holds(sequence))

    look()
    rare = {name: seen[name] for name in HARD if seen[name] < seen["all"] / 100}
    assert not rare, f"of {seen['all']} sequences too few show {rare}"
