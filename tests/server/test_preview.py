"""What facts would add is what they add when they are sent, and asking leaves no trace (W-07)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from rollbook.server import clock
from tests.server.callers import by_key
from tests.server.world import at, customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-01-20T12:00"
PLAN = own_plan(
    '[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n[allowance]\nper = "window"\nquantity = 2\n'
    '[limit]\npolicy = "bill"\nthresholds = [50, 100]\n[tariff]\ncurrency = "EUR"\n[tariff.overage]\nrate = 3\n'
)
OF_CALLERS = {"api_key", "throttle", "django_session"}
"""Tables that say who called, and how often."""


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for how long previews took."""
    found = {}
    with connection.cursor() as cursor:
        for name in sorted({*connection.introspection.table_names(cursor)} - {"throttle"}):
            cursor.execute(f'select * from "{name}"')
            found[name] = sorted(cursor.fetchall(), key=repr)
    return found


def test_it_leaves_no_trace_and_says_what_sending_then_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ana is there. Bo, Cy and Di would be 4 of 2: 2 beyond, 6 EUR. One repeats, one waits, one is refused."""
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)
    mine = customer()
    term = subscribe(mine, PLAN)
    send([row("1", "ana", "2026-01-02T09:00")], "2026-01-02T10:00")
    facts = [
        *(row(str(n), name, f"2026-01-0{n}T09:00") for n, name in enumerate(("ana", "bo", "cy", "di"), 1)),
        row("1", "ana", "2026-01-02T09:00"),
        row("ahead", "ed", "2026-03-02T09:00"),
        row("", "ed", "2026-01-02T09:00"),
    ]
    facts = facts[1:]
    caller = by_key("usage:read", "facts:write", customer=mine)
    caller.get(f"/subscriptions/{term.pk}/usage")
    before = everything()
    answer = caller.post("/preview", {"facts": facts})
    assert answer.status_code == 200, answer.content
    after = everything()
    assert len(before) > 25
    assert {name for name in before if before[name] != after[name]} <= OF_CALLERS
    foreseen = answer.json()
    [change] = foreseen["changes"]
    assert (change["subscription"], change["window"]) == (term.pk, 1)
    assert (change["active"], change["overage"], change["available"]) == ([1, 4], [0, 2], [1, -2])
    assert [it.rstrip("0").rstrip(".") for it in change["total"]] == ["0", "6"]
    sent = caller.post("/facts", facts).json()
    for name in ("received", "new", "repeats", "held"):
        assert sent[name] == foreseen[name]
    assert (sent["received"], sent["new"], sent["repeats"], sent["held"]) == (6, 3, 1, 1)
    assert [it["code"] for it in sent["rejected"]] == [it["code"] for it in foreseen["rejected"]] == ["id-missing"]
    now = caller.get(f"/subscriptions/{term.pk}/usage").json()["windows"][0]
    pool = now["pools"][0]
    assert [pool["active"], pool["overage"], pool["available"]] == [
        change[it][1] for it in ("active", "overage", "available")
    ]
    assert now["total"] == change["total"][1]
    assert caller.post("/preview", {"facts": facts}).json()["changes"] == []


def test_a_customer_learns_nothing_of_anothers_count() -> None:
    mine = customer()
    subscribe(customer("Southern Academy", ("south",)), PLAN)
    theirs = row("1", "ana", "2026-01-02T09:00", organisation="south")
    found = by_key("usage:read", customer=mine).post("/preview", {"facts": [theirs]}).json()
    assert (found["new"], found["changes"]) == (0, [])
    assert [it["code"] for it in found["rejected"]] == ["organisation"]
