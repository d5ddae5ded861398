"""Small ledgers that can be counted by hand, and the rows that a report makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import rollbook
from rollbook import Fact, Result, Subscription, parse_plan
from rollbook.model.subscription import Quantity
from rollbook.model.tariff import Rate, Tariff, Tier

LOGINS = 'id = "p"\ntitle = "P"\n[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n'
ENTRIES = (
    'id = "p"\ntitle = "P"\n[meter]\ncounts = ["session.entered"]\nguests = "each-entry"\n'
    '[window]\nkind = "calendar-month"\n'
)
ENROLMENTS = (
    'id = "p"\ntitle = "P"\n[meter]\nholds = { on = ["enrolment.enabled"], off = ["enrolment.disabled"] }\n'
    '[window]\nkind = "calendar-month"\n'
)
SEATS = (
    'id = "p"\ntitle = "P"\n[meter]\nholds = { on = ["login"], off = ["account.disabled"], opens = "in-term" }\n'
    '[window]\nkind = "term"\n[allowance]\nper = "held"\n'
)
POOL = (
    'id = "p"\ntitle = "P"\n[meter]\ncounts = ["login"]\n[window]\nkind = "days"\nlength_days = 30\n'
    '[allowance]\nquantity = 3\nper = "term"\n'
)
EACH = '[allowance]\nper = "window"\npool_scope = "organisation"\n'


def at(text: str) -> datetime:
    """An instant of 2026 unless a year is given: `01-05`, `01-05 10:00`, `2025-12-05`."""
    full = text if len(text.split("-", maxsplit=1)[0]) == 4 else f"2026-{text}"
    return datetime.fromisoformat(full).replace(tzinfo=UTC)


def facts(*rows: str, type_: str = "login") -> list[Fact]:
    """One fact a row: `learner instant [type] [key=value…]`; ids count from 1. The learner `-` is a guest."""
    made = []
    for number, row in enumerate(rows, 1):
        learner, when, *rest = row.split()
        more = dict(item.split("=") for item in rest if "=" in item)
        types = [item for item in rest if "=" not in item]
        who = {"learner": "", "role": "guest"} if learner == "-" else {"learner": learner}
        kept = {"organisation": "north", "source": "lms"} | who | more
        at_us = int(at(when.replace("T", " ")).timestamp()) * 10**6
        made.append(Fact(id=str(number), at_us=at_us, type=types[0] if types else type_, **kept))
    return made


def metered(
    plan: str,
    ledger: Sequence[Fact],
    *,
    start: str = "01-01",
    end: str = "03-01",
    as_of: str = "2027-01-01",
    bought: int | Iterable[Quantity] = 0,
    tariff: Tariff | None = None,
    engine: str = "duckdb",
    organisations: tuple[str, ...] | None = None,
) -> Result:
    """The ledger under a plan."""
    made = Subscription(
        plan=parse_plan(plan), start=day(start), end=day(end), quote=tariff, organisations=organisations
    )
    steps = (Quantity(made.start_us, bought),) if isinstance(bought, int) else tuple(bought)
    made = replace(made, quantities=steps if bought else ())
    return rollbook.meter([ledger], made, as_of=at(as_of), engine=engine)


def day(text: str) -> date:
    return at(text).date()


def rows(result: Result, name: str, *columns: str, by: str = "") -> list[tuple[Any, ...]]:
    """The rows of a report, of these columns; instants in the short form that `at` reads."""
    with result:
        table = result.report(name, by)
    return [
        tuple(_short(value) for value in row)
        for row in zip(*(table.column(name).to_pylist() for name in columns), strict=True)
    ]


def _short(value: object) -> object:
    if not isinstance(value, datetime):
        return value
    return f"{value:%Y-%m-%d %H:%M}".removeprefix("2026-").removesuffix(" 00:00")


def flat(base: str | None, overage: str | None) -> Tariff:
    """Euros a unit."""

    def rate(text: str | None) -> Rate | None:
        return Rate(shape="flat", tiers=(Tier(1, Decimal(text)),)) if text else None

    return Tariff(currency="EUR", base=rate(base), overage=rate(overage))
