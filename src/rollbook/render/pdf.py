"""A statement as PDF. The same record gives the same bytes, on any machine that has the fonts for its names.

Words are made here and set by a template, which takes them as data: no name is ever read as markup. Labels are
English; amounts, numbers and days are written as the locale has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import as_file, files
from typing import Any

import typst
from babel.dates import format_date
from babel.numbers import format_decimal

from rollbook.model.instants import to_us
from rollbook.render.statement import SEATS, USED
from rollbook.render.statement_words import (
    adjustment_in_words,
    charge_in_words,
    evidence_in_words,
    included_in_words,
    line_in_words,
    local_day,
    meter_of,
    money,
    parts_in_words,
)
from rollbook.render.words import clean, in_words, local

EVIDENCE_ROWS_MAX = 1000
"""Rows of evidence on paper; the rest by number."""

KINDS = {
    "base": "Bought",
    "base-added": "Bought while the period ran",
    "given-back": "Given back while the period ran",
    "overage": "Beyond what is included",
    "all": "Active learners",
}
"""Kinds of charges."""

HEADS = {
    "quantity": "Seats",
    "held_at_start": "Held at the start",
    "taken": "Taken",
    "released": "Released",
    "held_at_end": "Held at the end",
    "peak": "Most at once",
    "ever": "Held at any time",
    "active": "Active",
    "new": "New",
    "continuing": "Continuing",
    "reactivated": "Reactivated",
    "allowance": "Included",
    "included": "Within it",
    "overage": "Beyond",
    "available": "Left",
}
"""What is told of seats, and of any other allowance. A test holds these words against those of pages."""

STANDINGS = {"included": "Included", "beyond": "Extra"}

_EMBEDDED = ((0x20, 0x52F), (0x1E00, 0x1FFF), (0x2000, 0x22FF), (0xFFFD, 0xFFFD))
"""Letters that the template's own fonts have: Latin, Greek, Cyrillic, signs."""

_LEFT, _RIGHT = "left", "right"


def write_pdf(
    record: Mapping[str, Any],
    *,
    digest: str = "",
    before: Iterable[Mapping[str, Any]] = (),
    evidence: Iterable[Mapping[str, Any]] = (),
    locale: str = "en",
) -> bytes:
    """The statement of a record; of one without a number, a preview, and marked so.

    digest    of the record, by which it is known
    before    records of statements before it, which say when the windows were that it adjusts
    evidence  rows to be appended, at most `EVIDENCE_ROWS_MAX` of them
    """
    paper = _Paper(record, {it["window"]["number"]: it for it in before if it["window"]}, locale)
    sections = [*paper.sections(digest), *paper.evidence(list(evidence))]
    made = datetime.fromisoformat(record["as_of"]).astimezone(UTC)
    document = {
        "preview": record["number"] is None,
        "kind": paper.kind,
        "title": clean(record["customer"] or record["plan"]["title"] or record["plan"]["id"]),
        "footer": clean(" · ".join(part for part in (record["customer"], record["plan"]["title"], paper.kind) if part)),
        "date": {"year": made.year, "month": made.month, "day": made.day},
        "total": paper.total,
        "about": list(paper.about()),
        "sections": sections,
    }
    data = json.dumps(document, ensure_ascii=False)
    with as_file(files("rollbook.render") / "typst" / "statement.typ") as template:
        # Fonts of the machine are looked for only where a name needs them: elsewhere the bytes are the same everywhere.
        found: bytes = typst.compile(
            template, sys_inputs={"data": data}, ignore_system_fonts=_is_embedded(data), timestamp=int(made.timestamp())
        )
    return found


def _is_embedded(text: str) -> bool:
    return all(any(first <= ord(letter) <= last for first, last in _EMBEDDED) for letter in set(text))


class _Paper:
    """The words of one statement."""

    def __init__(self, record: Mapping[str, Any], closed: Mapping[int, Mapping[str, Any]], locale: str) -> None:
        self.record, self.closed, self.locale = record, closed, locale
        self.zone: str = record["term"]["zone"]

    @property
    def kind(self) -> str:
        number = self.record["number"]
        if number is None:
            return "Preview of a statement"
        return f"Statement {number}" if self.record["window"] else f"Statement {number}: a note after the term"

    def about(self) -> Iterator[tuple[str, str]]:
        """What the statement is about: who, which plan, when, and what counts."""
        record = self.record
        plan, term, window = record["plan"], record["term"], record["window"]
        first, end = (date.fromisoformat(term[name]) for name in ("start", "end"))
        yield "Customer", clean(record["customer"]) or "not named"
        if names := [name for name in record["organisations"] if name]:
            yield "Organisations", clean(", ".join(names))
        yield "Plan", clean(f"{plan['title']} ({plan['id']})")
        yield "Term", f"{self._days(first, end)} (term {term['number']})"
        if window:
            yield "Billing period", f"{self._window(record)} (period {window['number']} of the term)"
        else:
            yield "Billing period", "none: this note corrects periods that were closed before"
        yield "Midnights", f"in {self.zone}"
        yield "What counts", clean(in_words(meter_of(record)))
        yield "Included", included_in_words(record, "period")
        yield "Counted until", f"{self._moment(record['as_of'])} (excluded)"

    def sections(self, digest: str) -> Iterator[dict[str, Any]]:
        """Everything below the heading."""
        if self.record["window"]:
            yield {"heading": "Seats" if self.record["seats"] else "Active learners", "table": self._used()}
            yield self._charges()
        yield from self._adjustments()
        yield {"sum": self.total}
        yield self._proof(digest)

    def _used(self) -> dict[str, Any]:
        if seats := self.record["seats"]:
            names = [name for name in SEATS if name in seats]
            rows = [[self._number(seats[name]) for name in names]]
            return _table([(HEADS | {"available": "Free"})[name] for name in names], rows, numbers=len(names))
        pools = self.record["consumption"]
        named = ["Organisation"] if any(used["pool"] for used in pools) else []
        rows = [[*([clean(used["pool"])] if named else []), *(self._number(used[it]) for it in USED)] for used in pools]
        return _table([*named, *(HEADS[name] for name in USED)], rows, numbers=len(USED))

    def _charges(self) -> dict[str, Any]:
        record, currency = self.record, self.record["currency"]
        if not record["charges"]:
            return {"heading": "Charges", "note": "Nothing is charged for this period."}
        rows = [
            [
                clean(charge_in_words(charge, record, KINDS)),
                self._number(charge["units"]),
                parts_in_words(charge, currency, self.locale),
                self._day(local_day(charge["due"], record)),
                money(charge["amount"], currency, self.locale),
            ]
            for charge in record["charges"]
        ]
        shown: dict[str, Any] = {
            "heading": "Charges",
            "table": _priced(["For", "Quantity", "Rates", "Due", "Amount"], rows),
        }
        if any(charge["amount"] is None for charge in record["charges"]):
            shown["note"] = "Where no price is known there is no amount; quantities are as counted."
        return shown

    def _adjustments(self) -> Iterator[dict[str, Any]]:
        record, currency = self.record, self.record["currency"]
        rows = []
        for it in record["adjustments"]:
            when = [
                f"period {number}: {self._window(self.closed[number])}"
                for number in it["windows"]
                if number in self.closed
            ]
            what = f"{adjustment_in_words(it, 'period')} ({'; '.join(when)})"
            rows.append([what, "", "" if it["charges"] else "no charge"])
            rows += [
                [
                    f"\N{EM SPACE}Period {moved['window']}: {clean(line_in_words(moved, record, KINDS))}",
                    self._number(moved["units"], signed=True),
                    money(moved["amount"], currency, self.locale),
                ]
                for moved in it["charges"]
            ]
        if rows:
            note = "What arrived after a period was closed. Closed statements stay as they are; the difference is here."
            table = _table(["For", "Quantity", "Amount"], rows, numbers=2)
            yield {"heading": "Adjustments of periods closed before", "note": note, "table": table}

    @property
    def total(self) -> dict[str, Any]:
        """What is owed; on paper as a credit where it is below nothing."""
        amount = self.record["total"]
        if amount is None:
            return {"label": "Total", "amount": "no price is known", "known": False}
        label = "Accrued so far" if self.record["number"] is None else "Credit" if Decimal(amount) < 0 else "Total"
        return {"label": label, "amount": money(amount, self.record["currency"], self.locale), "known": True}

    def _proof(self, digest: str) -> dict[str, Any]:
        record = self.record
        if record["number"] is None:
            return {"heading": "How to verify", "note": "A preview proves nothing. The closed statement will."}
        digests = {
            "This statement": digest,
            "The one before": record["previous"] or "none",
            "Evidence": record["evidence"]["root"],
            "Activities": record["facts"]["digest"],
            "Plan": record["plan"]["digest"],
        }
        new = record["facts"]["rows"]
        came = f"{self._number(new)} that arrived since" if new else "none has arrived since"
        note = (
            f"This statement rests on the activities (facts) of the statements before it, and {came}. It lists "
            f"{self._number(record['evidence']['rows'])} rows of evidence, each with the activity that proves it. "
            "Whoever has its bundle can count anew: rollbook verify BUNDLE. Digests are SHA-256."
        )
        if record["rejected"]:
            rows = self._number(record["rejected"])
            note = f"INCOMPLETE: {rows} rows were rejected when this was counted, and count nowhere in it. {note}"
        return {"heading": "How to verify", "note": note, "digests": [it for it in digests.items() if it[1]]}

    def evidence(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The appendix."""
        if not rows:
            return
        total = self.record["evidence"]["rows"]
        note = f"{self._number(total)} rows."
        if total > len(rows):
            note = f"The first {self._number(len(rows))} of {self._number(total)} rows; a file of the evidence has all."
        shown = [[str(row["window"]), *self._evidence(row)] for row in rows]
        headers = [
            "Period",
            "Organisation",
            "Learner",
            "New or returning",
            "Counts since",
            "Proof",
            "Included or extra",
        ]
        widths = [0, 2, 3, 0, 0, 3, 0]
        table = {"headers": headers, "rows": shown, "widths": widths, "aligns": [_RIGHT, *[_LEFT] * 6], "size": 8}
        yield {"heading": "Evidence", "note": note, "table": table}

    def _evidence(self, row: Mapping[str, Any]) -> list[str]:
        organisation, unit, class_, first, proof, standing = map(clean, evidence_in_words(row, self.record))
        return [organisation, unit, class_.capitalize(), first, proof, STANDINGS.get(standing, standing.capitalize())]

    def _window(self, record: Mapping[str, Any]) -> str:
        start, until = (local_day(record["window"][name], record) for name in ("start", "end"))
        return self._days(start, until)

    def _days(self, first: date, end: date) -> str:
        last = date.fromordinal(end.toordinal() - 1)
        return f"{self._day(first)} to {self._day(last)}, both included"

    def _day(self, day: date) -> str:
        return format_date(day, "long", locale=self.locale)

    def _moment(self, instant: str) -> str:
        return f"{local(to_us(datetime.fromisoformat(instant)), self.zone)}, {self.zone}"

    def _number(self, number: int, *, signed: bool = False) -> str:
        sign = "+" if signed and number > 0 else ""
        return sign + str(format_decimal(Decimal(number), locale=self.locale))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int) -> dict[str, Any]:
    """A table whose last columns are numbers."""
    texts = len(headers) - numbers
    widths = [1] * len(headers) if not texts else [*[1] * texts, *[0] * numbers]
    return {"headers": headers, "rows": rows, "widths": widths, "aligns": [*[_LEFT] * texts, *[_RIGHT] * numbers]}


def _priced(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {
        "headers": headers,
        "rows": rows,
        "widths": [3, 0, 3, 0, 0],
        "aligns": [_LEFT, _RIGHT, _LEFT, _LEFT, _RIGHT],
    }
