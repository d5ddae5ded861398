"""Versions of rules over the API: what is wrong is told by place, one is on and one in trial, and hidden plans stay so."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from rollbook.server.models import Audit, Customer, RulesRun, RulesVersion
from rollbook.server.receiving import rules
from rollbook.server.refusals import RefusedError
from tests.server import callers
from tests.server.callers import Caller
from tests.server.test_rules_runs import TERMS, admin, enrolment, night, on, plan
from tests.server.world import at, customer, own_plan, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")


def asked(caller: Caller, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = caller.call(method, path, body)
    assert answer.status_code == status, answer.content
    return answer.json()


def states(of: Customer) -> list[tuple[int, str]]:
    return list(RulesVersion.objects.filter(customer=of).order_by("number").values_list("number", "state"))


def test_all_that_is_wrong_with_a_text_is_told_by_place_and_nothing_is_kept():
    mine = customer()
    text = 'budget = 3\n[[rule]]\nname = "x"\nwhen = "idle"\ndays = 3\ndo = "enable"\n'
    found = asked(callers.administrator(mine), "POST", "/roster/rules", {"text": text}, 422)
    assert {it["place"] for it in found["problems"]} == {"rules: budget", "rules: rule[1].do"}
    assert states(mine) == []


def test_a_new_version_is_in_trial_beside_the_one_that_is_on_and_takes_its_place_when_switched_on():
    mine = customer()
    caller = callers.administrator(mine)
    for budget in (1, 2, 3):
        asked(caller, "POST", "/roster/rules", {"text": TERMS.format(budget=budget)})
        if budget == 1:
            assert asked(caller, "POST", "/roster/rules/1/on", {})["state"] == "on"
    assert states(mine) == [(1, "on"), (2, "off"), (3, "trial")]
    asked(caller, "POST", "/roster/rules/3/on", {})
    assert states(mine) == [(1, "off"), (2, "off"), (3, "on")]
    # Back to the first: any version can be switched on again.
    asked(caller, "POST", "/roster/rules/1/on", {})
    asked(caller, "POST", "/roster/rules/1/off", {})
    assert states(mine) == [(1, "off"), (2, "off"), (3, "off")]
    acts = list(Audit.objects.filter(action__startswith="rules.").order_by("pk").values_list("action", "object"))
    assert acts[:3] == [("rules.put", "rules 1"), ("rules.on", "rules 1"), ("rules.put", "rules 2")]
    assert acts[-1] == ("rules.off", "rules 1")


def test_the_same_text_again_is_no_other_version():
    mine = customer()
    caller = callers.administrator(mine)
    for _ in range(2):
        assert asked(caller, "POST", "/roster/rules", {"text": TERMS.format(budget=1)})["number"] == 1
    other = {"text": TERMS.format(budget=1), "zone": "Asia/Tokyo"}
    assert asked(caller, "POST", "/roster/rules", other)["number"] == 2


@pytest.mark.parametrize(
    "wrong", [{"zone": "Nowhere/Land"}, {"organisations": ["south"]}, {"text": "x" * 50_001}, {"text": "[[rule]]\0"}]
)
def test_what_is_none_of_the_customers_or_no_text_is_refused(wrong):
    mine, _ = customer(), customer("Southern Academy", ("south",))
    asked(callers.administrator(mine), "POST", "/roster/rules", {"text": TERMS.format(budget=1)} | wrong, 422)
    assert states(mine) == []


def test_a_dry_run_counts_what_it_would_do_names_what_is_misspelt_and_keeps_nothing():
    """One of two is due, and counts anew; of the plan that customers do not see, nothing is said to them."""
    mine = customer()
    today = timezone.now().date()
    start = today.replace(day=1)
    now = timezone.now().strftime("%Y-%m-%dT%H:%M")
    shown = subscribe(mine, plan(), start, now=now)
    hidden = own_plan(
        '[meter.holds]\non = ["enrolment.enabled"]\noff = ["enrolment.disabled"]\n[window]\nkind = "calendar-month"\n',
        "hidden",
    )
    shadow = subscribe(mine, hidden, start, now=now, kind="internal", meter="other")
    send(enrolment("ana", str(start), "2100-01-01"), now)
    send(enrolment("bo", "2099-01-01", "2100-01-01"), now)
    text = TERMS.format(budget=0).replace('name = "Terms"', 'name = "Terms"\ncourses = ["Welding", "Wellding"]')
    asked(callers.administrator(mine), "POST", "/roster/rules", {"text": text})
    found = asked(callers.administrator(mine), "POST", "/roster/rules/1/dry-run", {})
    assert (found["decided"], found["newly_active"], found["stopped"]) == ({"enrolment.enabled": 1}, 1, True)
    assert found["newly"] == [{"subscription": shown.pk, "units": 1}]
    assert [it["subscription"] for it in found["effects"]] == [shown.pk]
    assert [it["rule"] for it in found["strangers"]] == ['no enrolment is of course "Wellding" (nearest: Welding)']
    seen = asked(callers.operator(), "POST", "/roster/rules/1/dry-run", {"customer": mine.pk})
    assert [it["subscription"] for it in seen["newly"]] == [shown.pk, shadow.pk]
    assert seen["newly_active"] == 1
    again = asked(callers.administrator(mine), "POST", "/roster/rules/1/dry-run", {})
    assert again["decided"] == found["decided"]


def test_more_people_than_can_be_looked_at_meanwhile_are_refused_in_words(monkeypatch):
    mine = customer()
    send(enrolment("ana", "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    made = rules.put(admin(mine), mine, TERMS.format(budget=0), at("2026-01-01T12:00"))
    monkeypatch.setattr(rules, "DRY_RUN_PEOPLE_MAX", 0)
    with pytest.raises(RefusedError) as refusal:
        rules.dry_run(admin(mine), mine, made.number, at("2026-01-02T12:00"))
    assert refusal.value.code == "too-many"


def test_what_is_more_than_one_run_does_is_done_by_the_next(monkeypatch):
    mine = customer()
    subscribe(mine, plan())
    for who in ("ana", "bo", "cy"):
        send(enrolment(who, "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=5))
    # A default of a function is bound when it is made: what bounds a run is given here.
    evaluate = rules.running.evaluate
    monkeypatch.setattr(rules.running, "evaluate", lambda *a, **k: evaluate(*a, **k, facts_max=2))
    night("2026-01-02T00:00:10")
    night("2026-01-03T00:00:10")
    runs = RulesRun.objects.order_by("day")
    assert [(it.decided, it.is_cut) for it in runs] == [
        ({"enrolment.enabled": 2}, True),
        ({"enrolment.enabled": 1}, False),
    ]


def test_whom_a_term_to_come_would_count_is_within_the_budget_too():
    """The term begins in February; enabled in January, both would count from its first day on."""
    mine = customer()
    term = subscribe(mine, plan(), date(2026, 2, 1), now="2025-12-31T00:00")
    for who in ("ana", "bo"):
        send(enrolment(who, "2026-01-02", "2026-06-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=1))
    night("2026-01-02T00:00:10")
    [run] = RulesRun.objects.all()
    assert (run.state, run.newly_active, run.newly) == ("stopped", 2, {str(term.pk): 2})


def test_runs_come_in_pages_the_newest_first():
    mine = customer()
    on(mine, TERMS.format(budget=0))
    for day in ("02", "03", "04"):
        night(f"2026-01-{day}T00:00:10")
    caller = callers.administrator(mine)
    first = asked(caller, "GET", "/roster/rule-runs?limit=2")
    assert [it["day"] for it in first["items"]] == ["2026-01-04", "2026-01-03"]
    rest = asked(caller, "GET", f"/roster/rule-runs?limit=2&after={first['next']}")
    assert ([it["day"] for it in rest["items"]], rest["next"]) == (["2026-01-02"], None)


def test_another_customers_rules_and_runs_are_not_there():
    mine, other = customer(), customer("Southern Academy", ("south",))
    subscribe(mine, plan())
    send(enrolment("ana", "2026-01-02", "2026-03-01"), "2026-01-01T09:00")
    on(mine, TERMS.format(budget=0))
    night("2026-01-02T00:00:10")
    [run] = RulesRun.objects.all()
    stranger = callers.administrator(other)
    asked(stranger, "GET", "/roster/rules/1", status=404)
    asked(stranger, "POST", "/roster/rules/1/dry-run", {}, 404)
    asked(stranger, "POST", f"/roster/rule-runs/{run.pk}/agree", {"digest": run.digest}, 404)
    asked(stranger, "POST", f"/roster/rule-runs/{run.pk}/refuse", {}, 404)
    run.refresh_from_db()
    assert run.state == "stopped"
