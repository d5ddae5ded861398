"""What was used of what is included, and who counted, as callers of the API see it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rollbook.server import clock, models
from tests.server.callers import by_key, operator
from tests.server.world import at, customer, differences, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

MONTHLY = own_plan(
    '[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n[allowance]\nper = "window"\nquantity = 2\n'
    '[tariff]\ncurrency = "EUR"\n[tariff.overage]\nrate = 3\n'
)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch):
    """Sets the clock."""
    return lambda text: monkeypatch.setattr(clock, "source_ns", lambda: at(text) * 1000)


def usage(term: models.Subscription) -> dict[str, Any]:
    answer = by_key("usage:read", customer=term.customer).get(f"/subscriptions/{term.pk}/usage")
    assert answer.status_code == 200, answer.content
    return answer.json()


def roll(term: models.Subscription, query: str = "") -> dict[str, Any]:
    answer = by_key("learners:read", customer=term.customer).get(f"/subscriptions/{term.pk}/learners{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def starts(numbers: range | list[int], when: str) -> list[dict[str, Any]]:
    return [row(f"{when} {it}", f"learner {it}", when, "lesson.started") for it in numbers]


def reach(members: int) -> models.Subscription:
    """300 active learners a year, in blocks of 30 days; the second is 31 January to 1 March."""
    term = subscribe(customer(), "reach360-starter", zone="UTC")
    made = [row(f"m{it}", f"learner {it}", "2026-01-01T00:00", "account.created") for it in range(members)]
    send(made, "2026-01-01T01:00")
    return term


def test_a_month_says_what_was_used_beyond_what_is_included_and_costs(now) -> None:
    """4 of 2 in January: 2 beyond, 2 x 3 EUR = 6. February has begun and has none: 2 are left."""
    now("2026-02-01T00:00")
    term = subscribe(customer(), MONTHLY)
    names = ("ana", "bo", "cy", "di")
    send([row(name, name, f"2026-01-0{n}T09:00") for n, name in enumerate(names, 1)], "2026-02-01T00:00")
    found = usage(term)
    assert (found["window"], [it["window"] for it in found["windows"]]) == (2, [1, 2])
    [january, february] = [it["pools"][0] for it in found["windows"]]
    assert (january["active"], january["included"], january["overage"], january["available"]) == (4, 2, 2, -2)
    assert (january["used_to_date"], january["included_to_date"], january["percent"]) == (4, 2, 200.0)
    assert (february["active"], february["overage"], february["available"], february["percent"]) == (0, 0, 2, 0.0)
    assert [Decimal(it["total"]) for it in found["windows"]] == [6, 0]
    assert (Decimal(found["total"]), found["currency"]) == (6, "EUR")
    assert [it["open"] for it in found["windows"]] == [False, True]


def test_a_pool_of_a_term_adds_up_over_its_windows(now) -> None:
    """A-17: 24 learners in each of two blocks are 48 used, the same or others."""
    now("2026-02-06T00:00")
    term = reach(24)
    send(starts(range(24), "2026-01-05T09:00") + starts(range(24), "2026-02-05T09:00"), "2026-02-06T00:00")
    pools = [it["pools"][0] for it in usage(term)["windows"]]
    assert [(it["active"], it["used_to_date"], it["included_to_date"]) for it in pools] == [
        (24, 24, 300),
        (24, 48, 300),
    ]
    # 48 of 300 are 16 percent.
    assert [it["percent"] for it in pools] == [8.0, 16.0]


def test_exactly_what_is_included_is_within_it_and_one_more_is_beyond(now) -> None:
    """A-19: 150 and 150 others are 300, which is all and not too much. A-21: one who comes back is the 301st."""
    now("2026-02-07T00:00")
    term = reach(300)
    facts = starts(range(150), "2026-01-05T09:00") + starts(range(150, 300), "2026-02-05T09:00")
    send(facts, "2026-02-06T00:00")
    pool = usage(term)["windows"][1]["pools"][0]
    assert (pool["used_to_date"], pool["included_to_date"], pool["overage"], pool["percent"]) == (300, 300, 0, 100.0)
    assert roll(term, "?beyond=true")["learners"] == []
    send(starts([0], "2026-02-06T09:00"), "2026-02-07T00:00")
    pool = usage(term)["windows"][1]["pools"][0]
    assert (pool["active"], pool["used_to_date"], pool["overage"], pool["percent"]) == (151, 301, 1, 100.3)
    [last] = roll(term, "?beyond=true")["learners"]
    assert (last["learner"], last["position"], last["standing"]) == ("learner 0", 151, "beyond")
    assert differences(term) == []


def test_seats_are_held_released_and_may_be_too_few(now) -> None:
    """S-40: 3 of 2 seats are one less than none. Whoever is deactivated gives one back; the most at once stays 3."""
    now("2026-01-20T00:00")
    term = subscribe(customer(), "secondnature-seats", quantity=2)
    send([row(name, name, f"2026-01-0{n}T09:00") for n, name in enumerate(("ana", "bo", "cy"), 1)], "2026-01-10T00:00")
    seats = usage(term)["windows"][0]["seats"]
    assert (seats["quantity"], seats["held_at_end"], seats["taken"], seats["released"]) == (2, 3, 3, 0)
    assert (seats["available"], seats["overage"], seats["peak"]) == (-1, 1, 3)
    assert [it["standing"] for it in roll(term)["learners"]] == ["included", "included", "beyond"]
    send([row("off", "bo", "2026-01-11T09:00", "account.disabled")], "2026-01-12T00:00")
    seats = usage(term)["windows"][0]["seats"]
    assert (seats["held_at_end"], seats["released"], seats["available"], seats["peak"]) == (2, 1, 0, 3)


def test_a_month_of_wisenet_tells_new_continuing_and_reactivated_learners(now) -> None:
    """W-20 to W-22: Ana stays from January, Bo comes in February, Cy was off from January 9 until February 3."""
    now("2026-02-10T00:00")
    term = subscribe(customer(), "wisenet-lrm", zone="UTC")
    changes = (
        ("ana", "2026-01-02", "account.created"),
        ("cy", "2026-01-03", "account.created"),
        ("cy", "2026-01-09", "account.disabled"),
        ("cy", "2026-02-03", "account.enabled"),
        ("bo", "2026-02-04", "account.created"),
    )
    send([row(str(n), who, f"{day}T09:00", type_) for n, (who, day, type_) in enumerate(changes)], "2026-02-10T00:00")
    january, february = [it["pools"][0] for it in usage(term)["windows"]]
    assert [january[it] for it in ("active", "new", "continuing", "reactivated", "allowance")] == [2, 2, 0, 0, 50]
    assert [february[it] for it in ("active", "new", "continuing", "reactivated")] == [3, 1, 1, 1]
    classes = {it["learner"]: it["class"] for it in roll(term, "?window=2")["learners"]}
    assert classes == {"ana": "continuing", "bo": "new", "cy": "reactivated"}


def test_the_roll_is_in_the_order_in_which_they_came_page_by_page_with_who_is_beyond(now) -> None:
    """Of one instant the smaller id comes first; the first two are included. Those erased are told by no name."""
    now("2026-01-20T00:00")
    term = subscribe(customer(), MONTHLY)
    when = {"di": "05", "ana": "02", "cy": "05", "bo": "03"}
    send([row(f"of {name}", name, f"2026-01-{day}T09:00") for name, day in when.items()], "2026-01-20T00:00")
    vendor = operator()
    named = [{"learner": "ana", "name": "Ana A", "email": "ana@example.org"}]
    assert vendor.call("PUT", "/people", {"customer": term.customer_id, "people": named}).status_code == 200
    assert vendor.post("/people/erase", {"customer": term.customer_id, "learner": "bo"}).status_code == 200
    first = roll(term, "?limit=3")
    rest = roll(term, f"?limit=3&after={first['next']}")
    said = [(it["position"], it["learner"], it["name"], it["erased"], it["standing"]) for it in first["learners"]]
    assert said == [
        (1, "ana", "Ana A", False, "included"),
        (2, "", "", True, "included"),
        (3, "cy", "", False, "beyond"),
    ]
    assert [(it["position"], it["learner"], it["fact"]) for it in rest["learners"]] == [(4, "di", "of di")]
    assert (first["next"], rest["next"]) == (3, None)
    assert [it["learner"] for it in roll(term, "?beyond=true")["learners"]] == ["cy", "di"]
    assert usage(term)["windows"][0]["pools"][0]["active"] == 4
