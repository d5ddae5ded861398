"""A link by which somebody would have more ids than one person may is refused, and told so; all others stand."""

from __future__ import annotations

from random import Random

import pytest

from rollbook.metering.identities import IDS_MAX
from rollbook.server.live import contracts, metering
from tests.server.callers import by_key
from tests.server.world import customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-02-01T12:00"
PLAN = own_plan('[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n')


def link(number: int, survivor: str = "ana", **more: str) -> dict[str, str]:
    """The link by which ana has one id more: with `number` links she has number + 1 ids."""
    told = row(f"link {number}", survivor, "2026-01-02T09:00", "identity.linked", object=f"ana {number}")
    return told | more


def codes(receipt) -> list[tuple[int, str]]:
    return [(it.index, it.code) for it in receipt.rejected]


def test_the_link_of_the_hundred_and_first_id_is_refused_with_what_to_do() -> None:
    """99 links are 100 ids. The next is refused by its index; what was sent with it, and a repeat, is taken."""
    mine = customer()
    subscribe(mine, PLAN, now=NOW)
    send([link(number) for number in range(1, IDS_MAX)], NOW)
    facts = [row("1", "ana", "2026-01-03T09:00"), link(IDS_MAX), link(5), row("2", "bo", "2026-01-03T09:00")]
    answer = by_key("facts:write", customer=mine).post("/facts", facts).json()
    [refused] = answer.pop("rejected")
    assert answer == {"received": 4, "new": 2, "repeats": 1, "held": 0}
    assert (refused["index"], refused["code"]) == (1, "too-many-ids")
    assert "100" in refused["rule"]
    assert "void" in refused["remedy"]
    assert "ana" not in refused["rule"] + refused["remedy"]


def test_links_of_one_batch_are_counted_together_in_their_order() -> None:
    """120 links of ana at once: 99 stand. A chain comes to the same: whoever is linked to whom is one person."""
    mine = customer()
    subscribe(mine, PLAN, now=NOW)
    assert codes(send([link(number) for number in range(120)], NOW)) == [
        (index, "too-many-ids") for index in range(IDS_MAX - 1, 120)
    ]
    chain = [
        row(f"chain {n}", f"b {n}", "2026-01-02T09:00", "identity.linked", object=f"b {n + 1}") for n in range(150)
    ]
    # After each refused link another person begins, who may have as many ids.
    assert codes(send(chain, NOW)) == [(IDS_MAX - 1, "too-many-ids")]


def test_two_persons_with_sixty_ids_each_are_not_made_one() -> None:
    mine = customer()
    subscribe(mine, PLAN, now=NOW)
    send([link(number) for number in range(59)], NOW)
    send([link(number + 1000, "bo", object=f"bo {number}") for number in range(59)], NOW)
    assert codes(send([link(2000, object="bo")], NOW)) == [(0, "too-many-ids")]
    assert send([link(2001, object="cy")], NOW).new == 1


def test_a_link_that_was_taken_back_makes_room() -> None:
    mine = customer()
    subscribe(mine, PLAN, now=NOW)
    send([link(number) for number in range(1, IDS_MAX)], NOW)
    send([row("void", "", "2026-01-04T09:00", "fact.voided", voids="link 7")], NOW)
    assert send([link(IDS_MAX)], NOW).new == 1
    assert codes(send([link(IDS_MAX + 1)], NOW)) == [(0, "too-many-ids")]


def test_what_stands_counts_as_one_person() -> None:
    """Everybody of ana's hundred ids logs in after the links: that is one active learner, and bo is another."""
    mine = customer()
    stored = subscribe(mine, PLAN, now=NOW)
    links = [link(number) for number in range(1, IDS_MAX + 20)]
    Random(1).shuffle(links)
    refused = {links[it.index]["object"] for it in send(links, NOW).rejected}
    assert len(refused) == 20
    ids = {"ana", *(f"ana {number}" for number in range(1, IDS_MAX + 20))} - refused
    send([row(f"login {id_}", id_, "2026-01-05T09:00") for id_ in [*sorted(ids), "bo"]], NOW)
    january = metering.account_of(contracts.live(stored), contracts.subscription_of(stored).end_us).consumption[0]
    assert january.active == 2
