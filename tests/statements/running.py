"""Closes the windows of a case, as somebody would who keeps a book, and says what its statements say.

A case is a folder: a subscription, facts, `closings.csv` (when somebody closes what can be closed), and
`expected_statement.csv`, worked out by hand, which reads down like a statement of a bank. It may have `rates.toml`
with rates made up for it, and `refused.toml`, a subscription that its plan must refuse. In facts.csv a row becomes
known when it `arrives` (empty: from the start), and stands for so many `copies` (of as many learners; empty: one).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

import rollbook
import rollbook.plans
from rollbook import ReadOptions
from rollbook.accounting.statement import ADDED, BEYOND, REMOVED
from rollbook.books.book import Book
from rollbook.books.closing import close
from rollbook.errors import SubscriptionError
from rollbook.model.fact import COLUMNS, Fact
from rollbook.model.instants import to_us
from rollbook.model.subscription import Subscription
from rollbook.model.subscription_file import parse_terms
from rollbook.model.tariff import parse_tariff
from rollbook.plans import find_plan

PLANS = Path(rollbook.plans.__file__).parent
HERE = Path(__file__).parent / "cases"

STATEMENT = "expected_statement.csv"
CLOSINGS = "closings.csv"
RATES = "rates.toml"
REFUSED = "refused.toml"

POOL = ("active", "allowance", "included", "overage", "available")
"""What is told of a pool, line by line."""

SEATS = (
    *("quantity", "held_at_start", "taken", "released", "held_at_end", "peak", "awaiting", "ever"),
    *("counted", "overage", "available"),
)
"""What is told of seats, line by line."""


class Line(NamedTuple):
    """One line of a statement, in the columns of expected_statement.csv.

    statement  its number; of a later term `term.number`
    line       what the line is about
    of         the window's days, names of units, windows of an adjustment, an organisation, a currency
    day        on which it was closed, or from which on a charge is due
    """

    statement: str
    line: str
    of: str = ""
    units: str = ""
    rates: str = ""
    amount: str = ""
    day: str = ""


@dataclass(frozen=True, eq=False)
class StatementCase:
    """One folder, read. `arrivals` are facts by the instant from which on they are known."""

    path: Path
    terms: tuple[Subscription, ...]
    arrivals: tuple[tuple[int, Fact], ...]
    closings: tuple[datetime, ...]
    expected: tuple[Line, ...]

    @property
    def name(self) -> str:
        """Its plan's folder, where it belongs to one, and its own."""
        return f"{self.path.parent.parent.name}/{self.path.name}"

    def refuses(self, terms: Sequence[Subscription]) -> bool:
        """Whether the subscription in refused.toml is refused by the plan of `terms`; True where there is none."""
        file = self.path / REFUSED
        if not file.is_file():
            return True
        try:
            parse_terms(file.read_text(encoding="utf-8"), lambda _: terms[0].plan)
        except SubscriptionError:
            return True
        return False


@cache
def all_statement_cases() -> tuple[StatementCase, ...]:
    """Every case that says what its statements say: of every plan, and of none."""
    paths = [path.parent for folder in (PLANS, HERE) for path in folder.rglob(STATEMENT)]
    return tuple(read_statement_case(path) for path in sorted(paths))


def read_statement_case(path: Path) -> StatementCase:
    """The case in a folder."""
    text = (path / "subscription.toml").read_text(encoding="utf-8")
    terms = parse_terms(text, lambda name: find_plan(name, path))
    if (path / RATES).is_file():
        quote = parse_tariff((path / RATES).read_text(encoding="utf-8"), RATES, SubscriptionError)
        terms = tuple(replace(term, quote=quote) for term in terms)
    return StatementCase(
        path=path,
        terms=terms,
        arrivals=tuple(arrival for row in rows(path / "facts.csv") for arrival in _arrivals(row)),
        closings=tuple(datetime.fromisoformat(row["as_of"]) for row in rows(path / CLOSINGS)),
        expected=tuple(Line(*(row[name] for name in Line._fields)) for row in rows(path / STATEMENT)),
    )


def statement_lines(case: StatementCase, engine: str, terms: Sequence[Subscription] | None = None) -> Iterator[Line]:
    """The lines of all statements, in the order in which they were closed. `terms` take the place of the case's."""
    with TemporaryDirectory() as scratch:
        for as_of in case.closings:
            for term in terms or case.terms:
                if term.start_us < to_us(as_of):
                    yield from _closed(case, Path(scratch) / str(term.term), term, as_of, engine)


def _closed(case: StatementCase, folder: Path, term: Subscription, as_of: datetime, engine: str) -> Iterator[Line]:
    """Closes what can be closed. What is in the book already comes from there; only what is new is given."""
    book = Book(folder)
    since_us = to_us(datetime.fromisoformat(book.records[-1]["as_of"])) if book.records else None
    facts = [
        fact
        for arrives_us, fact in case.arrivals
        if arrives_us <= to_us(as_of) and (since_us is None or arrives_us > since_us or fact.at_us >= since_us)
    ]
    with rollbook.meter(
        [*book.facts_files(), facts],
        term,
        as_of=as_of,
        engine=engine,
        options=ReadOptions(settled=len(book.facts_files())),
    ) as result:
        for statement in close(book, result, lambda: bytes(32)):
            label = f"{statement.number}" if len(case.terms) == 1 else f"{term.term}.{statement.number}"
            evidence = pq.read_table(book.path(statement.number, "evidence.parquet")).to_pylist()
            for line in _told(statement.record, evidence, several_plans=bool(term.changes)):
                yield line._replace(statement=label)


def _told(record: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]], *, several_plans: bool) -> Iterator[Line]:
    zone = ZoneInfo(record["term"]["zone"])
    window = record["window"]
    closed = _day(record["as_of"], zone)
    if window is None:
        yield Line("", "note", day=closed)
    else:
        days = f"{_day(window['start'], zone)} until {_day(window['end'], zone)}"
        yield Line("", f"window {window['number']}", days, day=closed)
    if several_plans:
        yield Line("", "plan", record["plan"]["title"])
    if record["seats"]:
        yield from (Line("", name, units=str(record["seats"][name])) for name in SEATS)
    for used in record["consumption"] if not record["seats"] else ():
        yield from (Line("", name, used["pool"], units=str(used[name])) for name in POOL)
        if used["expired"]:
            yield Line("", "expired", used["pool"], units=str(used["expired"]))
    if beyond := [row["unit"] for row in evidence if row["standing"] == BEYOND]:
        yield Line("", "beyond", " ".join(beyond))
    for charge in record["charges"]:
        rates = " + ".join(_rate(part) for part in charge["parts"])
        day = _day(charge["due"], zone)
        yield Line("", f"charge {charge['kind']}", charge["pool"], f"{charge['units']}", rates, _amount(charge), day)
        if charge["minimum"]:
            yield Line("", "of these up to the minimum", charge["pool"], f"{charge['minimum']}")
    for it in record["adjustments"]:
        yield from _adjusted(it, evidence)
    yield Line("", "total", record["currency"], amount=record["total"] or "")


def _adjusted(it: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    numbers = " ".join(map(str, it["windows"]))
    yield Line("", "adjustment", f"window {numbers}", f"+{it['added']} -{it['removed']}", amount=_signed(it))
    for row in evidence:
        if row["standing"] in (ADDED, REMOVED) and row["window"] in it["windows"]:
            yield Line("", row["standing"], f"window {row['window']}: {row['unit']}")
    for moved in it["charges"]:
        of = f"window {moved['window']} {moved['pool']}".strip()
        yield Line("", f"moved {moved['kind']}", of, f"{moved['units']:+}", amount=_signed(moved))


def _rate(part: Mapping[str, Any]) -> str:
    flat = f" + {part['flat']}" if part["flat"] != "0" else ""
    return f"{part['units']} x {part['rate']}{flat}"


def _amount(charge: Mapping[str, Any]) -> str:
    return charge["amount"] or ""


def _signed(moved: Mapping[str, Any]) -> str:
    amount = moved["amount"]
    return f"+{amount}" if amount and Decimal(amount) > 0 else amount or ""


def _day(instant: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(instant).astimezone(zone).date().isoformat()


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column; a row with too few or too many fields is a mistake in the case."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return [dict(zip(header, row, strict=True)) for row in rows]


def _arrivals(row: Mapping[str, str]) -> Iterator[tuple[int, Fact]]:
    """The facts in one row. A copy has its number behind the id and the learner, and follows by a second."""
    arrives_us = to_us(datetime.fromisoformat(row.get("arrives") or "1970-01-01T00:00:00Z"))
    text = {name: row[name] for name in COLUMNS if row.get(name) and name not in ("occurred_at", "recorded_at")}
    at = datetime.fromisoformat(row["occurred_at"])
    if not row.get("copies"):
        yield arrives_us, Fact(at_us=to_us(at), **text)  # type: ignore[arg-type]
        return
    for number in range(1, int(row["copies"]) + 1):
        numbered = {name: f"{text[name]}-{number:03}" for name in ("id", "learner")}
        yield arrives_us, Fact(at_us=to_us(at + timedelta(seconds=number)), **(text | numbered))  # type: ignore[arg-type]
