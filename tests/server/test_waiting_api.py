"""What waits and what was refused: counted by reason, newest first, of one's own, and without saying whom it names."""

from __future__ import annotations

import json

import pytest

from rollbook.server import clock
from rollbook.server.receiving.ingest import Sender
from tests.server.callers import administrator, by_key, operator
from tests.server.world import at, customer, row, send

pytestmark = pytest.mark.usefixtures("ledger")

NOW = "2026-03-01T12:00"


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: at(NOW) * 1000)


def ask(caller, path: str) -> dict:
    answer = caller.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_facts_that_wait_are_counted_by_reason_and_name_nobody() -> None:
    """Two lie more than five minutes ahead, one of them the other customer's; one names an organisation of nobody."""
    mine, other = customer(), customer("Southern Academy", ("south",))
    send(
        [
            row("secret-1", "ana", "2026-03-02T09:00", "course.viewed"),
            row("secret-2", "bo", "2026-03-03T09:00", organisation="south"),
            row("secret-3", "cy", "2026-02-03T09:00", organisation="nowhere"),
            row("secret-4", "di", "2026-03-01T11:00"),
        ],
        NOW,
    )
    found = ask(by_key("facts:write", customer=mine), "/held-facts")
    [fact] = found["items"]
    assert found["counts"] == {"in the future": 1}
    assert (
        fact["reason"],
        fact["customer"],
        fact["organisation"],
        fact["source"],
        fact["type"],
        fact["occurred_at"],
    ) == (
        *("in the future", mine.pk, "north", "lms"),
        *("course.viewed", "2026-03-02T09:00:00Z"),
    )
    for caller in (operator(), by_key("manage"), by_key("facts:write")):
        found = ask(caller, "/held-facts")
        assert found["counts"] == {"in the future": 2, "unknown organisation": 1}
        assert {it["organisation"] for it in found["items"]} == {"north", "south", "nowhere"}
        text = json.dumps(found)
        assert not [word for word in ("ana", "bo", "cy", "secret") if f'"{word}' in text]
    assert ask(by_key("facts:write", customer=other), "/held-facts")["items"][0]["organisation"] == "south"
    assert administrator(mine).get("/held-facts").status_code == 403


def test_refused_facts_are_counted_by_code_and_each_sender_sees_its_own() -> None:
    """A customer's sender names another's organisation twice and no type once; the platform gives no id once."""
    mine, other = customer(), customer("Southern Academy", ("south",))
    strange = [row(str(n), "ana", "2026-02-03T09:00", organisation="south") for n in range(2)]
    send([*strange, row("3", "zoe@example.org", "2026-02-30T09:00")], NOW, Sender("key abc", mine.pk))
    send([row("", "ana", "2026-02-03T09:00")], NOW)
    found = ask(by_key("facts:write", customer=mine), "/refusals")
    assert found["counts"]["organisation"] == 2
    assert sum(found["counts"].values()) == len(found["items"]) == 3
    assert {it["sender"] for it in found["items"]} == {"key abc"}
    assert [it["index"] for it in found["items"]] == [2, 1, 0]
    assert all(it["rule"] and it["remedy"] for it in found["items"])
    assert "zoe" not in json.dumps(found)
    assert ask(by_key("facts:write", customer=other), "/refusals") == {"counts": {}, "items": [], "next": None}
    everything = ask(operator(), "/refusals")
    assert everything["counts"]["id-missing"] == 1
    assert len(everything["items"]) == 4


def test_both_lists_come_in_pages() -> None:
    mine = customer()
    send([row(str(n), "ana", f"2026-03-1{n}T09:00") for n in range(5)], NOW)
    send([row("", "ana", "2026-02-03T09:00") for _ in range(5)], NOW, Sender("key abc", mine.pk))
    caller = by_key("facts:write", customer=mine)
    for path in ("/held-facts", "/refusals"):
        numbers: list[int] = []
        after: int | None = 0
        while after is not None:
            found = ask(caller, f"{path}?limit=2&after={after}")
            assert sum(found["counts"].values()) == 5
            numbers += [it["id"] for it in found["items"]]
            after = found["next"]
        assert numbers == sorted(set(numbers), reverse=True)
        assert len(numbers) == 5
