"""A statement in words and figures that people read: the same on a terminal, on paper and in a list of charges."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.core import UnknownLocaleError
from babel.numbers import format_currency, format_decimal

from rollbook.errors import Problem, UsageError
from rollbook.model.instants import to_us
from rollbook.model.plan import Exemption, Meter, State
from rollbook.render.words import local

CHARGES = {
    "base": "bought",
    "base-added": "bought while the window ran",
    "given-back": "given back while the window ran",
    "overage": "beyond the allowance",
    "all": "active learners",
}
"""Kinds of charges, in words; `all` where nothing is included."""


def known_locale(name: str) -> str:
    """A locale by which amounts and dates are written, such as `de` or `en_GB`. Raises UsageError for any other."""
    try:
        return str(Locale.parse(name.replace("-", "_")))
    except (UnknownLocaleError, ValueError, TypeError):
        rule = f'there is no locale "{name}"'
        raise UsageError(Problem("--locale", rule, "give a language, or one with a country: en, de, pt_BR")) from None


def heading(record: Mapping[str, Any]) -> str:
    """What a statement is, in one line."""
    number = f"Statement {record['number']}" if record["number"] else "Preview, not closed"
    if record["window"]:
        return f"{number} · window {record['window']['number']}, {period(record)}"
    return f"{number} · a note after the term"


def period(record: Mapping[str, Any]) -> str:
    """The window's first local day, and the first no longer inside it."""
    start, end = (local_day(record["window"][name], record) for name in ("start", "end"))
    return f"{start} until {end} (excluded), {record['term']['zone']}"


def local_day(instant: str, record: Mapping[str, Any]) -> date:
    """The day of an instant where the statement's windows begin."""
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(record["term"]["zone"])).date()


def booked_on(record: Mapping[str, Any]) -> date:
    """The day from which on what a statement adjusts is owed: its window's end, or of a note when it was written."""
    return local_day(record["window"]["end"] if record["window"] else record["as_of"], record)


def money(amount: str | None, currency: str, locale: str = "en") -> str:
    """An amount as people write it; a dash where no price is known."""
    if amount is None or not currency:
        return "-"
    return str(format_currency(Decimal(amount), currency, locale=locale, decimal_quantization=False))


def charge_in_words(charge: Mapping[str, Any], record: Mapping[str, Any], kinds: Mapping[str, str] = CHARGES) -> str:
    """What a charge is for. `kinds` are other words for kinds of charges."""
    words = line_in_words(charge, record, kinds)
    return words + (f" (of these {charge['minimum']:,} up to the minimum)" if charge.get("minimum") else "")


def moved_in_words(moved: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """What a line of an adjustment corrects."""
    return f"window {moved['window']}: {line_in_words(moved, record)}"


def line_in_words(line: Mapping[str, Any], record: Mapping[str, Any], kinds: Mapping[str, str] = CHARGES) -> str:
    """What a line of money is for, without the window that it corrects."""
    nothing_included = not record["agreed"]["plan"]["allowance"]["quantity"] and not record["agreed"]["quantities"]
    words = kinds["all" if line["kind"] == "overage" and nothing_included else line["kind"]]
    if line["kind"] == "base-added" and line["units"] < 0:
        words = kinds["given-back"]
    return words + (f", {line['pool']}" if line["pool"] else "")


def parts_in_words(charge: Mapping[str, Any], currency: str, locale: str = "en") -> str:
    """How an amount came about: units at rates."""
    words = []
    for part in charge["parts"]:
        rate, flat = money(part["rate"], currency, locale), Decimal(part["flat"])
        units = format_decimal(part["units"], locale=locale)
        words.append(f"{units} x {rate}" + (f" + {money(part['flat'], currency, locale)}" if flat else ""))
    return " + ".join(words)


def adjustment_in_words(adjustment: Mapping[str, Any], window: str = "window") -> str:
    """What an adjustment corrects. `window` is what one is called."""
    numbers = adjustment["windows"]
    if len(numbers) == 1:
        windows = f"{window} {numbers[0]}"
    else:
        windows = f"{window}s " + ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
    changed = [f"{adjustment[name]:,} {name}" for name in ("added", "removed") if adjustment[name]]
    return f"{windows}, closed before: {' and '.join(changed) or 'nobody added or removed'}"


def meter_of(record: Mapping[str, Any]) -> Meter:
    """The meter that was agreed."""
    plain = dict(record["agreed"]["plan"]["meter"])
    for name in ("holds", "member_while"):
        if plain[name]:
            plain[name] = State(on=tuple(plain[name]["on"]), off=tuple(plain[name]["off"]))
    plain["exempt"] = tuple(Exemption(it["role"], tuple(it["unless_modes"])) for it in plain["exempt"])
    return Meter(**plain | {"counts": tuple(plain["counts"])})


def included_in_words(record: Mapping[str, Any], window: str = "window") -> str:
    """What is included, for how long, and who shares it. `window` is what one is called."""
    allowance = record["agreed"]["plan"]["allowance"]
    bought = [units for _, units, _ in record["agreed"]["quantities"]]
    of = {"window": f"in each {window}", "term": "for the term", "held": "at a time"}[allowance["per"]]
    each = " for each organisation" if allowance["per_organisation"] else ""
    parts = [f"{allowance['quantity']:,} by the plan{each}"] if allowance["quantity"] else []
    parts += ["what is bought"] if bought else []
    if not parts:
        return "nothing; whatever counts is beyond it"
    shared = "; each organisation has its own" if allowance["pool_scope"] == "organisation" else ""
    rolls = allowance["rollover_windows"]
    kept = f"; what is unused stays usable for {rolls} more {window}{'s' * (rolls > 1)}" if rolls else ""
    return f"{' and '.join(parts)}, {of}{shared}{kept}"


def evidence_in_words(row: Mapping[str, Any], record: Mapping[str, Any]) -> tuple[str, ...]:
    """(organisation, unit, class, first instant, proving fact, standing) of a row of evidence."""
    return (
        row["organisation"],
        f"{row['unit']} · {row['object']}" if row["object"] else row["unit"],
        row["class"],
        local(to_us(row["first_at"]), record["term"]["zone"]),
        f"{row['source']}: {row['fact']}" if row["source"] else row["fact"],
        row["standing"],
    )
