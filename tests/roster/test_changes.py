"""Actions on a roster: what each would do, and what stands in its way."""

from __future__ import annotations

from datetime import date

import pytest

from rollbook.metering import reference
from rollbook.model.fact import Fact
from rollbook.model.subscription import Subscription
from rollbook.plans import published
from rollbook.roster import changes
from rollbook.roster.changes import Row, from_rows
from rollbook.roster.statuses import Author
from rollbook.roster.view import roster_of
from tests.metering.written import us
from tests.roster.written import enrolment, record, roster

NOW = us("2026-03-10T09:00Z")
VIEW = roster(
    record("ana"),
    record("bo", active=False),
    enrolment("ana", "Maths", enabled=True),
    enrolment("ana", "Maths", unit="1"),
    enrolment("bo", "Maths"),
    enrolment("bo", "Art", enabled=True),
    enrolment("cy", "Art"),
    enrolment("ana", "Maths", organisation="süd", enabled=True),
)
PLANS = {plan.id: plan for plan in published()}


def done(facts: tuple[Fact, ...]) -> list[tuple[str, str, str]]:
    return [(it.type, it.learner, it.object) for it in facts]


def test_a_disabled_enrolment_can_be_enabled_and_an_enabled_one_disabled_and_nothing_else() -> None:
    """W-13, W-15: there is no third thing to do with it."""
    assert changes.options(VIEW, ("north", "bo", "Maths")) == ("enable",)
    assert changes.options(VIEW, ("north", "ana", "Maths")) == ("disable",)


def test_an_enrolment_is_enabled_and_disabled_by_hand() -> None:
    """W-06, and back."""
    enabled = changes.set_enabled(VIEW, [("north", "bo", "Maths")], NOW, Author(actor="office"), enabled=True)
    [fact] = enabled.facts
    assert (fact.type, fact.at_us, fact.actor, fact.role) == ("enrolment.enabled", NOW, "office", "learner")
    assert roster_of(enabled.facts, NOW + 1).enrolments["north", "bo", "Maths"].enabled
    disabled = changes.set_enabled(VIEW, [("north", "ana", "Maths")], NOW, enabled=False)
    assert done(disabled.facts) == [("enrolment.disabled", "ana", "Maths")]
    assert enabled.problems == disabled.problems == ()


def test_what_holds_already_gives_no_facts_and_says_so() -> None:
    found = changes.set_enabled(VIEW, [("north", "ana", "Maths")], NOW, enabled=True)
    assert found.facts == ()
    assert [str(it) for it in found.problems] == ["enrolment 1: it is enabled already; nothing to do"]


def test_a_profile_is_set_inactive_and_active_again_and_its_enrolments_stay() -> None:
    """W-25: ana's enrolment at north stays enabled; it is another meter's."""
    found = changes.set_active(VIEW, [("north", "ana"), ("north", "bo")], NOW, active=False)
    assert done(found.facts) == [("account.disabled", "ana", "")]
    assert [str(it) for it in found.problems] == ["learner 2: the learner is inactive already; nothing to do"]
    assert done(changes.set_active(VIEW, [("north", "bo")], NOW, active=True).facts) == [("account.enabled", "bo", "")]


def test_a_learner_who_is_known_by_enrolments_alone_can_be_set_inactive() -> None:
    assert done(changes.set_active(VIEW, [("north", "cy")], NOW, active=False).facts) == [
        ("account.disabled", "cy", "")
    ]


def test_everybody_enrolled_in_one_course_of_one_organisation_is_set_inactive() -> None:
    """W-26: ana by the course and its unit, once; bo is inactive already; ana at süd is another record."""
    found = changes.set_course_inactive(VIEW, "north", "Maths", NOW)
    assert done(found.facts) == [("account.disabled", "ana", "")]
    assert found.facts[0].organisation == "north"
    assert len(found.problems) == 1
    [unknown] = changes.set_course_inactive(VIEW, "north", "Math", NOW).problems
    assert str(unknown) == (
        'north: nobody is enrolled in "Math" (nearest: Maths); give a course as the roster names it'
    )


def test_a_course_offer_is_enabled_in_bulk_with_its_units_or_by_one_unit() -> None:
    keys = changes.of_course(VIEW, "north", "Maths")
    assert keys == (("north", "ana", "Maths"), ("north", "ana", "Maths|1"), ("north", "bo", "Maths"))
    found = changes.set_enabled(VIEW, keys, NOW, enabled=True)
    assert done(found.facts) == [("enrolment.enabled", "ana", "Maths|1"), ("enrolment.enabled", "bo", "Maths")]
    assert changes.of_course(VIEW, "north", "Maths", "1") == (("north", "ana", "Maths|1"),)
    assert changes.of_course(VIEW, "north", "Maths", "") == (("north", "ana", "Maths"), ("north", "bo", "Maths"))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (Row("f:2", "enabel", "north", "bo"), 'there is no action "enabel" (nearest: enable)'),
        (Row("f:2", "Inactive", "north", "bo"), 'there is no action "Inactive" (nearest: deactivate)'),
        (Row("f:2", "reactivate", "north", "bo"), 'there is no action "reactivate" (nearest: activate)'),
        (Row("f:2", "enable", "norht", "bo", "Maths"), 'there is no organisation "norht" (nearest: north)'),
        (Row("f:2", "enable", "north", "nobody", "Maths"), "no learner of this organisation has this id"),
        (Row("f:2", "deactivate", "north", "nobody"), "no learner of this organisation has this id"),
        (Row("f:2", "enable", "north", "bo", "Physics"), "the learner has no such enrolment, or it has ended"),
        (Row("f:2", "enable", "north", "bo", course="Maths", unit="2"), "the learner has no such enrolment"),
        (Row("f:2", "enable", "north", "bo"), "the learner has no such enrolment"),
    ],
)
def test_a_row_that_cannot_be_done_says_why_and_the_others_are_done(row: Row, says: str) -> None:
    found = from_rows(VIEW, [row, Row("f:3", "enable", "north", "ana", course="Maths", unit="1")], NOW)
    assert done(found.facts) == [("enrolment.enabled", "ana", "Maths|1")]
    [problem] = found.problems
    assert problem.place == "f:2"
    assert says in problem.rule
    assert problem.remedy


def test_rows_that_contradict_each_other_are_both_left_undone_and_a_repeat_is_done_once() -> None:
    on, off = Row("f:2", "enable", "north", "bo", "Maths"), Row("f:5", "disable", "north", "bo", course="Maths")
    found = from_rows(VIEW, [on, off], NOW)
    assert found.facts == ()
    assert [it.place for it in found.problems] == ["f:2, f:5"]
    assert len(from_rows(VIEW, [on, on], NOW).facts) == 1


def test_an_enrolment_without_a_name_is_not_disabled_where_that_would_meet_others() -> None:
    alone, beside = enrolment("ana", "", object="", enabled=True), enrolment("ana", "Maths", enabled=True)
    row = Row("f:2", "disable", "north", "ana")
    assert done(from_rows(roster(alone), [row], NOW).facts) == [("enrolment.disabled", "ana", "")]
    found = from_rows(roster(alone, beside), [row], NOW)
    assert found.facts == ()
    assert "has no name" in found.problems[0].rule


def test_a_file_without_end_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "ROWS_MAX", 2)
    row = Row("f:2", "enable", "north", "bo", "Maths")
    found = from_rows(VIEW, iter([row] * 3), NOW)
    assert found.facts == ()
    assert "more than 2 actions" in found.problems[0].rule


def test_the_nearest_is_looked_for_of_the_first_misspelt_words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking takes milliseconds, and a list may have a hundred thousand rows with as many mistakes."""
    looked_for: list[str] = []
    monkeypatch.setattr(changes, "nearest", lambda word, _: looked_for.append(word) or " (nearest: north)")
    monkeypatch.setattr(changes, "SUGGESTED_MAX", 2)
    rows = [Row(f"do.csv:{n}", "deactivate", f"nort{n % 3}", "ana") for n in range(2, 11)]
    found = from_rows(roster(record("ana")), rows, NOW)
    assert looked_for == ["nort2", "nort0"]
    assert len(found.problems) >= 3
    assert all(("nearest" in it.rule) == ("nort1" not in it.rule) for it in found.problems)


def test_the_same_action_at_the_same_instant_is_the_same_fact() -> None:
    row = Row("f:2", "enable", "north", "bo", "Maths")
    assert from_rows(VIEW, [row], NOW) == from_rows(VIEW, [row], NOW)
    assert from_rows(VIEW, [row], NOW).facts[0].id != from_rows(VIEW, [row], NOW + 1).facts[0].id


def term(zone: str = "UTC") -> Subscription:
    return Subscription(
        plan=PLANS["wisenet-lrm"], start=date(2026, 1, 1), end=date(2026, 5, 1), zone=zone, organisations=("north",)
    )


def test_a_learner_set_inactive_by_the_end_of_the_month_saves_the_next_month_and_not_this_one() -> None:
    """W-24, W-j. In Melbourne March ends at 13:00 UTC of the 31st. Off at that very instant is early enough."""
    saving = changes.saving(term("Australia/Melbourne"), NOW)
    assert saving is not None
    assert (saving.until_us, saving.saves.number) == (us("2026-03-31T13:00Z"), 4)
    created = Fact(id="1", at_us=us("2026-02-01T00:00Z"), type="account.created", organisation="north", learner="ana")
    for at_us, months in ((NOW, [2, 3]), (saving.until_us, [2, 3]), (saving.until_us + 1, [2, 3, 4])):
        view = roster_of([created], at_us)
        off = changes.set_active(view, [("north", "ana")], at_us, active=False).facts
        found = reference.meter([created, *off], term("Australia/Melbourne"), us("2026-06-01T00:00Z"))
        assert [it.window for it in found.activations] == months


def test_in_the_last_month_of_a_term_there_is_nothing_to_save_and_before_the_first_there_is() -> None:
    assert changes.saving(term(), us("2026-04-15T00:00Z")) is None
    assert changes.saving(term(), us("2026-05-01T00:00Z")) is None
    before = changes.saving(term(), us("2025-12-31T00:00Z"))
    assert before is not None
    assert (before.until_us, before.saves.number) == (us("2026-01-01T00:00Z"), 1)
