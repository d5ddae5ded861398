"""Those beyond what is included, however many pools and seats there are."""

from __future__ import annotations

import pytest

from rollbook.server.live.roll import roll
from tests.server.world import at, customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-03-03T00:00"


def test_those_beyond_are_found_in_a_thousand_pools() -> None:
    """1,100 organisations include nobody each, and each has one: all are beyond, in the order in which they came."""
    names = [f"o{number:04}" for number in range(1100)]
    plan = own_plan(
        '[meter]\ncounts = ["login"]\ndedupe = "organisation"\n[window]\nkind = "calendar-month"\n'
        '[allowance]\nper = "window"\npool_scope = "organisation"\n'
    )
    term = subscribe(customer(organisations=names), plan, now="2026-03-01T00:00")
    send([row(name, "ana", "2026-03-02T00:00", organisation=name) for name in names], NOW)
    found = roll(term, 3, at(NOW), after=1000, beyond_only=True)
    assert [it["organisation"] for it in found["learners"]] == names[1000:]
    assert found["next"] is None


@pytest.mark.parametrize("across", [False, True])
def test_those_beyond_are_found_among_thousands_of_seats(across: bool) -> None:  # noqa: FBT001 - a parameter
    """1,502 take a seat in the order of their numbers, and one is bought: all but the first are beyond."""
    plan = own_plan(
        '[meter]\nholds = { on = ["enrolment.enabled"], off = ["enrolment.disabled"] }\n'
        + ('dedupe = "customer"\n' if across else 'unit = "enrolment"\n')
        + '[window]\nkind = "calendar-month"\n[allowance]\nper = "held"\n'
    )
    term = subscribe(customer(), plan, quantity=1, now="2026-03-01T00:00")
    ids = [f"{number:04}" for number in range(1502)]
    send([row(id_, id_, "2026-03-02T00:00", "enrolment.enabled", object="A") for id_ in ids], NOW)
    found = roll(term, 3, at(NOW), limit=1000, beyond_only=True)
    assert [it["learner"] for it in found["learners"]] == ids[1:1001]
    more = roll(term, 3, at(NOW), after=found["next"], limit=1000, beyond_only=True)
    assert [it["learner"] for it in more["learners"]] == ids[1001:]
