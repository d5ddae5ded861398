"""Rules and learn cycles: how they are declared, when their steps fall due, and what is decided then."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollbook.metering import reference
from rollbook.model.fact import LINKED, Fact
from rollbook.model.roster import Enrolment, Roster
from rollbook.model.subscription import Subscription
from rollbook.plans import published
from rollbook.roster.deciding import Deeds, Run, decide, deeds_of
from rollbook.roster.replaying import replay
from rollbook.roster.rules import Cycle, Rules, RulesError, Step, parse_rules, strangers
from rollbook.roster.view import roster_of
from tests.metering.written import at_midnight, us
from tests.roster.drawn import LEARNERS, ORGANISATIONS
from tests.roster.written import enrolment, record, roster

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))
UTC = ZoneInfo("UTC")
KEY = ("north", "ana", "Maths")


def cycle(*steps: Step, **changes: object) -> Rules:
    return Rules(cycles=(Cycle(name="c", steps=steps, **changes),))  # type: ignore[arg-type]


def run(rules: Rules, of: Enrolment, at: str, deeds: Deeds | None = None, zone: ZoneInfo = UTC) -> list[str]:
    """The types of the facts that a run decides for one enrolment."""
    return [it.type for it in decide(rules, roster(of), deeds or Deeds(), us(at), zone).facts]


ENABLE, DISABLE = Step(when="begins", do="enable"), Step(when="ends", do="disable")
ON, OFF = ["enrolment.enabled"], ["enrolment.disabled"]


def test_a_file_of_rules_and_cycles_is_read() -> None:
    text = """
    budget_learners_active = 25

    [[rule]]
    name = "Enable a week before"
    when = "begins"
    after_days = -7
    do = "enable"

    [[cycle]]
    name = "Short courses"
    courses = ["Maths"]
    organisations = ["north"]
    activity = "enrolment"

    [[cycle.steps]]
    when = "idle"
    days = 30
    do = "disable"

    [[cycle.steps]]
    when = "completes"
    after_days = 2
    do = "notify"
    """
    assert parse_rules(text) == Rules(
        budget_learners_active=25,
        cycles=(
            Cycle(name="Enable a week before", steps=(Step(when="begins", do="enable", after_days=-7),)),
            Cycle(
                name="Short courses",
                courses=("Maths",),
                organisations=("north",),
                activity="enrolment",
                steps=(Step(when="idle", do="disable", days=30), Step(when="completes", do="notify", after_days=2)),
            ),
        ),
    )


RULE = '[[rule]]\nname = "r"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RULE + 'wehn = "begins"\ndo = "enable"', "r.toml: rule[1].wehn: there is no key wehn here (nearest: when)"),
        (RULE + 'when = "begin"\ndo = "enable"', '"begin" (nearest: begins)'),
        (RULE + 'when = "idle"\ndo = "disable"', "days is missing"),
        (RULE + 'when = "ends"\ndays = 3\ndo = "disable"', 'days goes with when = "idle" only'),
        (RULE + 'when = "completes"\nafter_days = -1\ndo = "notify"', "a whole number from 0"),
        (RULE + 'when = "idle"\ndays = 3\ndo = "enable"', "would bill whoever has stopped learning"),
        (RULE + 'when = "begins"\ndo = "deactivate"', "all enrolments of a learner together"),
        (RULE + 'when = "begins"\ndo = "enable"\nactivity = "learner"', 'about when = "idle" only'),
        (2 * (RULE + 'when = "begins"\ndo = "enable"\n'), 'two rules or cycles are called "r"'),
        ('[[cycle]]\nname = "c"\n', "a cycle has 1 to 20 steps"),
        ("budget_learner = 3", "there is no key budget_learner here (nearest: budget_learners_active)"),
        ("", "there is neither a rule nor a cycle"),
        ("[[rule", "this is not TOML"),
    ],
)
def test_a_mistake_in_a_file_of_rules_is_told_with_its_place(text: str, says: str) -> None:
    with pytest.raises(RulesError) as raised:
        parse_rules(text, "r.toml")
    found = [f"{it.place}: {it.rule}" for it in raised.value.problems]
    assert any(says in it for it in found), found
    assert all(it.remedy for it in raised.value.problems)


def test_a_course_that_no_enrolment_has_is_advised_on() -> None:
    view = roster(enrolment("ana", "Maths"))
    found = strangers(cycle(ENABLE, courses=("Math",), organisations=("north",)), view)
    assert [it.rule for it in found] == ['no enrolment is of course "Math" (nearest: Maths)']


@pytest.mark.parametrize(
    ("at", "decided"),
    [
        ("2026-03-14T23:59Z", []),
        ("2026-03-15T00:00Z", ON),
        ("2026-03-31T23:59Z", ON),  # A run that was missed is caught up,
        ("2026-04-01T00:00Z", []),  # but not once it is over.
    ],
)
def test_an_enrolment_is_enabled_when_it_begins(at: str, decided: list[str]) -> None:
    """W-07. From 15 March to the last of it; never enabled before."""
    assert run(cycle(ENABLE, DISABLE), enrolment("ana", "Maths", "03-15 04-01"), at) == decided


def test_an_enrolment_is_disabled_when_it_ends_at_midnight_of_the_organisations_clock() -> None:
    """W-31. In Melbourne 1 April begins at 13:00 UTC of the 31st."""
    of = enrolment("ana", "Maths", "03-15 04-01", enabled=True, switched=True, since_us=us("2026-03-15T00:00Z"))
    melbourne = ZoneInfo("Australia/Melbourne")
    assert run(cycle(ENABLE, DISABLE), of, "2026-03-31T12:59Z", zone=melbourne) == []
    assert run(cycle(ENABLE, DISABLE), of, "2026-03-31T13:00Z", zone=melbourne) == OFF


def test_an_enrolment_that_ends_when_it_begins_or_before_is_never_enabled_for_nothing() -> None:
    """An empty span would count its month (W-12)."""
    for at in ("2026-03-15T00:00Z", "2026-03-16T00:00Z"):
        assert run(cycle(ENABLE, DISABLE), enrolment("ana", "Maths", "03-15 03-15"), at) == []
        assert run(cycle(DISABLE, ENABLE), enrolment("ana", "Maths", "03-15 03-15"), at) == []


def test_no_rule_enables_what_is_over() -> None:
    """The rule says nothing of the end: of two that began on 1 March, one is over since 10 March, the other is not."""
    over, running = enrolment("ana", "Maths", "03-01 03-10"), enrolment("ana", "Maths", "03-01 03-12")
    assert run(cycle(ENABLE), over, "2026-03-10T00:00Z") == []
    assert run(cycle(ENABLE), running, "2026-03-10T00:00Z") == ON
    assert run(cycle(ENABLE), over, "2026-03-09T00:00Z") == ON


def test_whoever_acts_by_hand_has_the_last_word_until_another_step_falls_due() -> None:
    rules = cycle(ENABLE, DISABLE)
    for at in ("2026-03-15T00:00Z", "2026-03-20T00:00Z"):
        by_hand = enrolment("ana", "Maths", "03-15 04-01", switched=True, since_us=us(at))
        assert run(rules, by_hand, "2026-03-21T00:00Z") == []
    again = enrolment("ana", "Maths", "03-15 04-01", switched=True, enabled=True, since_us=us("2026-03-25T00:00Z"))
    assert run(rules, again, "2026-03-31T00:00Z") == []
    assert run(rules, again, "2026-04-01T00:00Z") == OFF
    later = enrolment("ana", "Maths", "03-15 04-01", switched=True, enabled=True, since_us=us("2026-04-02T00:00Z"))
    assert run(rules, later, "2026-05-01T00:00Z") == []


def test_an_enrolment_that_is_first_met_after_its_start_is_still_enabled() -> None:
    """Nobody switched it: it is as it was created, on the 20th."""
    late = enrolment("ana", "Maths", "03-15 04-01", since_us=us("2026-03-20T00:00Z"))
    assert run(cycle(ENABLE, DISABLE), late, "2026-03-21T00:00Z") == ON


def test_dates_that_are_missing_or_in_no_calendar_decide_nothing() -> None:
    rules = cycle(ENABLE, DISABLE, Step(when="idle", do="disable", days=1))
    for of in (
        enrolment("ana", "Maths"),
        Enrolment(
            organisation="north", learner="ana", object="M", course="M", start=date(1, 1, 1), end=date(9999, 12, 31)
        ),
    ):
        assert run(rules, of, "2026-03-15T00:00Z") == []


@pytest.mark.parametrize(("activity", "last"), [("learner", "2026-03-10"), ("enrolment", "2026-03-05")])
def test_an_enrolment_that_lies_idle_is_disabled_after_so_many_whole_days(activity: str, last: str) -> None:
    """Ana read Maths on the 5th and Art on the 10th. 7 whole days after the 10th end at midnight of the 18th."""
    facts = [
        Fact(id="1", at_us=us("2026-03-05T15:00Z"), type="lesson.started", organisation="north", learner="ana", object="Maths"),
        Fact(id="2", at_us=us("2026-03-10T15:00Z"), type="login", organisation="north", learner="ana", object="Art"),
        Fact(id="3", at_us=us("2026-03-12T15:00Z"), type="login", organisation="north", learner="ana", impersonator="x"),
    ]  # fmt: skip
    of = enrolment("ana", "Maths", "02-01 -", enabled=True, switched=True, since_us=us("2026-02-01T00:00Z"))
    rules = cycle(Step(when="idle", do="disable", days=7), activity=activity)
    due_us = at_midnight(date.fromisoformat(last) + timedelta(days=8))
    deeds = deeds_of(facts, due_us)
    assert decide(rules, roster(of), deeds, due_us - 1, UTC).facts == ()
    assert [it.type for it in decide(rules, roster(of), deeds, due_us, UTC).facts] == OFF


def test_whoever_was_just_enabled_again_has_all_the_days_before_them() -> None:
    rules = cycle(Step(when="idle", do="disable", days=7))
    of = enrolment("ana", "Maths", "01-01 -", enabled=True, switched=True, since_us=us("2026-03-10T09:00Z"))
    assert run(rules, of, "2026-03-17T23:00Z") == []
    assert run(rules, of, "2026-03-18T00:00Z") == OFF


def test_what_has_been_enabled_for_an_unknown_time_without_any_deed_is_not_called_idle() -> None:
    """S-33: unknown, not never."""
    rules = cycle(Step(when="idle", do="disable", days=7))
    assert run(rules, enrolment("ana", "Maths", enabled=True, switched=True), "2029-01-01T00:00Z") == []


def test_an_enrolment_is_disabled_when_its_course_is_completed_and_not_by_what_was_completed_before_it() -> None:
    rules = cycle(Step(when="completes", do="disable", after_days=2))
    of = enrolment("ana", "Maths", "03-01 -", object="id-7", enabled=True, since_us=us("2026-03-01T00:00Z"))

    def completed(at: str) -> Deeds:
        fact = Fact(id="1", at_us=us(at), type="course.completed", organisation="north", learner="ana", object="Maths")
        return deeds_of([fact], us("2030-01-01T00:00Z"))

    assert run(rules, of, "2026-03-11T23:59Z", completed("2026-03-10T15:00Z")) == []
    assert run(rules, of, "2026-03-12T00:00Z", completed("2026-03-10T15:00Z")) == OFF
    assert run(rules, of, "2026-04-12T00:00Z", completed("2026-02-10T15:00Z")) == []
    at_once = cycle(Step(when="completes", do="disable"))
    assert run(at_once, of, "2026-03-10T15:00Z", completed("2026-03-10T15:00Z")) == OFF


def test_a_learner_is_set_inactive_when_the_last_of_all_their_enrolments_ends() -> None:
    """W-31, and W-29: by units where there are some. Maths ends on 1 April, Art on 1 May, and then there is no more."""
    rules = cycle(Step(when="ends", do="deactivate"), courses=("Maths",))
    maths, art = enrolment("ana", "Maths", "03-01 04-01"), enrolment("ana", "Art", "03-01 05-01")
    view, alone = roster(record("ana"), maths, art), roster(record("ana"), maths)

    def decided(of: Roster, at: str) -> list[str]:
        return [f"{it.type} {it.learner}" for it in decide(rules, of, Deeds(), us(at), UTC).facts]

    assert decided(alone, "2026-03-31T23:59Z") == []
    assert decided(alone, "2026-04-01T00:00Z") == ["account.disabled ana"]
    assert decided(view, "2026-04-30T23:59Z") == []
    assert decided(view, "2026-05-01T00:00Z") == ["account.disabled ana"]
    assert decided(roster(record("ana"), maths, enrolment("ana", "Art", "03-01 -")), "2027-01-01T00:00Z") == []
    assert decided(roster(record("ana"), art), "2027-01-01T00:00Z") == []
    by_hand = record("ana", since_us=us("2026-04-02T00:00Z"))
    assert decided(roster(by_hand, maths), "2026-05-01T00:00Z") == []
    assert decided(roster(record("ana", active=False), maths), "2026-05-01T00:00Z") == []
    assert decided(roster(maths), "2026-05-01T00:00Z") == []
    unit = enrolment("ana", "Maths", "03-01 03-15", unit="1")
    assert decided(roster(record("ana"), maths, unit), "2026-03-15T00:00Z") == ["account.disabled ana"]


def test_messages_are_told_once_and_none_is_told_of_the_time_before_the_rules() -> None:
    rules = cycle(Step(when="ends", do="notify", after_days=-3))
    view, days = roster(enrolment("ana", "Maths", "03-01 04-01")), [us(f"2026-03-{n}T06:00Z") for n in range(28, 31)]
    told = [decide(rules, view, Deeds(), at, UTC, previous_us=before) for before, at in pairwise(days)]
    assert [[it.due_us for it in found.notices] for found in told] == [[us("2026-03-29T00:00Z")], []]
    assert all(it.facts == () for it in told)
    assert decide(rules, view, Deeds(), days[2], UTC).notices == ()
    again = decide(rules, view, Deeds(), days[2], UTC, previous_us=days[0])
    assert again.notices == told[0].notices


def test_rules_act_as_the_system_and_say_which_of_them_did() -> None:
    [fact] = decide(
        cycle(ENABLE), roster(enrolment("ana", "Maths", "03-01 -")), Deeds(), us("2026-03-01T00:00Z"), UTC
    ).facts
    assert (fact.role, fact.actor, fact.attributes) == ("system", "c", '{"by": "cycle", "cycle": "c"}')
    view = roster_of([fact], fact.at_us + 1)
    assert view.enrolments[KEY].enabled
    plan = next(it for it in published() if it.id == "wisenet-elearning")
    term = Subscription(plan=plan, start=date(2026, 3, 1), end=date(2026, 4, 1), zone="UTC", organisations=("north",))
    assert [it.unit for it in reference.meter([fact], term, us("2026-04-01T00:00Z")).activations] == ["ana"]


DAYS = tuple(at_midnight(date(2026, 3, 1) + timedelta(days=n)) for n in range(12))
STEPS = (
    ENABLE,
    DISABLE,
    Step(when="begins", do="enable", after_days=-1),
    Step(when="ends", do="disable", after_days=1),
    Step(when="begins", do="disable", after_days=2),
    Step(when="ends", do="enable"),
    Step(when="idle", do="disable", days=2),
    Step(when="completes", do="disable"),
    Step(when="completes", do="disable", after_days=1),
    Step(when="ends", do="deactivate", after_days=1),
    Step(when="idle", do="deactivate", days=1),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Rules, list[Fact], list[int]]:
    """Rules, facts of statuses and deeds about few learners, and the instants at which the rules run."""
    cycles = [
        Cycle(
            name=f"c{n}",
            steps=tuple(draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=3))),
            activity=draw(st.sampled_from(("learner", "enrolment"))),
            courses=draw(st.sampled_from(((), ("A",)))),
        )
        for n in range(draw(st.integers(1, 2)))
    ]
    when = st.sampled_from(DAYS)
    facts = []
    for n in range(draw(st.integers(4, 14))):
        start, end = (draw(st.sampled_from(("", "2026-03-02", "2026-03-04", "2026-03-09"))) for _ in range(2))
        dated = (
            "{" + ", ".join(f'"{k}": "{v}"' for k, v in (("course", "A"), ("start", start), ("end", end)) if v) + "}"
        )
        type_ = draw(
            st.sampled_from(
                (
                    *("enrolment.created", "enrolment.changed") * 3,
                    *("enrolment.enabled", "enrolment.disabled", "enrolment.ended"),
                    *("login", "course.completed") * 2,
                    *("account.created", "account.created", "account.enabled", "account.deleted"),
                )
            )
        )
        facts.append(
            Fact(
                id=f"ü{n}",
                at_us=draw(when) + draw(st.sampled_from((0, 0, 3_600_000_000))),
                type=type_,
                organisation=draw(st.sampled_from(ORGANISATIONS[:1] * 4 + ORGANISATIONS)),
                learner=draw(st.sampled_from(LEARNERS[1:3])),
                object="" if type_.startswith("account.") else draw(st.sampled_from(("A", "B"))),
                attributes=dated if type_ in ("enrolment.created", "enrolment.changed") else "",
            )
        )
    if draw(st.integers(0, 2)) == 0:
        met = draw(st.sampled_from(facts))
        survivor, given_up = LEARNERS[1:3] if met.learner == LEARNERS[2] else LEARNERS[2:0:-1]
        late_us = draw(st.sampled_from((met.at_us, DAYS[-3], DAYS[-1])))
        facts.append(
            met.replace(id="link", type=LINKED, learner=survivor, object=given_up, at_us=late_us, attributes="")
        )
    runs = sorted(draw(st.sets(when, min_size=2, max_size=8)))
    return Rules(cycles=tuple(cycles)), facts, runs


def slowly(rules: Rules, facts: list[Fact], runs: list[int]) -> list[Fact]:
    """Every run looks at everything anew."""
    decided: list[Fact] = []
    for at_us in runs:
        known = [*facts, *decided]
        decided += decide(rules, roster_of(known, at_us), deeds_of(known, at_us), at_us, UTC).facts
    return decided


@relaxed
@given(histories())
def test_a_replay_decides_what_runs_that_look_at_everything_decide(
    history: tuple[Rules, list[Fact], list[int]],
) -> None:
    rules, facts, runs = history
    assert list(replay(rules, facts, runs, UTC)) == slowly(rules, facts, runs)


@relaxed
@given(histories())
def test_a_run_that_follows_at_once_decides_nothing_new(history: tuple[Rules, list[Fact], list[int]]) -> None:
    """Neither at the same instant, where it gives the same facts, nor at the next, where it gives none."""
    rules, facts, runs = history
    for at_us in runs:
        first = decide(rules, roster_of(facts, at_us), deeds_of(facts, at_us), at_us, UTC)
        assert first == decide(rules, roster_of(facts, at_us), deeds_of(facts, at_us), at_us, UTC)
        assert len({it.key for it in first.facts}) == len(first.facts)
        alone = [it for it in facts if it.at_us != at_us]
        known = [*alone, *first.facts]
        after = decide(rules, roster_of(known, at_us + 1), deeds_of(known, at_us + 1), at_us + 1, UTC)
        assert after == Run()


HARD = {
    "something decided": lambda rules, facts, runs: bool(slowly(rules, facts, runs)),
    "enabled and disabled": lambda rules, facts, runs: (
        {it.type for it in slowly(rules, facts, runs)} >= {"enrolment.enabled", "enrolment.disabled"}
    ),
    "set inactive": lambda rules, facts, runs: any(it.type == "account.disabled" for it in slowly(rules, facts, runs)),
    "a link after a deed": lambda _, facts, __: any(
        deed.type in ("login", "course.completed") and deed.learner == link.object and deed.at_us < link.at_us
        for deed in facts
        for link in facts
        if link.type == LINKED
    ),
    "a date that moves": lambda _, facts, __: any(it.type == "enrolment.changed" for it in facts),
    "something completed": lambda _, facts, __: any(it.type == "course.completed" for it in facts),
    "a run at the instant of a fact": lambda _, facts, runs: any(it.at_us in runs for it in facts),
    "an end that is not after the start": lambda _, facts, __: any(
        it.attributes.count("2026") == 2 and it.attributes[-13:-2] <= it.attributes[-36:-25] for it in facts
    ),
}


def test_the_histories_show_the_hard_cases_often() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(histories())
    def look(history: tuple[Rules, list[Fact], list[int]]) -> None:
        seen["all"] += 1
        seen.update(name for name, holds in HARD.items() if holds(*history))

    look()
    rare = {name: seen[name] for name in HARD if seen[name] < seen["all"] / 50}
    assert not rare, f"of {seen['all']} histories too few show {rare}"


def test_runs_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="rise"):
        replay(cycle(ENABLE), [], [2, 1], UTC)


@pytest.mark.parametrize("name", ['"a\\u0000b"', '"\\u001b[2J"', f'"{"x" * 201}"'])
def test_a_cycle_is_called_so_that_it_can_be_read_and_kept(name):
    with pytest.raises(RulesError) as error:
        parse_rules(f'[[rule]]\nname = {name}\nwhen = "ends"\ndo = "disable"\n')
    [problem] = error.value.problems
    assert problem.rule in ("name holds control characters", "name has more than 200 characters")
