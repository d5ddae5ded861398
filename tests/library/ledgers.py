"""What the tests of the library share: the sample as facts, a subscription to it, and facts by hand."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import rollbook
from rollbook import Fact, Subscription, find_plan

SAMPLE = Path(rollbook.__file__).parent / "samples" / "academy.csv"
AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
REPORTS = ("window", "organisation", "learner", "holding")


def half_year(plan: str = "monthly-login") -> Subscription:
    return Subscription(plan=find_plan(plan), start=date(2026, 1, 1), end=date(2026, 7, 1))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def fact(id_: str, when: str, learner: str, type_: str = "login", **more: str) -> Fact:
    return Fact(id=id_, at_us=at(when), learner=learner, type=type_, organisation="north", source="lms", **more)


def mappings() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def facts() -> Iterator[Fact]:
    for row in mappings():
        occurred_at = row.pop("occurred_at")
        yield Fact(at_us=at(occurred_at), **row)


def contradicting(second: str = "carl", voided: str = "") -> list[Fact]:
    """Ann is linked to Bob, and then to somebody else."""
    found = [
        fact("1", "2026-01-05T10:00:00Z", "ann"),
        fact("2", "2026-01-06T10:00:00Z", "bob", "identity.linked", object="ann"),
        fact("3", "2026-01-07T10:00:00Z", second, "identity.linked", object="ann"),
        fact("4", "2026-02-05T10:00:00Z", "ann"),
    ]
    return [*found, fact("5", "2026-01-08T10:00:00Z", "", "fact.voided", voids=voided)] if voided else found
