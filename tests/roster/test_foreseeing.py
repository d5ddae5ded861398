"""What a change will count and cost is seen before it is done, and a rule gone wrong is stopped by its budget."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rollbook
from rollbook.metering import reference
from rollbook.model.fact import Fact
from rollbook.model.money import Money
from rollbook.model.roster import Snapshot
from rollbook.model.subscription import Subscription
from rollbook.roster.budget import newly_active, within_budget
from rollbook.roster.changes import of_course, set_enabled
from rollbook.roster.deciding import decide, deeds_of
from rollbook.roster.rules import parse_rules
from rollbook.roster.snapshots import diff
from rollbook.roster.view import roster_of
from tests.metering.written import at_midnight, us
from tests.roster.drawn import INSTANTS, ORGANISATIONS, ledgers
from tests.roster.written import enrolment, roster

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))
NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
NOW_US = us("2026-03-10T09:00Z")
PRICES = """
plan = "wisenet-elearning"
start = 2026-01-01
end = 2026-05-01
zone = "UTC"
organisations = ["north", "süd"]
quantity = 4

[tariff]
currency = "AUD"

[tariff.base]
rate = 2.50
charged = "committed"
timing = "arrears"

[tariff.overage]
rate = 3.00
"""


def subscription(text: str = PRICES) -> Subscription:
    return rollbook.parse_subscription(text, rollbook.find_plan)


def class_of(size: int) -> list[Fact]:
    """So many learners of one course, imported on 1 March; every third was enabled then, in the order of their ids."""
    everybody = [
        enrolment(f"learner-{n:02}", "Maths", "04-01 06-01", enabled=n % 3 == 0, object=f"ü-{n}") for n in range(size)
    ]
    taken = Snapshot(roster=roster(*everybody), organisations=frozenset({"north"}))
    return list(diff(roster(), taken, at_midnight(date(2026, 3, 1))))


def test_enabling_a_course_is_seen_in_this_month_and_the_next_by_class_allowance_and_money() -> None:
    """W-07, W-24. Nine learners, three of them enabled; four are bought at 2.50, each beyond costs 3.00.

    Now, March: three new ones, 4 x 2.50 = 10.00. April: the three continue. With the other six: March nine new ones,
    five of them beyond: 10.00 + 15.00; April nine who continue, and the same money.
    """
    facts = class_of(9)
    view = roster_of(facts, NOW_US)
    more = set_enabled(view, of_course(view, "north", "Maths"), NOW_US, enabled=True).facts
    assert len(more) == 6
    march, april = rollbook.foresee(facts, more, subscription(), as_of=NOW)
    assert [it.window.start.date() for it in (march, april)] == [date(2026, 3, 1), date(2026, 4, 1)]
    shown = [
        (it.new, it.continuing, it.reactivated, it.allowance, it.overage, str(it.total))
        for it in (march.before, march.after, april.before, april.after)
    ]
    assert shown == [
        (3, 0, 0, 4, 0, "10.00 AUD"),
        (9, 0, 0, 4, 5, "25.00 AUD"),
        (0, 3, 0, 4, 0, "10.00 AUD"),
        (0, 9, 0, 4, 5, "25.00 AUD"),
    ]
    assert (march.more_active, april.more_active) == (6, 6)
    assert march.more_money == Money(Decimal("15.00"), "AUD")


def test_disabling_saves_the_next_month_and_not_this_one() -> None:
    """W-j. All three who are enabled go; March has them, April has nobody."""
    facts = class_of(9)
    view = roster_of(facts, NOW_US)
    more = set_enabled(view, of_course(view, "north", "Maths"), NOW_US, enabled=False).facts
    march, april = rollbook.foresee(facts, more, subscription(), as_of=NOW)
    assert (march.more_active, april.more_active) == (0, -3)
    assert april.more_money == Money(Decimal("0.00"), "AUD")


def test_without_prices_there_are_counts_and_no_money() -> None:
    facts = class_of(3)
    view = roster_of(facts, NOW_US)
    more = set_enabled(view, of_course(view, "north", "Maths"), NOW_US, enabled=True).facts
    march, _ = rollbook.foresee(facts, more, subscription(PRICES.partition("[tariff]")[0]), as_of=NOW)
    assert march.more_active == 2
    assert march.after.total is march.more_money is None


def test_nothing_to_come_changes_nothing_and_after_the_term_there_is_nothing_to_see() -> None:
    facts = class_of(3)
    assert [it.more_active for it in rollbook.foresee(iter(facts), (), subscription(), as_of=NOW)] == [0, 0]
    last = rollbook.foresee(facts, (), subscription(), as_of=datetime(2026, 4, 30, tzinfo=UTC))
    assert [it.window.number for it in last] == [4]
    assert rollbook.foresee(facts, (), subscription(), as_of=datetime(2026, 5, 1, tzinfo=UTC)) == ()


def test_facts_that_are_there_already_change_nothing() -> None:
    facts = class_of(9)
    march, april = rollbook.foresee(facts, facts, subscription(), as_of=NOW)
    assert march.before == march.after
    assert april.before == april.after


@pytest.mark.parametrize(
    "call", [rollbook.roster_at, lambda facts, as_of: rollbook.foresee(facts, (), subscription(), as_of=as_of)]
)
def test_an_instant_needs_its_offset(call: object) -> None:
    with pytest.raises(rollbook.UsageError, match="no offset"):
        call(class_of(1), as_of=datetime(2026, 3, 10))  # type: ignore[operator]  # noqa: DTZ001


def test_the_roster_is_read_from_facts_of_any_kind_up_to_an_instant() -> None:
    facts = [*class_of(3), Fact(id="1", at_us=NOW_US, type="login", organisation="north", learner="learner-00")]
    assert rollbook.roster_at(facts, as_of=NOW) == roster_of(facts, NOW_US)
    assert rollbook.roster_at(facts, as_of=datetime(2026, 3, 1, tzinfo=UTC)).enrolments == {}
    assert len(rollbook.roster_at(facts).enrolments) == 3


WRONG = """
budget_learners_active = 5

[[rule]]
name = "Enable everybody"
when = "begins"
after_days = -100
do = "enable"
"""


def test_a_rule_gone_wrong_that_enables_everybody_is_stopped_by_its_budget_and_nothing_changes() -> None:
    """A hundred days too early: of nine six would become active, and five may."""
    facts, rules = class_of(9), parse_rules(WRONG)
    run = decide(rules, roster_of(facts, NOW_US), deeds_of(facts, NOW_US), NOW_US, ZoneInfo("UTC"))
    assert len(run.facts) == 6
    found = within_budget(rules.budget_learners_active, facts, run.facts, subscription())
    assert found.stopped
    assert len(found.newly) == 6
    assert found.decided.facts == ()
    [problem] = found.decided.problems
    assert str(problem) == (
        "rules.toml: budget_learners_active: this run would make 6 learners newly active, and its budget is 5: nothing "
        "was changed; see whom it concerns; then correct the rule, raise budget_learners_active, or agree to this run"
    )
    march, april = rollbook.foresee(facts, found.decided.facts, subscription(), as_of=NOW)
    assert march.more_active == april.more_active == 0


def test_a_run_within_its_budget_or_agreed_to_is_done_whole() -> None:
    facts, rules = class_of(9), parse_rules(WRONG)
    run = decide(rules, roster_of(facts, NOW_US), deeds_of(facts, NOW_US), NOW_US, ZoneInfo("UTC"))
    for budget, agreed in ((6, False), (0, True)):
        found = within_budget(budget, facts, run.facts, subscription(), agreed=agreed)
        assert not found.stopped
        assert found.decided.facts == run.facts


def test_rules_that_state_no_budget_may_make_nobody_active() -> None:
    facts = class_of(2)
    rules = parse_rules(WRONG.replace("budget_learners_active = 5", ""))
    run = decide(rules, roster_of(facts, NOW_US), deeds_of(facts, NOW_US), NOW_US, ZoneInfo("UTC"))
    assert within_budget(rules.budget_learners_active, facts, run.facts, subscription()).stopped


def test_whoever_counts_this_month_already_and_would_count_next_month_too_is_newly_active() -> None:
    """Learner 0 was enabled on the 1st and disabled on the 5th: on again now adds nothing to March, and one to April."""
    facts = class_of(1)
    off_us, key = us("2026-03-05T00:00Z"), ("north", "learner-00", "ü-0")
    facts += set_enabled(roster_of(facts, off_us), [key], off_us, enabled=False).facts
    more = set_enabled(roster_of(facts, NOW_US), [key], NOW_US, enabled=True).facts
    assert newly_active(facts, more, subscription()) == {("north", "learner-00", "")}
    march, april = rollbook.foresee(facts, more, subscription(), as_of=NOW)
    assert (march.more_active, april.more_active) == (0, 1)


def test_a_second_enrolment_makes_nobody_newly_active() -> None:
    """W-09: the record is counted once."""
    facts = class_of(1)
    taken = Snapshot(
        roster=roster(enrolment("learner-00", "Art", object="a")), organisations=frozenset({"north"}), complete=False
    )
    facts += diff(roster_of(facts, NOW_US - 1), taken, NOW_US - 1)
    more = set_enabled(
        roster_of(facts, NOW_US), of_course(roster_of(facts, NOW_US), "north", "Art"), NOW_US, enabled=True
    )
    assert len(more.facts) == 1
    assert newly_active(facts, more.facts, subscription()) == frozenset()


@relaxed
@given(ledgers(), st.sampled_from(INSTANTS), st.sampled_from(("organisation", "customer")))
def test_who_is_newly_active_is_what_metering_everything_twice_says(facts: list[Fact], at_us: int, dedupe: str) -> None:
    to = subscription()
    to = replace(to, plan=replace(to.plan, meter=replace(to.plan.meter, dedupe=dedupe)))
    view = roster_of(facts, at_us)
    more = set_enabled(view, view.enrolments, at_us, enabled=True).facts
    across = dedupe == "customer"

    def counted(found: list[Fact]) -> set[tuple[int, str, str]]:
        outcome = reference.meter(found, to, us("2026-04-01T00:00Z") + 1)
        return {(it.window, "" if across else it.organisation, it.unit) for it in outcome.activations if it.window > 2}

    expected = {(organisation, unit, "") for _, organisation, unit in counted([*facts, *more]) - counted(facts)}
    assert newly_active(facts, more, to) == expected
    assert set(to.organisations or ()) == set(ORGANISATIONS)
