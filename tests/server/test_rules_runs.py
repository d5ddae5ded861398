"""Rules on the server: tried first, run once for each local day, and stopped whole by their budget."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import translation

from rollbook.model.plan import Plan
from rollbook.server.access.principals import Principal, user_principal
from rollbook.server.live import roster as rosters
from rollbook.server.models import (
    Audit,
    Customer,
    Endpoint,
    Message,
    Person,
    RosterRequest,
    RulesRun,
    RulesVersion,
    Statement,
)
from rollbook.server.notices import mail
from rollbook.server.notices.webhooks import new_secret
from rollbook.server.operation import jobs
from rollbook.server.receiving import rules
from rollbook.server.receiving import rules_nightly as nightly
from rollbook.server.refusals import RefusedError
from tests.server import callers
from tests.server.test_worker_jobs import at_once
from tests.server.world import active, at, customer, differences, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

PLAN = (
    '[meter.holds]\non = ["enrolment.enabled"]\noff = ["enrolment.disabled", "enrolment.ended"]\n'
    '[window]\nkind = "calendar-month"\n[allowance]\nper = "window"\nquantity = 1\n'
    '[limit]\npolicy = "bill"\n[tariff]\ncurrency = "EUR"\n[tariff.overage]\nrate = 3\n'
)
TERMS = """
budget_learners_active = {budget}

[[cycle]]
name = "Terms"

[[cycle.steps]]
when = "begins"
do = "enable"

[[cycle.steps]]
when = "ends"
do = "disable"
"""


def plan(id_: str = "made-up") -> Plan:
    return own_plan(PLAN, id_)


def enrolment(who: str, start: str, end: str, course: str = "Welding") -> list[dict[str, Any]]:
    """A learner who was enrolled on the 1st of January, not enabled."""
    said = json.dumps({"course": course, "start": start, "end": end})
    return [
        row(f"{course} {who} account", who, "2026-01-01T07:00", "account.created"),
        row(f"{course} {who}", who, "2026-01-01T08:00", "enrolment.created", object=course, attributes=said),
    ]


def admin(of: Customer) -> Principal:
    return user_principal(callers.user("administrator", of))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def on(of: Customer, text: str, now: str = "2026-01-01T12:00", **more: Any) -> RulesVersion:
    """A version that is put and switched on."""
    made = rules.put(admin(of), of, text, at(now), **more)
    return rules.switch_on(admin(of), of, made.number, at(now))


def night(when: str) -> int | None:
    """The jobs of a round that concern rules."""
    jobs.begin_windows(instant(when))
    return jobs.run("run-rules", instant(when))


def enabled(of: Customer, now: str) -> list[str]:
    lines = rosters.page(of, limit=500, now_us=at(now)).lines
    return sorted(it.learner for it in lines if it.enabled)


def states() -> list[tuple[str, str]]:
    return [(it.day.isoformat()[5:], it.state) for it in RulesRun.objects.order_by("day", "pk")]


def told(event: str) -> list[dict[str, Any]]:
    return [it.content["data"] for it in Message.objects.filter(event=event).order_by("pk")]


def test_a_term_is_enabled_on_its_first_day_and_disabled_after_its_last_one_and_counts_in_no_month_more():
    """Ana's term is February: she counts in it, and not in March, though the worker comes 10 seconds into March."""
    mine = customer()
    term = subscribe(mine, plan())
    send(enrolment("ana", "2026-02-01", "2026-03-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=1))
    assert night("2026-01-02T00:00:10") == 1
    assert enabled(mine, "2026-01-02T01:00") == []
    night("2026-02-01T00:00:10")
    assert enabled(mine, "2026-02-01T01:00") == ["ana"]
    night("2026-03-01T00:00:10")
    assert enabled(mine, "2026-03-01T01:00") == []
    assert states() == [("01-02", "nothing"), ("02-01", "done"), ("03-01", "done")]
    jobs.begin_windows(instant("2026-04-01T00:00:00"))
    assert active(term, "2026-04-02T00:00") == {1: 0, 2: 1, 3: 0, 4: 0}
    assert differences(term) == []


def test_what_was_missed_is_caught_up_by_the_next_run():
    mine = customer()
    subscribe(mine, plan())
    send(enrolment("ana", "2026-01-10", "2026-01-20"), "2026-01-01T09:00")
    send(enrolment("bo", "2026-01-12", "2026-02-20"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=2))
    # The worker was away for three weeks: ana's term has come and gone, bo's runs.
    night("2026-01-25T10:00:00")
    assert enabled(mine, "2026-01-25T12:00") == ["bo"]
    assert states() == [("01-25", "done")]


def test_a_trial_says_what_it_would_do_and_changes_nothing():
    mine = customer()
    term = subscribe(mine, plan())
    send(enrolment("ana", "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    rules.put(admin(mine), mine, TERMS.format(budget=0), at("2026-01-01T12:00"))
    night("2026-01-02T00:00:10")
    [run] = RulesRun.objects.all()
    assert (run.state, run.decided, run.learners) == ("trial", {"enrolment.enabled": 1}, 1)
    assert (run.newly_active, run.newly, run.budget) == (1, {str(term.pk): 1}, 0)
    assert enabled(mine, "2026-01-02T01:00") == []
    assert told("rules.stopped") == []
    assert active(term, "2026-01-03T00:00")[1] == 0


def test_a_version_runs_at_the_midnights_after_it_was_switched_on_and_once_for_each():
    mine = customer()
    subscribe(mine, plan())
    on(mine, TERMS.format(budget=0), "2026-01-01T12:00")
    assert night("2026-01-01T12:00:05") == 0
    assert night("2026-01-01T23:59:59") == 0
    assert night("2026-01-02T00:00:00") == 1
    assert night("2026-01-02T00:00:05") == 0
    assert night("2026-01-02T23:59:59") == 0
    assert night("2026-01-03T00:00:00") == 1


def test_a_rule_gone_wrong_that_enables_everybody_is_stopped_and_nothing_is_billed():
    """12 learners, 1 included at 0 EUR, 3 EUR each beyond. The budget is 2, and 11 would be new: ana counts already."""
    mine = customer()
    term = subscribe(mine, plan())
    callers.user("administrator", mine)
    names = [f"learner-{n}" for n in range(11)]
    for who in ("ana", *names):
        send(enrolment(who, "2026-06-01", "2026-12-01"), "2026-01-01T09:00")
    send([row("ana on", "ana", "2026-01-01T09:00", "enrolment.enabled", object="Welding")], "2026-01-01T09:30")
    # 200 days before it begins, where two were meant.
    wrong = 'budget_learners_active = 2\n[[rule]]\nname = "x"\nwhen = "begins"\nafter_days = -200\ndo = "enable"\n'
    on(mine, wrong)
    night("2026-01-02T00:00:10")
    [run] = RulesRun.objects.all()
    assert (run.state, run.newly_active, run.budget) == ("stopped", 11, 2)
    assert enabled(mine, "2026-01-02T01:00") == ["ana"]
    assert active(term, "2026-01-05T00:00")[1] == 1
    message = told("rules.stopped")[0]
    assert (message["newly_active"], message["budget"], message["changes"], message["learners_changed"]) == (
        11,
        2,
        11,
        11,
    )
    assert not any(who in json.dumps(it.content) for it in Message.objects.all() for who in ("ana", *names))
    # Every night it would do the same: it stays stopped, and says so once.
    night("2026-01-03T00:00:10")
    night("2026-02-01T00:00:10")
    assert [it.state for it in RulesRun.objects.order_by("day")] == ["stopped"] * 3
    assert len(told("rules.stopped")) == len({it.address for it in Message.objects.filter(event="rules.stopped")})
    jobs.run("close-due", instant("2026-02-20T00:00:00"))
    [statement] = Statement.objects.filter(subscription=term)
    assert (statement.record["consumption"][0]["active"], statement.record["total"]) == (1, "0.00")
    assert active(term, "2026-02-20T00:00") == {1: 1, 2: 1}
    assert differences(term) == []
    assert not Audit.objects.filter(action="rules.ran").exists()


def stopped(budget: int = 1) -> tuple[Customer, RulesRun]:
    """A run of the 2nd of January that would enable two, with a budget for less."""
    mine = customer()
    subscribe(mine, plan())
    for who in ("ana", "bo"):
        send(enrolment(who, "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=budget))
    night("2026-01-02T00:00:10")
    return mine, RulesRun.objects.get()


def test_who_agrees_to_a_stopped_run_has_it_done_then_and_once():
    mine, run = stopped()
    assert run.state == "stopped"
    agreed = rules.agree(admin(mine), mine, run.pk, run.digest, at("2026-01-02T15:00"))
    assert (agreed.state, agreed.answered_by) == ("agreed", admin(mine).label)
    assert enabled(mine, "2026-01-02T14:59") == []
    assert enabled(mine, "2026-01-02T15:01") == ["ana", "bo"]
    again = rules.agree(admin(mine), mine, run.pk, run.digest, at("2026-01-02T15:10"))
    assert again.state == "agreed"
    assert Audit.objects.filter(action="rules.agreed").count() == 1
    night("2026-01-03T00:00:10")
    assert states() == [("01-02", "agreed"), ("01-03", "nothing")]


def test_what_would_be_another_now_is_not_agreed_to_and_is_shown_anew():
    """Cy comes in between: three would be enabled, where two were shown."""
    mine, run = stopped()
    send(enrolment("cy", "2026-01-01", "2026-03-01"), "2026-01-02T10:00")
    with pytest.raises(RefusedError) as refusal:
        rules.agree(admin(mine), mine, run.pk, run.digest, at("2026-01-02T15:00"))
    assert (refusal.value.status, refusal.value.code) == (409, "run-outdated")
    assert enabled(mine, "2026-01-02T16:00") == []
    now = RulesRun.objects.get()
    assert (now.state, now.newly_active) == ("stopped", 3)
    assert rules.agree(admin(mine), mine, now.pk, now.digest, at("2026-01-02T15:05")).state == "agreed"
    assert enabled(mine, "2026-01-02T16:00") == ["ana", "bo", "cy"]


def test_a_refused_run_is_never_done_and_the_same_is_not_told_again():
    mine, run = stopped()
    before = len(told("rules.stopped"))
    assert rules.refuse(admin(mine), mine, run.pk, at("2026-01-02T15:00")).state == "refused"
    with pytest.raises(RefusedError) as refusal:
        rules.agree(admin(mine), mine, run.pk, run.digest, at("2026-01-02T15:05"))
    assert refusal.value.status == 409
    night("2026-01-03T00:00:10")
    assert states() == [("01-02", "refused"), ("01-03", "stopped")]
    assert len(told("rules.stopped")) == before
    assert enabled(mine, "2026-01-03T01:00") == []


def test_only_the_newest_run_of_a_version_that_is_on_can_be_agreed_to():
    mine, run = stopped()
    night("2026-01-03T00:00:10")
    newest = RulesRun.objects.latest("day")
    for number, digest in ((run.pk, run.digest), (newest.pk, "0" * 64)):
        with pytest.raises(RefusedError) as refusal:
            rules.agree(admin(mine), mine, number, digest, at("2026-01-03T15:00"))
        assert refusal.value.status == 409
    rules.switch_off(admin(mine), mine, 1, at("2026-01-03T15:30"))
    with pytest.raises(RefusedError) as refusal:
        rules.agree(admin(mine), mine, newest.pk, newest.digest, at("2026-01-03T16:00"))
    assert refusal.value.code == "not-on"
    assert enabled(mine, "2026-01-04T00:00") == []


def test_two_workers_do_it_once():
    mine = customer()
    subscribe(mine, plan())
    send(enrolment("ana", "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    version = on(mine, TERMS.format(budget=1))
    assert sorted(at_once(lambda: jobs.run("run-rules", instant("2026-01-02T00:00:10")))) == [0, 1]
    assert RulesRun.objects.filter(version=version).count() == 1
    assert Audit.objects.filter(action="rules.ran").count() == 1
    assert enabled(mine, "2026-01-02T01:00") == ["ana"]


def test_a_worker_that_is_killed_leaves_nothing_and_it_is_done_in_the_next_round(monkeypatch):
    mine = customer()
    subscribe(mine, plan())
    send(enrolment("ana", "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=1))

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        # The last thing within the transaction: the facts are in it, and the row of the run.
        patch.setattr("rollbook.server.receiving.rules_nightly.audit.record", killed)
        with pytest.raises(SystemExit):
            jobs.run("run-rules", instant("2026-01-02T00:00:10"))
    assert states() == []
    assert enabled(mine, "2026-01-02T01:00") == []
    assert night("2026-01-02T00:01:00") == 1
    assert enabled(mine, "2026-01-02T01:00") == ["ana"]


def test_a_customer_whose_rules_cannot_be_run_keeps_no_other_from_it_and_is_tried_again_in_an_hour():
    broken, mine = customer("Broken", ["broken"]), customer()
    subscribe(mine, plan())
    send(enrolment("ana", "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    bad = on(broken, TERMS.format(budget=1))
    on(mine, TERMS.format(budget=1))
    RulesVersion.objects.filter(pk=bad.pk).update(text="no TOML")
    assert night("2026-01-02T00:00:10") == 1
    assert enabled(mine, "2026-01-02T01:00") == ["ana"]
    RulesVersion.objects.filter(pk=bad.pk).update(text=bad.text)
    assert night("2026-01-02T00:30:00") == 0
    assert night("2026-01-02T01:00:00") == 1


def test_steps_that_only_tell_are_told_once_with_counts_and_no_names():
    mine = customer()
    callers.user("administrator", mine)
    for who in ("ana", "bo"):
        send(enrolment(who, "2026-01-05", "2026-03-01"), "2026-01-01T09:00")
    tell = '[[rule]]\nname = "Say so"\nwhen = "begins"\ndo = "notify"\n'
    on(mine, tell)
    for day in ("02", "04", "07", "08"):
        night(f"2026-01-{day}T00:00:10")
    data = told("roster.due")
    assert {it["day"] for it in data} == {"2026-01-07"}
    assert data[0]["due"] == [{"cycle": "Say so", "step": "begins", "enrolments": 2}]
    assert data[0]["enrolments"] == 2
    assert "ana" not in json.dumps(data)


def test_mail_about_a_stop_says_how_many_and_where_to_answer_in_the_readers_language():
    mine, run = stopped()
    callers.user("administrator", mine)
    data = {"customer": mine.name, "run": run.pk, "day": "2026-01-02", "changes": 2400, "learners_changed": 1200}
    data |= {"newly_active": 1100, "budget": 20, "page": nightly.page_of(mine.pk)}
    message = Message(event="rules.stopped", address="a@example.org", message_id="m", content={"data": data})

    def flat(text: str) -> str:
        return " ".join(text.split())

    english = mail.made(message)
    assert english.subject == "Northern Academy: your enrolment rules have stopped, and ask"
    assert "of January 2, 2026 would have made 1,100 learners newly active, and its budget is 20" in flat(english.body)
    assert f"/customers/{mine.pk}/roster/rules" in english.body
    with translation.override("de"):
        assert "2. Januar 2026 hätte 1.100 Lernende neu aktiv gemacht" in flat(mail.made(message).body)
    said = {"due": [{"cycle": "Say so", "step": "idle", "enrolments": 3}], "enrolments": 3, "page": "x"}
    message = Message(event="roster.due", address="a@example.org", message_id="m", content={"data": data | said})
    assert "Say so: nothing is done in an enrolment (3)" in mail.made(message).body


def test_a_round_asks_one_question_for_all_versions(django_assert_num_queries):
    for nth in range(5):
        on(customer(f"Customer {nth}", [f"organisation {nth}"]), TERMS.format(budget=0))
    with django_assert_num_queries(1):
        assert len(list(nightly.due(instant("2026-01-02T00:00:10")))) == 5


def test_whoever_acts_by_hand_has_the_last_word():
    mine = customer()
    subscribe(mine, plan())
    send(enrolment("ana", "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=1))
    night("2026-01-02T00:00:10")
    send([row("by hand", "ana", "2026-01-05T10:00", "enrolment.disabled", object="Welding")], "2026-01-05T10:01")
    night("2026-01-06T00:00:10")
    assert enabled(mine, "2026-01-06T01:00") == []


def test_a_late_run_asks_the_platform_for_nothing_that_somebody_has_overruled_since():
    """Ana and bo are enabled by the rules at midnight. The worker comes at 9, and at 8 ana was disabled by hand."""
    mine = customer()
    subscribe(mine, plan())
    events = ["roster.requested"]
    Endpoint.objects.create(customer=mine, url="https://lms.example/hook", secret=new_secret(), events=events)
    send(
        [*enrolment("ana", "2026-01-02", "2026-03-01"), *enrolment("bo", "2026-01-02", "2026-03-01")],
        "2026-01-01T09:00",
    )
    on(mine, TERMS.format(budget=2))
    send([row("by hand", "ana", "2026-01-02T08:00", "enrolment.disabled", object="Welding")], "2026-01-02T08:01")
    night("2026-01-02T09:00")
    assert enabled(mine, "2026-01-02T10:00") == ["bo"]
    assert [(it.person.learner, it.what) for it in RosterRequest.objects.all()] == [("bo", "enrolment.enabled")]


def test_a_day_begins_where_the_rules_are():
    """Midnight in Melbourne is 13:00 in UTC the day before, in January."""
    mine = customer()
    subscribe(mine, plan(), zone="Australia/Melbourne")
    send(enrolment("ana", "2026-01-05", "2026-03-01"), "2026-01-01T09:00")
    version = on(mine, TERMS.format(budget=1))
    assert version.zone == "Australia/Melbourne"
    night("2026-01-04T12:59:59")
    assert enabled(mine, "2026-01-04T13:30") == []
    night("2026-01-04T13:00:05")
    assert enabled(mine, "2026-01-04T13:00") == []
    assert enabled(mine, "2026-01-04T13:01") == ["ana"]


def test_erased_people_are_disabled_as_others_are_and_nobody_becomes_a_person_by_a_run():
    mine = customer()
    subscribe(mine, plan())
    send(enrolment("ana", "2026-01-02", "2026-02-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=1))
    night("2026-01-02T00:00:10")
    Person.objects.filter(learner="ana").update(learner="", name="", erased_at=instant("2026-01-15T00:00:00"))
    night("2026-02-01T00:00:10")
    assert rosters.page(mine, now_us=at("2026-02-01T01:00")).lines[0].enabled == 0
    assert Person.objects.count() == 1
