"""Plans and subscriptions over the API: what is agreed, from when on, and what is refused in words."""

from __future__ import annotations

import pytest

from rollbook.server import clock
from rollbook.server.billing import closing
from rollbook.server.live import metering
from rollbook.server.models import Audit, PlanVersion, Statement, Subscription
from tests.server import callers, world
from tests.server.callers import code

pytestmark = pytest.mark.usefixtures("ledger")

PLAN = """
id = "made-up"
title = "Made up"
[meter]
counts = ["login"]
[window]
kind = "calendar-month"
[allowance]
quantity = 10
per = "window"
increase_only = true
[governance]
effective_from = {effective}
"""

SEATS = """
id = "seats"
title = "Seats"
[meter]
holds = {{ on = ["login"], off = ["account.disabled"], opens = "in-term" }}
[window]
kind = "anniversary-month"
[allowance]
per = "held"
reuse_requires_approval = true
"""


@pytest.fixture(autouse=True)
def in_june(monkeypatch):
    """It is noon on 15 June 2026, UTC."""
    monkeypatch.setattr(clock, "source_ns", lambda: world.at("2026-06-15T12:00") * 1000)


@pytest.fixture
def operator():
    return callers.operator()


def subscribe(operator, plan="made-up", **more):
    body = {"customer": world.customer().pk, "plan": plan, "start": "2026-01-01", **more}
    return operator.post("/subscriptions", body)


def publish(operator, effective="2026-01-01", text=PLAN):
    return operator.post("/plans", {"text": text.format(effective=effective)})


def rules(answer) -> list[tuple[str, str]]:
    return [(it["place"], it["rule"]) for it in answer.json()["problems"]]


def test_a_plan_that_is_wrong_is_refused_with_everything_that_is(operator):
    answer = operator.post("/plans", {"text": 'id = "x"\n[meter]\ncuonts = []\n'})
    assert (answer.status_code, code(answer)) == (422, "plan-invalid")
    places = [place for place, _ in rules(answer)]
    # The title and the window are missing, and a key is misspelt.
    assert any("title" in it for it in places)
    assert any("window" in it for it in places)
    assert any("cuonts" in rule or "cuonts" in place for place, rule in rules(answer))
    assert PlanVersion.objects.count() == 0


def test_the_same_text_is_the_same_version(operator):
    first, second = publish(operator), publish(operator)
    assert first.json() == second.json()
    assert PlanVersion.objects.count() == 1


def test_two_versions_of_a_plan_never_begin_on_the_same_day(operator):
    publish(operator)
    answer = publish(operator, text=PLAN.replace("quantity = 10", "quantity = 20"))
    assert (answer.status_code, code(answer)) == (409, "plan-dated")


def test_versions_are_listed_with_the_days_from_which_they_hold(operator):
    publish(operator, "2026-01-01")
    publish(operator, "2026-07-01")
    found = operator.get("/plans/made-up").json()["items"]
    assert [it["effective_from"] for it in found] == ["2026-01-01", "2026-07-01"]
    assert "quantity = 10" in found[0]["text"]
    listed = operator.get("/plans").json()["items"]
    # Published plans are there without anybody's doing.
    assert {"made-up", "monthly-login", "wisenet-lrm"} <= {it["plan"] for it in listed}
    assert {it["kept"] for it in listed if it["plan"] == "made-up"} == {True}
    assert operator.get("/plans/nothing").status_code == 404


def test_a_subscription_takes_the_version_that_is_effective_when_it_begins(operator):
    publish(operator, "2026-01-01")
    later = publish(operator, "2026-07-01").json()["digest"]
    assert subscribe(operator, start="2026-01-01").json()["plan_digest"] != later
    assert subscribe(operator, start="2027-01-01").json()["plan_digest"] == later
    early = subscribe(operator, start="2025-01-01", meter="early")
    assert (early.status_code, code(early)) == (422, "plan-invalid")


def test_a_subscription_is_said_in_words_and_windows(operator):
    publish(operator)
    said = subscribe(operator, zone="Europe/Paris", quantities=[{"units": 50}]).json()
    assert (said["start"], said["end"], said["when"]) == ("2026-01-01", "2027-01-01", "current")
    # Midnight in Paris is 23:00 UTC of the day before, in winter.
    assert said["first_instant"] == "2025-12-31T23:00:00Z"
    assert said["last_instant_excluded"] == "2026-12-31T23:00:00Z"
    assert len(said["windows"]) == 12
    assert said["windows"][6] == {"number": 7, "start": "2026-06-30T22:00:00Z", "end": "2026-07-31T22:00:00Z"}
    assert said["quantities"] == [{"start": "2025-12-31T23:00:00Z", "units": 50, "organisation": ""}]
    del said["closes_at_once"]
    assert operator.get(f"/subscriptions/{said['id']}").json() == said


def test_a_subscription_is_counted_at_once(operator):
    publish(operator)
    said = subscribe(operator).json()
    # January to June have begun by 15 June.
    assert Subscription.objects.get(pk=said["id"]).windows_begun == 6
    assert operator.get(f"/subscriptions/{said['id']}/usage").status_code == 200


def test_a_subscription_that_begins_in_the_past_says_how_much_closes_at_once(operator):
    """January to May are over on 15 June: five months, each closable when it ends, and the worker closes so many."""
    publish(operator)
    said = subscribe(operator).json()
    assert (said["closes_at_once"], said["on_hold"]) == (5, False)
    assert closing.close_subscription(said["id"], clock.now_us()) == 5
    # One that begins later has nothing to close.
    assert subscribe(operator, start="2027-01-01").json()["closes_at_once"] == 0


def test_windows_that_wait_for_an_approval_do_not_close_at_once(operator):
    publish(operator, text=PLAN.replace("[governance]", '[governance]\nclose = "approve"'))
    assert subscribe(operator).json()["closes_at_once"] == 0


def test_a_subscription_on_hold_from_the_start_closes_nothing_until_it_is_released(operator):
    publish(operator)
    said = subscribe(operator, on_hold="its history is being imported").json()
    assert (said["on_hold"], said["hold_reason"]) == (True, "its history is being imported")
    assert said["closes_at_once"] == 0
    assert closing.close_subscription(said["id"], clock.now_us()) == 0
    assert [it.action for it in Audit.objects.order_by("-id")[:2]] == ["closing.held", "subscription.added"]
    assert operator.post(f"/subscriptions/{said['id']}/release").status_code == 200
    assert closing.close_subscription(said["id"], clock.now_us()) == 5


@pytest.mark.parametrize(
    ("more", "status", "found"),
    [
        ({"end": "2026-12-31"}, 422, "subscription-invalid"),
        ({"end": "2025-01-01"}, 422, "subscription-invalid"),
        ({"end": "2026-02-01", "kind": "pilot"}, 201, ""),
        ({"zone": "Europe/Pariss"}, 422, "subscription-invalid"),
        ({"organisations": ["south"]}, 422, "subscription-invalid"),
        ({"plan": "mad-up"}, 422, "plan-invalid"),
        ({"on_hold": ""}, 422, "input-invalid"),
        ({"customer": 999_999}, 404, "not-found"),
        ({"quantities": [{"units": 5, "organisation": "north"}]}, 422, "subscription-invalid"),
        ({"quantities": [{"units": 5}, {"units": 6}]}, 422, "subscription-invalid"),
        ({"quote": "no toml ["}, 422, "subscription-invalid"),
        ({"start": "0001-01-01"}, 422, "input-invalid"),
        ({"start": "9999-01-01"}, 422, "input-invalid"),
    ],
)
def test_what_contradicts_itself_is_refused_in_words_and_leaves_nothing(operator, more, status, found):
    publish(operator)
    answer = subscribe(operator, **more)
    assert answer.status_code == status
    assert status == 201 or code(answer) == found
    assert Subscription.objects.count() == (1 if status == 201 else 0)


def test_terms_of_one_meter_do_not_overlap(operator):
    """S-k, W-a."""
    publish(operator)
    assert subscribe(operator).status_code == 201
    assert code(subscribe(operator, start="2026-06-01")) == "subscription-invalid"
    assert subscribe(operator, start="2026-06-01", meter="another").status_code == 201
    assert subscribe(operator, start="2027-01-01", term=2).status_code == 201


def test_terms_are_listed_as_past_current_and_to_come(operator):
    """S-24. It is 15 June 2026, and the clock of the list is the real one: terms lie far from both."""
    publish(operator, "2001-01-01")
    for start in ("2001-01-01", "2090-01-01"):
        assert subscribe(operator, start=start).status_code == 201
    found = {
        when: operator.get(f"/subscriptions?when={when}").json()["items"] for when in ("past", "current", "future")
    }
    assert [len(it) for it in found.values()] == [1, 0, 1]
    assert (found["past"][0]["start"], found["future"][0]["start"]) == ("2001-01-01", "2090-01-01")


def test_a_quantity_rises_from_a_day_on_and_never_falls_where_the_plan_says_so(operator):
    """W-40, W-41."""
    publish(operator)
    number = subscribe(operator, quantities=[{"units": 50}]).json()["id"]
    risen = operator.post(f"/subscriptions/{number}/quantities", {"units": 80, "day": "2026-07-01"})
    assert [it["units"] for it in risen.json()["quantities"]] == [50, 80]
    fallen = operator.post(f"/subscriptions/{number}/quantities", {"units": 70, "day": "2026-08-01"})
    assert (fallen.status_code, code(fallen)) == (422, "subscription-invalid")
    assert "80 fall to 70" in rules(fallen)[0][1]
    outside = operator.post(f"/subscriptions/{number}/quantities", {"units": 90, "day": "2027-01-01"})
    assert outside.status_code == 422
    twice = operator.post(f"/subscriptions/{number}/quantities", {"units": 90, "day": "2026-07-01"})
    assert twice.status_code == 422
    assert [it["units"] for it in operator.get(f"/subscriptions/{number}").json()["quantities"]] == [50, 80]


def test_a_quantity_without_a_day_holds_from_now_on(operator):
    publish(operator)
    number = subscribe(operator).json()["id"]
    said = operator.post(f"/subscriptions/{number}/quantities", {"units": 80}).json()
    assert said["quantities"][0]["start"] == "2026-06-15T12:00:00Z"


def test_what_is_dated_back_into_a_closed_window_is_refused(operator):
    """W-h: never to a closed month."""
    publish(operator)
    number = subscribe(operator).json()["id"]
    Statement.objects.create(
        subscription_id=number, number=1, window_number=1, digest="0" * 64, record={}, closed_by="test"
    )
    late = operator.post(f"/subscriptions/{number}/quantities", {"units": 80, "day": "2026-01-31"})
    assert (late.status_code, code(late)) == (409, "window-closed")
    # January is closed, and ends where February begins.
    assert "2026-02-01T00:00:00Z" in rules(late)[0][1]
    assert operator.post(f"/subscriptions/{number}/quantities", {"units": 80, "day": "2026-02-01"}).status_code == 200


def test_released_seats_are_approved_where_the_plan_asks_for_it(operator):
    """S-07."""
    publish(operator, text=SEATS)
    number = subscribe(operator, plan="seats", quantities=[{"units": 5}]).json()["id"]
    said = operator.post(f"/subscriptions/{number}/approvals", {"seats": 2}).json()
    assert said["approvals"] == [{"start": "2026-06-15T12:00:00Z", "units": 2, "organisation": ""}]


def test_a_plan_changes_to_the_version_that_is_effective_then(operator):
    publish(operator, "2026-01-01")
    later = publish(operator, "2026-07-01").json()["digest"]
    number = subscribe(operator).json()["id"]
    said = operator.post(f"/subscriptions/{number}/plan-changes", {"plan": "made-up", "day": "2026-08-01"}).json()
    assert said["changes"] == [{"start": "2026-08-01T00:00:00Z", "plan": "made-up", "digest": later}]
    other = operator.post(f"/subscriptions/{number}/plan-changes", {"plan": "wisenet-lrm", "day": "2026-09-01"})
    assert (other.status_code, code(other)) == (422, "subscription-invalid")


def test_every_change_is_counted_anew(operator, monkeypatch):
    publish(operator, "2026-01-01")
    publish(operator, "2026-07-01")
    number = subscribe(operator).json()["id"]
    counted = []
    monkeypatch.setattr(metering, "rebuild", lambda row, at_us: counted.append((row.pk, at_us)))
    operator.post(f"/subscriptions/{number}/quantities", {"units": 80, "day": "2026-07-01"})
    operator.post(f"/subscriptions/{number}/plan-changes", {"plan": "made-up", "day": "2026-08-01"})
    assert counted == [(number, world.at("2026-06-15T12:00"))] * 2


def test_every_act_is_audited_with_who_and_what(operator):
    publish(operator)
    number = subscribe(operator).json()["id"]
    operator.post(f"/subscriptions/{number}/quantities", {"units": 80, "day": "2026-07-01"})
    rows = operator.get("/audit").json()["items"]
    # The newest first.
    assert [it["action"] for it in rows] == ["quantity.added", "subscription.added", "plan.published"]
    assert {it["actor"] for it in rows} == {"operator operator@example.org"}
    assert rows[0]["object"] == f"subscription {number}"
    assert rows[0]["details"] == {"units": 80, "effective": "2026-07-01T00:00:00Z", "organisation": ""}


def test_what_is_refused_is_not_audited(operator):
    publish(operator)
    Audit.objects.all().delete()
    subscribe(operator, end="2026-12-31")
    assert Audit.objects.count() == 0


def test_why_it_is_on_hold_is_said_to_the_vendor_alone(operator):
    publish(operator)
    number = subscribe(operator).json()["id"]
    operator.post(f"/subscriptions/{number}/hold", {"reason": "they are late with paying"})
    shown = callers.administrator(world.customer()).get(f"/subscriptions/{number}").json()
    assert (shown["on_hold"], shown["hold_reason"]) == (True, "")
    assert operator.get(f"/subscriptions/{number}").json()["hold_reason"] == "they are late with paying"
