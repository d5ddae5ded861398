"""Rules that cannot be run: a row says why, administrators are told once a day, and the next good run ends it."""

from __future__ import annotations

import json

import pytest
from django.db import OperationalError
from django.utils import translation

from rollbook.server.live import roster_facts
from rollbook.server.models import Endpoint, Message, RulesRun, RulesVersion
from rollbook.server.notices import mail
from rollbook.server.notices.webhooks import new_secret
from rollbook.server.operation import jobs
from rollbook.server.receiving import rules
from rollbook.server.receiving import rules_nightly as nightly
from rollbook.server.receiving import rules_running as running
from tests.pages.test_words import read
from tests.server import callers
from tests.server.test_rules_runs import TERMS, admin, at, enabled, enrolment, instant, night, on, plan, states, told
from tests.server.test_rules_versions import asked
from tests.server.world import customer, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

TELLS = 'budget_learners_active = 0\n[[rule]]\nname = "x"\nwhen = "begins"\ndo = "notify"\n'
MISTAKE = {"place": "server", "rule": nightly.MISTAKE.rule, "remedy": "tell whoever runs the server"}


def broken(text: str = TERMS.format(budget=1)) -> RulesVersion:
    """Rules that are on, whose text a later release does not understand any more; ana is to be enabled on the 2nd."""
    mine = customer()
    callers.user("administrator", mine)
    subscribe(mine, plan())
    send(enrolment("ana", "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    version = on(mine, text)
    RulesVersion.objects.filter(pk=version.pk).update(text=text.replace("begins", "dawns"))
    return version


def mend(version: RulesVersion) -> None:
    RulesVersion.objects.filter(pk=version.pk).update(text=version.text)


def test_a_run_that_fails_stands_in_the_list_with_what_is_wrong_and_administrators_are_told():
    version = broken()
    Endpoint.objects.create(customer=version.customer, url="https://a.example/x", secret=new_secret(), events=[])
    assert night("2026-01-02T00:00:10") == 0
    [run] = RulesRun.objects.all()
    assert (run.state, run.day.isoformat(), run.decided, run.learners) == ("failed", "2026-01-02", {}, 0)
    assert "dawns" in run.problems[0]["rule"]
    assert run.problems[0]["remedy"]
    assert {it.channel for it in Message.objects.filter(event="rules.failed")} == {Message.MAIL, Message.WEBHOOK}
    first, _ = told("rules.failed")
    assert (first["run"], first["day"], first["reason"]) == (run.pk, "2026-01-02", run.problems[0]["rule"])
    assert first["page"].endswith(f"/customers/{version.customer_id}/roster/rules")
    caller = callers.by_key("roster:read", customer=version.customer)
    [item] = asked(caller, "GET", "/roster/rule-runs")["items"]
    assert (item["state"], item["problems"]) == ("failed", run.problems)


def test_it_is_tried_each_hour_and_told_once_a_day():
    """On the 2nd it fails at 0, 1 and 2 o'clock, on the 3rd at 0: two rows, two mails."""
    broken()
    for when in ("02T00:00:10", "02T01:00:10", "02T02:00:10", "03T00:00:10"):
        assert night(f"2026-01-{when}") == 0
    assert states() == [("01-02", "failed"), ("01-03", "failed")]
    assert [it["day"] for it in told("rules.failed")] == ["2026-01-02", "2026-01-03"]


def test_the_next_good_run_of_the_day_takes_its_place_and_those_of_other_days_stay():
    version = broken()
    night("2026-01-02T00:00:10")
    night("2026-01-03T00:00:10")
    mend(version)
    assert night("2026-01-03T01:00:00") == 1
    assert states() == [("01-02", "failed"), ("01-03", "done")]
    assert RulesRun.objects.latest("day").problems == []
    assert enabled(version.customer, "2026-01-03T02:00") == ["ana"]
    assert night("2026-01-03T02:00:00") == 0


def test_a_mistake_of_the_server_is_told_without_its_words(monkeypatch: pytest.MonkeyPatch):
    version = broken()
    mend(version)

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("ana@example.org at line 7")

    monkeypatch.setattr(running, "evaluate", fails)
    night("2026-01-02T00:00:10")
    assert RulesRun.objects.get().problems == [MISTAKE]
    [data] = told("rules.failed")
    assert (data["reason"], data["remedy"]) == (MISTAKE["rule"], MISTAKE["remedy"])
    assert "ana" not in json.dumps([it.content for it in Message.objects.all()])


def test_more_statuses_than_are_read_are_told_as_a_refusal_tells_them(monkeypatch: pytest.MonkeyPatch):
    version = broken()
    mend(version)
    monkeypatch.setattr(roster_facts, "FACTS_MAX", 1)
    night("2026-01-02T00:00:10")
    [problem] = RulesRun.objects.get().problems
    assert problem["rule"] == "some 1 people have more than 1 status facts"
    assert problem["remedy"] == "see which sender sends statuses without end"


def test_what_may_pass_by_itself_is_told_where_it_failed_in_two_hours(monkeypatch: pytest.MonkeyPatch):
    version = broken()
    mend(version)

    def busy(*_: object, **__: object) -> None:
        raise OperationalError("deadlock detected")

    with monkeypatch.context() as patch:
        patch.setattr(running, "evaluate", busy)
        night("2026-01-02T00:00:10")
        assert states() == []
        night("2026-01-02T01:00:10")
        assert states() == [("01-02", "failed")]
        assert len(told("rules.failed")) == 1
        night("2026-01-03T00:00:10")
        assert states() == [("01-02", "failed")]
    assert night("2026-01-03T01:00:00") == 1


def test_a_trial_that_fails_stands_in_the_list_and_nobody_is_told():
    """It changes nothing, and whoever tries it looks at what it says."""
    mine = customer()
    callers.user("administrator", mine)
    made = rules.put(admin(mine), mine, TERMS.format(budget=1), at("2026-01-01T12:00"))
    RulesVersion.objects.filter(pk=made.pk).update(text="no TOML")
    night("2026-01-02T00:00:10")
    assert states() == [("01-02", "failed")]
    assert told("rules.failed") == []


def test_what_fell_due_to_be_told_while_rules_failed_is_told_by_the_next_good_run():
    version = broken(TELLS)
    night("2026-01-02T00:00:10")
    mend(version)
    night("2026-01-03T00:00:10")
    assert states() == [("01-02", "failed"), ("01-03", "nothing")]
    assert [(it["day"], it["enrolments"]) for it in told("roster.due")] == [("2026-01-03", 1)]


def test_a_stop_before_a_failure_can_be_agreed_to_and_is_not_told_again_after_it():
    """Stopped on the 2nd, failed on the 3rd, stopped by the same on the 4th."""
    version = broken(TERMS.format(budget=0))
    mine = version.customer
    mend(version)
    night("2026-01-02T00:00:10")
    RulesVersion.objects.filter(pk=version.pk).update(text="no TOML")
    night("2026-01-03T00:00:10")
    mend(version)
    night("2026-01-04T00:00:10")
    assert states() == [("01-02", "stopped"), ("01-03", "failed"), ("01-04", "stopped")]
    assert len(told("rules.stopped")) == 1
    RulesVersion.objects.filter(pk=version.pk).update(text="no TOML")
    night("2026-01-05T00:00:10")
    mend(version)
    run = RulesRun.objects.get(day="2026-01-04")
    assert rules.agree(admin(mine), mine, run.pk, run.digest, at("2026-01-05T09:00")).state == "agreed"


def test_a_failure_of_rules_that_were_switched_off_meanwhile_is_nobodys_business(monkeypatch: pytest.MonkeyPatch):
    version = broken()

    def fails(*_: object, **__: object) -> None:
        rules.switch_off(admin(version.customer), version.customer, version.number, at("2026-01-02T00:00:20"))
        raise RuntimeError

    mend(version)
    monkeypatch.setattr(running, "evaluate", fails)
    jobs.run("run-rules", instant("2026-01-02T00:00:10"))
    assert states() == []


def test_mail_about_a_failure_says_why_and_what_to_do_in_the_readers_language():
    data = {"customer": "Northern Academy", "run": 1, "day": "2026-01-02", "page": "https://r.example/rules"}
    data |= {"reason": MISTAKE["rule"], "remedy": MISTAKE["remedy"]}
    message = Message(event="rules.failed", address="a@example.org", message_id="m", content={"data": data})
    english = mail.made(message)
    assert english.subject == "Northern Academy: your enrolment rules could not be run"
    assert "What to do: tell whoever runs the server." in english.body
    assert "https://r.example/rules" in english.body
    with translation.override("de"):
        german = " ".join(mail.made(message).body.split())
    assert "2. Januar 2026" in german
    assert MISTAKE["rule"] not in german
    assert MISTAKE["remedy"] not in german


def test_the_page_says_that_rules_do_not_run_until_they_do():
    version = broken()
    user = callers.user("administrator", version.customer)
    address = f"/customers/{version.customer_id}/roster/rules"
    night("2026-01-02T00:00:10")
    said = read(user, address)
    assert "The rules could not be run for 2 Jan 2026, and did nothing." in said
    assert "Failed: nothing was changed" in said
    assert "dawns" in said
    mend(version)
    night("2026-01-02T01:00:00")
    assert "could not be run" not in read(user, address)
