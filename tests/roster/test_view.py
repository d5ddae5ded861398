"""The roster says of everybody what metering says of them."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollbook.metering import reference
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.plan import Exemption, Meter, State, WindowRule
from rollbook.model.roster import Enrolment, LearnerRecord, object_of
from rollbook.model.subscription import Subscription
from rollbook.plans import published
from rollbook.roster.view import OFF, ON, roster_of
from tests.metering.ledgers import plan
from tests.metering.written import facts as written
from tests.metering.written import us
from tests.roster.drawn import INSTANTS, ORGANISATIONS, ledgers

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))
PLANS = {plan.id: plan for plan in published()}
AS_OF = (*INSTANTS, INSTANTS[-1] + 1)


def wisenet(name: str) -> Meter:
    """The meter of a published plan."""
    return PLANS[name].meter


def subscribed(meter: Meter) -> Subscription:
    return Subscription(
        plan=plan(meter, WindowRule(kind="term")),
        start=date(2026, 1, 1),
        end=date(2027, 1, 1),
        zone="UTC",
        organisations=ORGANISATIONS,
    )


def open_spans(facts: list[Fact], meter: Meter, as_of_us: int) -> set[tuple[str, str, str]]:
    """(organisation, unit, object) of every span that is open, as metering has it."""
    outcome = reference.meter(facts, subscribed(meter), as_of_us)
    return {(it.organisation, it.unit, it.object) for it in outcome.holdings if it.off_us is None}


@relaxed
@given(ledgers(), st.sampled_from(AS_OF))
def test_whoever_is_enabled_has_an_open_span_of_the_elearning_plan_and_nobody_else(
    facts: list[Fact], as_of_us: int
) -> None:
    enabled = {key for key, it in roster_of(facts, as_of_us).enrolments.items() if it.enabled}
    by_learner = wisenet("wisenet-elearning")
    assert {(*key[:2], "") for key in enabled} == open_spans(facts, by_learner, as_of_us)
    state = State(on=("enrolment.enabled",), off=("enrolment.disabled", "enrolment.ended"))
    each = Meter(holds=state, unit="enrolment", exempt=by_learner.exempt)
    assert enabled == open_spans(facts, each, as_of_us)


@relaxed
@given(ledgers(), st.sampled_from(AS_OF))
def test_whoever_is_active_has_an_open_span_of_the_lrm_plan_and_nobody_else(facts: list[Fact], as_of_us: int) -> None:
    active = {(*key, "") for key, it in roster_of(facts, as_of_us).learners.items() if it.active}
    assert active == open_spans(facts, wisenet("wisenet-lrm"), as_of_us)


@relaxed
@given(ledgers(), st.randoms(use_true_random=False), st.sampled_from(AS_OF))
def test_the_order_of_delivery_changes_nothing(facts: list[Fact], random: object, as_of_us: int) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert roster_of(facts, as_of_us) == roster_of(shuffled, as_of_us)


def test_the_types_that_switch_are_those_of_the_published_plans() -> None:
    for kind, name in (("account", "wisenet-lrm"), ("enrolment", "wisenet-elearning")):
        holds = wisenet(name).holds
        assert holds is not None
        assert {type_ for type_, of in ON.items() if of == kind} == set(holds.on)
        assert {type_ for type_, of in OFF.items() if of == kind} == set(holds.off)
        assert Exemption("learner") not in wisenet(name).exempt


def test_an_enrolment_has_the_dates_that_were_told_last_and_is_disabled_until_enabled() -> None:
    """Made on the 1st, moved on the 2nd, enabled on the 3rd: on the 2nd it is off since the 1st (W-05, W-14)."""
    made = '{"course": "Maths", "unit": "1", "start": "2026-04-01", "end": "2026-05-01"}'
    moved = '{"course": "Maths", "unit": "1", "start": "2026-04-08"}'
    facts = written(
        """
        at                 id  learner  type                object
        2026-03-01T00:00Z  e1  ana      enrolment.created   Maths|1
        2026-03-02T00:00Z  e2  ana      enrolment.changed   Maths|1
        2026-03-03T00:00Z  e3  ana      enrolment.enabled   Maths|1
        """
    )
    facts = [facts[0].replace(attributes=made), facts[1].replace(attributes=moved), facts[2]]
    key = ("", "ana", "Maths|1")
    on_the_2nd = roster_of(facts, us("2026-03-02T00:00Z")).enrolments[key]
    assert (on_the_2nd.start, on_the_2nd.end) == (date(2026, 4, 1), date(2026, 5, 1))
    assert (on_the_2nd.enabled, on_the_2nd.since_us, on_the_2nd.switched) == (False, us("2026-03-01T00:00Z"), False)
    assert roster_of(facts, us("2026-03-04T00:00Z")).enrolments[key] == Enrolment(
        organisation="",
        learner="ana",
        object="Maths|1",
        course="Maths",
        unit="1",
        start=date(2026, 4, 8),
        end=None,
        enabled=True,
        since_us=us("2026-03-03T00:00Z"),
        switched=True,
    )


def test_an_off_without_an_object_meets_what_is_switched_on_at_that_very_instant() -> None:
    """Maths stays as it was, off; Art was on and is off."""
    facts = written(
        """
        at                 id  learner  type                 object
        2026-03-01T00:00Z  e1  ana      enrolment.enabled    Art
        2026-03-02T00:00Z  e2  ana      enrolment.enabled    Maths
        2026-03-02T00:00Z  e3  ana      enrolment.disabled   -
        """
    )
    found = roster_of(facts, us("2026-03-03T00:00Z")).enrolments
    assert {key[2]: it.enabled for key, it in found.items()} == {"Art": False, "Maths": False}


def test_facts_at_the_instant_asked_for_are_not_yet_in_the_roster() -> None:
    facts = written(
        """
        at                 id  learner  type
        2026-03-01T00:00Z  e1  ana      account.created
        """
    )
    assert roster_of(facts, us("2026-03-01T00:00Z")).learners == {}
    created = LearnerRecord(organisation="", learner="ana", active=True, since_us=us("2026-03-01T00:00Z"))
    assert roster_of(facts, us("2026-03-01T00:01Z")).learners == {("", "ana"): created}


def test_a_profile_set_inactive_leaves_enrolments_as_they_are() -> None:
    """Two meters in one page: Is Active? is one, the elearning enrolment is another."""
    facts = written(
        """
        at                 id  learner  type                object
        2026-03-01T00:00Z  e1  ana      account.created     -
        2026-03-01T00:00Z  e2  ana      enrolment.enabled   Maths
        2026-03-02T00:00Z  e3  ana      account.disabled    -
        """
    )
    roster = roster_of(facts, us("2026-03-03T00:00Z"))
    assert not roster.learners["", "ana"].active
    assert roster.enrolments["", "ana", "Maths"].enabled


@pytest.mark.parametrize(
    "attributes",
    [
        '{"course": "\\ud800", "start": "2026-13-01"}',
        '{"course": "\\u0000", "end": {"a": 1}}',
        '{"course": 7, "start": 20260301, "end": "yesterday"}',
        '{"course": "' + 10 * "[" + '"',
        "[" * 4000,
        "{" + '"a":{' * 2000,
        '{"start": ' + "9" * 4000 + "}",
        "null",
    ],
)
def test_attributes_that_make_no_sense_tell_nothing(attributes: str) -> None:
    [fact] = written(
        """
        at                 id  learner  type                object
        2026-03-01T00:00Z  e1  ana      enrolment.created   Maths
        """
    )
    [found] = roster_of([fact.replace(attributes=attributes)], us("2026-03-02T00:00Z")).enrolments.values()
    assert (found.course in {"Maths", ""}, found.start, found.end) == (True, None, None)
    found.course.encode()


def test_two_names_never_make_one_object() -> None:
    pairs = [("a|b", ""), ("a", "b"), ("a\\", "b"), ("a\\|b", ""), ("a", "|b"), ("a|", "b"), ("a", "\\b"), ("a", "")]
    assert len({object_of(*pair) for pair in pairs}) == len(pairs)
    assert object_of("AAA-2013J") == "AAA-2013J"


HARD = {
    "several facts at one instant": lambda facts: len({it.at_us for it in facts}) < len(facts),
    "on and off of one slot at one instant": lambda facts: any(
        (a.organisation, a.learner, a.object, a.at_us) == (b.organisation, b.learner, b.object, b.at_us)
        for a in facts
        if a.type in ON
        for b in facts
        if b.type in OFF and ON[a.type] == OFF[b.type]
    ),
    "an off without an object": lambda facts: any(it.type in OFF and not it.object for it in facts),
    "an off without an object as something is switched on": lambda facts: any(
        on.type in ON
        and off.type in OFF
        and ON[on.type] == OFF[off.type]
        and on.object
        and not off.object
        and (on.organisation, on.learner, on.at_us) == (off.organisation, off.learner, off.at_us)
        for on in facts
        for off in facts
    ),
    "the same status twice": lambda facts: (
        len({(it.at_us, it.type, it.learner, it.object) for it in facts}) < len(facts)
    ),
    "ended and there again": lambda facts: any(
        a.type == "enrolment.ended" and b.type == "enrolment.enabled" and b.at_us > a.at_us and a.learner == b.learner
        for a in facts
        for b in facts
    ),
    "a link between two who are there": lambda facts: any(
        {it.learner, it.object} <= {other.learner for other in facts if other.type != LINKED}
        for it in facts
        if it.type == LINKED
    ),
    "a void": lambda facts: any(it.type == VOIDED for it in facts),
    "a teacher": lambda facts: any(it.role == "facilitator" for it in facts),
    "an id that is not ASCII": lambda facts: any(not it.id.isascii() for it in facts),
}


def test_the_ledgers_show_the_hard_cases_often() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(ledgers())
    def look(facts: list[Fact]) -> None:
        seen["all"] += 1
        seen.update(name for name, holds in HARD.items() if holds(facts))

    look()
    rare = {name: seen[name] for name in HARD if seen[name] < seen["all"] / 50}
    assert not rare, f"of {seen['all']} ledgers too few show {rare}"
