"""Writes the samples: the same bytes every time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO

from rollbook import library
from rollbook.errors import PlanError
from rollbook.model.subscription import Quantity, Subscription
from rollbook.model.tariff import parse_tariff
from rollbook.plans import find_plan
from rollbook.render.data import write_csv

HERE = Path(__file__).parent
FACTS = HERE.parent / "academy.csv"
GROUPS = HERE.parent / "groups.csv"
START, END = date(2026, 1, 1), date(2027, 1, 1)
AS_OF = datetime(2026, 6, 20, tzinfo=UTC)
"""The sixth month runs: the last window of each sample is open."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One table: the report, its level, the plan that shapes it, and how many units are bought.

    grouped  with facts that tell who is in which groups
    """

    name: str
    report: str
    by: str
    plan: str
    bought: int = 0
    priced: bool = False
    grouped: bool = False


SAMPLES = (
    Sample("usage", "usage", "company", "reach360-starter"),
    Sample("mau-company", "mau", "company", "monthly-login", 10),
    Sample("mau-learner", "mau", "learner", "monthly-login", 10),
    Sample("consumption-seats", "consumption", "company", "secondnature-seats", 20),
    Sample("consumption-credits", "consumption", "company", "secondnature-mauc", 50),
    Sample("consumption-allowance", "consumption", "company", "facilitate-annual", 8, priced=True),
    Sample("users-that-act", "users", "learner", "secondnature-mauc", 50),
    Sample("users-that-hold", "users", "learner", "secondnature-seats", 20),
    Sample("metering-events-learner", "metering-events", "learner", "wisenet-elearning", 12),
    Sample("metering-events-learner-that-acts", "metering-events", "learner", "facilitate-annual", 8),
    Sample("metering-events-company", "metering-events", "company", "wisenet-elearning", 12),
    Sample("status", "status", "learner", "wisenet-elearning", 12),
    Sample("guests-company", "guests", "company", "facilitate-annual", 8, priced=True),
    Sample("guests-learner", "guests", "learner", "facilitate-annual", 8, priced=True),
    Sample("groups", "groups", "company", "monthly-login", 10, grouped=True),
)


def subscription(sample: Sample) -> Subscription:
    """A year of the sample's plan."""
    made = Subscription(plan=find_plan(sample.plan), start=START, end=END)
    if sample.bought:
        made = replace(made, quantities=(Quantity(made.start_us, sample.bought),))
    if sample.priced:
        rates = HERE / "rates.toml"
        made = replace(made, quote=parse_tariff(rates.read_text(encoding="utf-8"), str(rates), PlanError))
    return made


def write(sample: Sample, out: IO[str]) -> None:
    """One sample as CSV, as `rollbook report` writes it."""
    facts = [str(FACTS), *([str(GROUPS)] if sample.grouped else [])]
    with library.meter(facts, subscription(sample), as_of=AS_OF) as result:
        write_csv(result.report_batches(sample.report, sample.by), out, for_spreadsheets=True)


def write_all(folder: Path) -> Iterator[Path]:
    """Every sample, in a file of its name."""
    for sample in SAMPLES:
        file = folder / f"{sample.name}.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            write(sample, out)
        yield file


if __name__ == "__main__":
    for written in write_all(Path(sys.argv[1])):
        sys.stdout.write(f"{written}\n")
