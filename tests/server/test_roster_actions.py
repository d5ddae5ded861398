"""What is done to a roster is shown before it is done, is done once, and is what was shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from rollbook.roster.changes import Row
from rollbook.server.access.principals import Principal, user_principal
from rollbook.server.live import roster as rosters
from rollbook.server.models import Audit, Customer, Person
from rollbook.server.receiving.roster import Asked, Preview, confirm, foresee
from rollbook.server.refusals import RefusedError
from tests.server import callers
from tests.server.test_preview import OF_CALLERS, everything
from tests.server.world import active, at, customer, differences, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-01-20T12:00"
PLAN = own_plan(
    '[meter.holds]\non = ["enrolment.enabled"]\noff = ["enrolment.disabled", "enrolment.ended"]\n'
    '[window]\nkind = "calendar-month"\n[allowance]\nper = "window"\nquantity = 2\n'
    '[limit]\npolicy = "bill"\nthresholds = [50, 100]\n[tariff]\ncurrency = "EUR"\n[tariff.overage]\nrate = 3\n'
)
WELDING = ("ana", "bo", "cy")


def enrolled(*learners: str, course: str = "Welding", organisation: str = "north") -> list[dict[str, Any]]:
    """Learners whose enrolment in a course was enabled on the 2nd of January."""
    return [
        row(f"{organisation} {course} {who} {type_}", who, f"2026-01-02T0{hour}:00", type_, object=course)
        | {"organisation": organisation}
        for who in learners
        for hour, type_ in enumerate(("account.created", "enrolment.created", "enrolment.enabled"), 7)
    ]


def who(name: str) -> int:
    return Person.objects.get(learner=name).pk


def admin(of: Customer) -> Principal:
    return user_principal(callers.user("administrator", of))


def disable(*names: str, do: str = "disable") -> Asked:
    return Asked(kind="enrolments", do=do, enrolments=tuple(("north", who(it), "Welding") for it in names))


def preview(of: Customer, asked: Asked, now: str = NOW) -> Preview:
    return foresee(admin(of), of, asked, at(now))


def enabled(of: Customer, now: str = "2026-01-31T00:00") -> list[str]:
    lines = rosters.page(of, now_us=at(now)).lines
    return sorted(it.learner for it in lines if it.enabled)


def test_what_is_disabled_counts_for_this_month_and_saves_the_next_one():
    """January has 3 of 2, whatever happens now: 1 beyond, 3 EUR. February would have the same, and has 1 then."""
    mine = customer()
    term = subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    before = everything()
    found = preview(mine, disable("bo", "cy"))
    after = everything()
    assert {name for name in before if before[name] != after[name]} <= {*OF_CALLERS, "rollbook_user"}
    assert (found.decided, found.learners, found.problems) == ({"enrolment.disabled": 2}, 2, ())
    [effect] = found.effects
    assert effect.subscription == term.pk
    january, february = effect.windows
    assert (january.before.active, january.after.active, january.after.overage) == (3, 3, 1)
    assert (february.before.active, february.before.overage) == (3, 1)
    assert (february.after.active, february.after.overage) == (1, 0)
    assert str(february.more_money.amount.normalize()) == "-3"
    assert effect.saving.until_us == at("2026-02-01T00:00")
    done = confirm(admin(mine), mine, disable("bo", "cy"), found.digest, at("2026-01-20T12:05"))
    assert (done.new, done.repeats) == (2, 0)
    assert enabled(mine) == ["ana"]
    assert active(term, "2026-02-10T00:00")[1] == 3
    send([], "2026-02-10T00:00")
    assert differences(term) == []


def test_what_was_foreseen_of_the_next_month_is_what_it_begins_with():
    mine = customer()
    term = subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    found = preview(mine, disable("cy"))
    confirm(admin(mine), mine, disable("cy"), found.digest, at(NOW))
    # Somebody logs in, so that February has begun.
    send([row("login", "ana", "2026-02-03T00:00", "enrolment.enabled", object="Welding")], "2026-02-03T01:00")
    assert active(term, "2026-02-03T02:00") == {1: 3, 2: found.effects[0].windows[1].after.active}
    assert found.effects[0].windows[1].after.active == 2


def test_confirming_twice_is_one_act():
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    asked = disable("bo")
    found = preview(mine, asked)
    first = confirm(admin(mine), mine, asked, found.digest, at(NOW))
    before = everything()
    again = confirm(admin(mine), mine, asked, found.digest, at("2026-01-21T12:00"))
    assert (first.new, first.repeats, again.new, again.repeats) == (1, 0, 0, 1)
    assert everything() == before
    assert Audit.objects.filter(action="roster.changed").count() == 1


def test_the_audit_says_who_and_how_many_and_names_no_learner():
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    asked = disable("bo", "cy")
    confirm(admin(mine), mine, asked, preview(mine, asked).digest, at(NOW))
    entry = Audit.objects.get(action="roster.changed")
    assert entry.actor == admin(mine).label
    assert entry.customer_id == mine.pk
    assert entry.details == {
        "kind": "enrolments",
        "do": "disable",
        "learners": 2,
        "at_us": at(NOW),
        "facts": {"enrolment.disabled": 2},
    }
    # Nobody who acts became a learner by it.
    assert set(Person.objects.values_list("learner", flat=True)) == set(WELDING)


@pytest.mark.parametrize(
    ("type_", "when"),
    [("enrolment.disabled", "2026-01-10T00:00"), ("enrolment.enabled", "2026-01-20T12:01")],
    ids=["late", "since"],
)
def test_what_was_decided_on_an_old_view_is_refused(type_, when):
    """Late: bo was disabled before, so nothing is left to do. Since: bo was enabled again, and would stay so."""
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    asked = disable("bo", "cy")
    found = preview(mine, asked)
    send([row("meanwhile", "bo", when, type_, object="Welding")], "2026-01-20T12:02")
    before = everything()
    with pytest.raises(RefusedError) as refusal:
        confirm(admin(mine), mine, asked, found.digest, at("2026-01-20T12:03"))
    assert (refusal.value.status, refusal.value.code) == (409, "preview-outdated")
    assert everything() == before


def test_others_who_come_meanwhile_do_not_make_it_another():
    """Di is enrolled elsewhere in between: 4 in place of 3, and one less saves 3 EUR as before."""
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    asked = disable("cy")
    found = preview(mine, asked)
    send(enrolled("di", course="Baking"), NOW)
    assert confirm(admin(mine), mine, asked, found.digest, at(NOW)).new == 1


def test_what_would_save_another_sum_now_is_refused():
    """With 3 of 2 one less saves 3 EUR. When two have left, none is beyond, and it saves nothing."""
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    found = preview(mine, disable("cy"))
    others = disable("ana", "bo")
    confirm(admin(mine), mine, others, preview(mine, others).digest, at(NOW))
    with pytest.raises(RefusedError) as refusal:
        confirm(admin(mine), mine, disable("cy"), found.digest, at(NOW))
    assert refusal.value.status == 409


def test_what_was_shown_in_one_month_is_not_done_in_the_next():
    """It would be dated into January, and save a month that has begun."""
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    asked = disable("cy")
    found = preview(mine, asked, "2026-01-31T23:50")
    with pytest.raises(RefusedError) as refusal:
        confirm(admin(mine), mine, asked, found.digest, at("2026-02-01T00:10"))
    assert refusal.value.status == 409
    assert enabled(mine, "2026-02-02T00:00") == list(WELDING)


def test_a_preview_holds_for_an_hour():
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    asked = disable("cy")
    found = preview(mine, asked)
    with pytest.raises(RefusedError) as refusal:
        confirm(admin(mine), mine, asked, found.digest, at("2026-01-20T13:01"))
    assert refusal.value.status == 409
    assert confirm(admin(mine), mine, asked, found.digest, at("2026-01-20T13:00")).new == 1


@pytest.mark.parametrize(
    "digest", ["", "x", "-", "1-", f"{at(NOW):x}-{'g' * 96}", f"{at('2030-01-01T00:00'):x}-{'a' * 96}"]
)
def test_what_is_no_digest_is_refused_in_words(digest):
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    with pytest.raises(RefusedError) as refusal:
        confirm(admin(mine), mine, disable("cy"), digest, at(NOW))
    assert refusal.value.status == 422


def test_a_digest_that_was_never_given_is_refused_before_anything_is_locked_or_read(
    django_assert_num_queries: Callable[[int], AbstractContextManager[Any]],
) -> None:
    mine = customer()
    subscribe(mine, PLAN)
    send(enrolled(*WELDING), "2026-01-03T00:00")
    principal, asked = admin(mine), disable("cy")
    given = preview(mine, asked).digest
    forged = given[:-96] + "0" * 32 + given[-64:]
    with django_assert_num_queries(0), pytest.raises(RefusedError) as raised:
        confirm(principal, mine, asked, forged, at(NOW))
    assert raised.value.status == 409
    assert confirm(principal, mine, asked, given, at(NOW)).new == 1


def test_what_was_told_of_the_next_minutes_is_waited_for_and_the_preview_says_so():
    """The platform's clock is four minutes ahead: what it says of cy is of 12:04, and the preview is of 12:00."""
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    send([row("ahead", "cy", "2026-01-20T12:04", "enrolment.disabled", object="Welding")], NOW)
    found = preview(mine, disable("cy"))
    [problem] = found.problems
    assert problem.rule == (
        "something was told of these learners that happens at 2026-01-20T12:04:00Z, which is still to come"
    )
    assert preview(mine, disable("bo")).problems == ()
    with pytest.raises(RefusedError) as refusal:
        confirm(admin(mine), mine, disable("cy"), found.digest, at(NOW))
    assert refusal.value.status == 409


def test_a_list_that_names_nobody_whom_the_roster_knows_says_that_and_not_that_there_is_no_organisation():
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    rows = (Row("row 1", "deactivate", "north", "cyy"), Row("row 2", "deactivate", "nroth", "cy"))
    found = preview(mine, Asked(kind="rows", rows=rows))
    assert [(it.place, it.rule) for it in found.problems] == [
        ("row 1", "no learner of this organisation has this id"),
        ("row 2", 'there is no organisation "nroth" (nearest: north)'),
    ]


def test_the_digest_of_one_action_confirms_no_other():
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    found = preview(mine, disable("cy"))
    with pytest.raises(RefusedError) as refusal:
        confirm(admin(mine), mine, disable("bo"), found.digest, at(NOW))
    assert refusal.value.status == 409
    assert enabled(mine) == list(WELDING)


def test_anothers_learner_is_neither_seen_nor_changed():
    """Eve is the south's. Neither her number nor her organisation, nor her id in a list, reaches her."""
    mine, theirs = customer(), customer("Southern Academy", ("south",))
    send([*enrolled(*WELDING), *enrolled("eve", organisation="south")], "2026-01-03T00:00")
    eve = who("eve")
    assert rosters.learner(mine, eve, at(NOW)) == ()
    assert "eve" not in {it.learner for it in rosters.page(mine, now_us=at(NOW)).lines}
    for organisation in ("north", "south", ""):
        for asked in (
            Asked(kind="enrolments", do="disable", enrolments=((organisation, eve, "Welding"),)),
            Asked(kind="learners", do="deactivate", learners=((organisation, eve),)),
            Asked(kind="rows", rows=(Row("rows.1", "deactivate", organisation, "eve"),)),
        ):
            found = preview(mine, asked)
            assert (found.decided, len(found.problems)) == ({}, 1)
            assert confirm(admin(mine), mine, asked, found.digest, at(NOW)).new == 0
    for kind in ("course", "clean-up"):
        with pytest.raises(RefusedError) as refusal:
            preview(
                mine,
                Asked(
                    kind=kind,
                    do="disable" if kind == "course" else "",
                    organisation="south",
                    course="Welding" if kind == "course" else "",
                ),
            )
        assert refusal.value.status == 422
    assert enabled(theirs) == ["eve"]


def test_everybody_of_a_course_is_set_inactive_and_those_who_are_are_left_alone():
    """Ana is inactive already. An underscore in the name of a course is no wildcard: Wxlding is another one."""
    mine = customer()
    send([*enrolled(*WELDING, course="W_lding"), *enrolled("di", course="Wxlding")], "2026-01-03T00:00")
    send([row("off", "ana", "2026-01-04T00:00", "account.disabled")], NOW)
    asked = Asked(kind="course", do="deactivate", course="W_lding")
    found = preview(mine, asked)
    assert (found.decided, found.learners, found.problems) == ({"account.disabled": 2}, 2, ())
    confirm(admin(mine), mine, asked, found.digest, at(NOW))
    standing = {it.learner: it.is_active for it in rosters.page(mine, now_us=at("2026-01-21T00:00")).lines}
    assert standing == {"ana": False, "bo": False, "cy": False, "di": True}


def test_a_list_does_what_can_be_done_and_names_the_rest_by_its_place():
    """Bo is disabled; ana is enabled already; zed is nobody here; cy is asked for opposite things."""
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    rows = (
        Row("list:2", "disable", "", "bo", course="Welding"),
        Row("list:3", "enable", "north", "ana", course="Welding"),
        Row("list:4", "disable", "north", "zed", course="Welding"),
        Row("list:5", "disable", "north", "cy", course="Welding"),
        Row("list:6", "enable", "north", "cy", course="Welding"),
    )
    found = preview(mine, Asked(kind="rows", rows=rows))
    assert found.decided == {"enrolment.disabled": 1}
    assert sorted(it.place for it in found.problems) == ["list:3", "list:4", "list:5, list:6"]
    assert not any("zed" in str(it) for it in found.problems)


def test_the_clean_up_is_done_once():
    """Bo's enrolment ended with 2025; ana's has no end, so it is not over. Later nobody is left to clean up, by rule."""
    mine = customer()
    days = '{"course": "Welding", "start": "2025-01-01", "end": "2026-01-01"}'
    send(enrolled("ana", "bo"), "2026-01-03T00:00")
    send([row("told", "bo", "2026-01-03T00:00", "enrolment.changed", object="Welding", attributes=days)], NOW)
    asked = Asked(kind="clean-up", organisation="north")
    found = preview(mine, asked)
    assert found.decided == {"account.disabled": 1}
    assert confirm(admin(mine), mine, asked, found.digest, at(NOW)).new == 1
    assert confirm(admin(mine), mine, asked, found.digest, at(NOW)).repeats == 1
    [again] = preview(mine, asked, "2026-01-20T12:30").problems
    assert "was done on 2026-01-20" in again.rule


def test_somebody_who_was_erased_can_be_disabled_still():
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    number = who("cy")
    callers.operator().post("/people/erase", {"customer": mine.pk, "learner": "cy"})
    asked = Asked(kind="enrolments", do="disable", enrolments=(("north", number, "Welding"),))
    assert confirm(admin(mine), mine, asked, preview(mine, asked).digest, at(NOW)).new == 1
    [line] = rosters.learner(mine, number, at("2026-01-21T00:00"))
    assert (line.learner, line.name, line.is_erased, line.enabled) == ("", "", True, 0)


def test_what_the_asker_may_not_see_is_not_shown_and_decides_all_the_same():
    """A pilot counts too, and is the vendor's alone (S-22)."""
    mine = customer()
    subscribe(mine, PLAN, kind="pilot")
    send(enrolled(*WELDING), "2026-01-03T00:00")
    asked = disable("cy")
    assert preview(mine, asked).effects == ()
    assert len(foresee(user_principal(callers.user("operator")), mine, asked, at(NOW)).effects) == 1


def test_more_learners_than_one_action_may_have_are_refused(monkeypatch):
    monkeypatch.setattr("rollbook.server.receiving.roster_deciding.LEARNERS_MAX", 2)
    mine = customer()
    send(enrolled(*WELDING), "2026-01-03T00:00")
    with pytest.raises(RefusedError) as refusal:
        preview(mine, disable(*WELDING))
    assert (refusal.value.status, refusal.value.code) == (422, "too-many")
    assert preview(mine, disable("bo", "cy")).learners == 2
