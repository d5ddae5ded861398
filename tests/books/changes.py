"""Single changes to the bundle of `bundles`, each with the line of the verdict that must tell it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rollbook.proof.digests import readable_record

from .bundles import PLAN, Entries, record_changed, sha256, table_changed

SEATS = dict.fromkeys(
    (
        *("quantity", "held_at_start", "held_at_end", "taken", "released", "peak", "awaiting", "ever", "counted"),
        *("overage", "available"),
    ),
    1,
)
"""Seats, where a plan of windows has none."""

Change = Callable[[Entries], Entries]

BOTH = ("previous/0001.json", "statement.json")


@dataclass(frozen=True)
class Changed:
    """One change.

    at       the check that tells it, where at most SHA256SUMS was written anew
    says     part of what it tells
    covered  the check that tells it where every digest was made to fit; '' where the change is to a digest itself
    words    part of what that tells
    """

    name: str
    change: Change
    at: str
    says: str
    covered: str
    words: str


def fact(id_: str, **cells: str) -> Change:
    def change(rows: list[dict[str, str]]) -> None:
        next(row for row in rows if row["id"] == id_).update(cells)

    return table_changed("facts.csv", change)


def without_fact(id_: str) -> Change:
    def change(rows: list[dict[str, str]]) -> None:
        rows[:] = [row for row in rows if row["id"] != id_]

    return table_changed("facts.csv", change)


def evidence(unit: str, **cells: str) -> Change:
    def change(rows: list[dict[str, str]]) -> None:
        next(row for row in reversed(rows) if row["unit"] == unit).update(cells)

    return table_changed("evidence.csv", change)


def without_evidence(unit: str) -> Change:
    def change(rows: list[dict[str, str]]) -> None:
        rows[:] = [row for row in rows if row["unit"] != unit]

    return table_changed("evidence.csv", change)


def evidence_rows(change: Callable[[list[dict[str, str]]], None]) -> Change:
    return table_changed("evidence.csv", change)


def leaf(*path: str | int, to: object, of: tuple[str, ...] = ("statement.json",)) -> Change:
    def change(record: dict[str, Any]) -> None:
        inside: Any = record
        for key in path[:-1]:
            inside = inside[key]
        assert inside[path[-1]] != to
        inside[path[-1]] = to

    return record_changed(change, *of)


def swap_last_two(rows: list[dict[str, str]]) -> None:
    rows[-2:] = reversed(rows[-2:])


def other_plan(entries: Entries) -> Entries:
    """A plan that includes 3, under its own digest: the figures are left as they were."""
    text = PLAN.replace("quantity = 2", "quantity = 3").encode()
    found = {name: content for name, content in entries.items() if not name.startswith("plans/")}
    found[f"plans/{sha256(text)}.toml"] = text
    for name in BOTH:
        record = json.loads(found[name])
        record["plans"], record["plan"]["digest"] = [sha256(text)], sha256(text)
        found[name] = readable_record(record)
    return found


CHANGES = [
    Changed("a fact is dropped", without_fact("7"), "facts", "came with 4 facts, and here are 3", "evidence", "eva"),
    Changed("a fact of an earlier statement is dropped", without_fact("2"), "facts", "0001", "evidence", "bob"),
    Changed(
        "a fact is moved across a window's boundary",
        fact("5", occurred_at="2026-01-31T23:59:59Z"),
        "facts",
        "some fact that came with it was changed",
        "evidence",
        "learner ann of north, window 2: only in the statement",
    ),
    Changed("a fact names somebody else", fact("7", learner="eve"), "facts", "changed", "evidence", "learner eve"),
    Changed("a fact is of a type that does not count", fact("7", type="x"), "facts", "changed", "evidence", "eva"),
    Changed("a fact came with another statement", fact("7", statement="1"), "facts", "5 facts", "", ""),
    Changed("a fact came with none", fact("7", statement="3"), "facts", "statement 3 that is not there", "", ""),
    Changed("a fact has a role that does not exist", fact("7", role="boss"), "rows", 'role is "boss"', "rows", "boss"),
    Changed(
        "a charge has another amount",
        leaf("charges", 1, "amount", to="3.50"),
        "charge",
        "window 2, overage.amount: the statement says 3.50, the recount 2.50",
        "charge",
        "3.50",
    ),
    Changed(
        "a charge has another rate",
        leaf("charges", 1, "parts", 0, "rate", to="2.40"),
        "charge",
        "rate: the statement says 2.40, the recount 2.50",
        "charge",
        "2.40",
    ),
    Changed("a charge has more units", leaf("charges", 1, "units", to=2), "charge", "units", "charge", "units"),
    Changed("a charge is of another kind", leaf("charges", 0, "kind", to="x"), "charge", "base", "charge", "base"),
    Changed(
        "a charge is due later",
        leaf("charges", 0, "due", to="2026-02-02T00:00:00Z"),
        "charge",
        "window 2, base.due",
        "charge",
        "due",
    ),
    Changed("a charge is known by another key", leaf("charges", 0, "key", to="x"), "charge", "key", "charge", "key"),
    Changed(
        "a charge is dropped",
        record_changed(lambda record: record["charges"].pop()),
        "charge",
        "window 2, overage: only in the recount",
        "charge",
        "only in the recount",
    ),
    Changed(
        "a charge stands there twice",
        record_changed(lambda record: record["charges"].append(record["charges"][0])),
        "charge",
        "a line stands there twice",
        "charge",
        "twice",
    ),
    Changed(
        "an adjustment is dropped",
        record_changed(lambda record: record["adjustments"].clear()),
        "adjustment",
        "window 1: only in the recount",
        "adjustment",
        "only in the recount",
    ),
    Changed(
        "an adjustment has another amount",
        leaf("adjustments", 0, "charges", 0, "amount", to="-2.50"),
        "adjustment",
        "amount: the statement says -2.50, the recount 2.50",
        "adjustment",
        "-2.50",
    ),
    Changed("the total is another", leaf("total", to="14.00"), "total", "the statement says 14.00", "total", "14.00"),
    Changed(
        "consumption says fewer",
        leaf("consumption", 0, "active", to=3),
        "consumption",
        "active: the statement says 3, the recount 4",
        "consumption",
        "active",
    ),
    Changed("seats are said where there are none", leaf("seats", to=SEATS), "seats", "only in", "seats", "only in"),
    Changed(
        "a row of evidence says another class",
        evidence("eva", **{"class": "continuing"}),
        "evidence",
        "learner eva of north, window 2: class is continuing in the statement and new in the recount",
        "evidence",
        "class is continuing",
    ),
    Changed("a row names another fact", evidence("eva", fact="8"), "evidence", "fact is 8", "evidence", "fact is 8"),
    Changed("a row has another rank", evidence("eva", rank="9"), "evidence", "rank is 9", "evidence", "rank is 9"),
    Changed(
        "somebody is said to be included",
        evidence("finn", standing="included"),
        "evidence",
        "standing is included in the statement and beyond in the recount",
        "evidence",
        "standing",
    ),
    Changed(
        "a row of evidence is dropped",
        without_evidence("eva"),
        "evidence",
        "learner eva of north, window 2: only in the recount",
        "evidence",
        "only in the recount",
    ),
    Changed(
        "a row of evidence is added",
        evidence_rows(lambda rows: rows.append(rows[-2] | {"unit": "eve"})),
        "evidence",
        "learner eve of north, window 2: only in the statement",
        "evidence",
        "only in the statement",
    ),
    Changed(
        "a row of evidence stands there twice",
        evidence_rows(lambda rows: rows.append(rows[-1])),
        "evidence",
        "łucja",
        "evidence",
        "łucja",
    ),
    Changed(
        "rows of evidence change places", evidence_rows(swap_last_two), "evidence", "order", "evidence", "another order"
    ),
    Changed(
        "an earlier row of evidence is dropped",
        without_evidence("carl"),
        "seals",
        "previous/0001.json: root",
        "adjustment",
        "added: the statement says 1, the recount 2",
    ),
    Changed("the root is another", leaf("evidence", "root", to="0" * 64), "root", "the statement says 0000", "", ""),
    Changed("the number of rows is another", leaf("evidence", "rows", to=4), "root", "evidence.rows", "", ""),
    Changed("the digest of facts is another", leaf("facts", "digest", to="0" * 64), "facts", "changed", "", ""),
    Changed("the number of facts is another", leaf("facts", "rows", to=3), "facts", "came with 3 facts", "", ""),
    Changed("it follows another statement", leaf("previous", to="0" * 64), "chain", "does not follow", "", ""),
    Changed("it has another number", leaf("number", to=3), "chain", "is numbered 3", "chain", "is numbered 3"),
    Changed(
        "an earlier statement charged more",
        leaf("charges", 1, "amount", to="5.00", of=BOTH[:1]),
        "chain",
        "statement.json does not follow the one before",
        "adjustment",
        "amount: the statement says 2.50, the recount 0.00",
    ),
    Changed(
        "an earlier statement was in another currency",
        leaf("currency", to="USD", of=BOTH[:1]),
        "chain",
        "currency is USD, and later EUR",
        "chain",
        "currency",
    ),
    Changed("the customer is another", leaf("customer", to="Southern"), "chain", "customer is", "chain", "customer is"),
    Changed(
        "more was bought than before",
        leaf("agreed", "quantities", 0, 1, to=2),
        "terms",
        "previous/0001.json: quantities is not what the last statement says",
        "terms",
        "quantities",
    ),
    Changed(
        "more was bought, in all statements",
        leaf("agreed", "quantities", 0, 1, to=2, of=BOTH),
        "charge",
        "window 2, base.units: the statement says 1, the recount 2",
        "consumption",
        "allowance: the statement says 3, the recount 4",
    ),
    Changed(
        "another rate was agreed than in the plan",
        leaf("agreed", "plan", "tariff", "overage", "tiers", 0, "rate", to="9", of=BOTH),
        "terms",
        "agreed.plan.tariff.overage.tiers 1.rate: the statement says 9, the recount 2.5",
        "terms",
        "the statement says 9",
    ),
    Changed("the plan is another", other_plan, "terms", "agreed.plan.allowance.quantity", "consumption", "allowance"),
    Changed("the plan has another title", leaf("plan", "title", to="x"), "heading", "plan.title", "heading", "title"),
    Changed("it closes another window", leaf("window", "number", to=3), "terms", "close window 2", "heading", "window"),
    Changed(
        "it was closed before the window's end",
        leaf("as_of", to="2026-02-28T00:00:00Z"),
        "terms",
        "window 2 was closed before its end",
        "terms",
        "before its end",
    ),
    Changed(
        "the one before knew more time",
        leaf("as_of", to="2026-03-03T00:00:00Z", of=BOTH[:1]),
        "terms",
        "statement.json: it knows less time",
        "terms",
        "less time",
    ),
    Changed(
        "the one before knew less time than its facts",
        leaf("as_of", to="2026-02-01T00:00:00Z", of=BOTH[:1]),
        "facts",
        "fact 5 happened after the instant up to which previous/0001.json counts",
        "facts",
        "fact 5",
    ),
    Changed("it is of another term", leaf("term", "number", to=2), "chain", "term is", "chain", "term is"),
    Changed("it is of more organisations", leaf("organisations", to=["north", "x"]), "heading", "x", "heading", "x"),
    Changed("somebody is taken for a member", leaf("assumed", to=["north"]), "members", "north", "members", "north"),
    Changed(
        "a secret is another",
        lambda entries: entries | {"secrets.csv": entries["secrets.csv"].replace(b"02" * 32, b"03" * 32)},
        "seals",
        "statement.json: root",
        "",
        "",
    ),
]
