"""What a statement's record must look like, and the very subscription that it was reckoned by, rebuilt from it.

The record says what was agreed, and names the plans by the digests of their texts; the texts are handed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

from rollbook.accounting.statement import FORMAT
from rollbook.errors import BookError, Problem
from rollbook.model.keys import Keys
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.subscription import Approval, Change, Quantity, Subscription
from rollbook.model.tariff import Tariff, read_tariff
from rollbook.proof.shapes import MISMATCHES_MAX, Maybe, amount, day, digest, instant, instant_us, mismatches, quantity


def _known_format(value: object) -> None:
    """What a statement calls itself."""
    if value != FORMAT:
        raise ValueError


_LINE = {"window": int, "pool": str, "kind": str, "units": int, "amount": Maybe(amount)}

_RATE = {
    "shape": str,
    "tiers": [{"first": int, "rate": amount, "flat": amount}],
    "size": int,
    "tier_by": str,
}

_QUOTE = {
    "currency": str,
    "floor": int,
    "base": Maybe(_RATE),
    "base_timing": str,
    "base_every": str,
    "base_charged": str,
    "overage": Maybe(_RATE),
}

RECORD = {
    "format": _known_format,
    "number": int,
    "previous": Maybe(digest),
    "customer": str,
    "organisations": [str],
    "assumed": [str],
    "rejected": int,
    "plan": {"id": str, "title": str, "digest": digest},
    "term": {"number": int, "start": day, "end": day, "zone": str},
    "window": Maybe({"number": int, "start": instant, "end": instant}),
    "as_of": instant,
    "consumption": [dict],
    "seats": Maybe(dict),
    "charges": [_LINE | {"key": str, "minimum": int, "parts": [dict], "due": instant}],
    "adjustments": [{"windows": [int], "added": int, "removed": int, "charges": [_LINE], "amount": Maybe(amount)}],
    "currency": str,
    "total": Maybe(amount),
    "evidence": {"rows": int, "root": digest},
    "facts": {"rows": int, "digest": digest},
    "agreed": {
        "plan": dict,
        "start": day,
        "end": day,
        "zone": str,
        "anchor": Maybe(day),
        "organisations": [str],
        "quote": Maybe(_QUOTE),
        "quantities": [(instant_us, quantity, str)],
        "approvals": [(instant_us, quantity)],
        "changes": [(instant_us, dict)],
    },
    "plans": [digest],
}
"""The shape of the record of a closed statement. What is only compared with a recount is not looked into."""


def check_record(value: object, place: str) -> dict[str, Any]:
    """The record, which has its shape. Raises BookError where it has not."""
    found = list(islice(mismatches(value, RECORD), MISMATCHES_MAX))
    if found or not isinstance(value, dict):
        raise BookError(Problem(place, f"this is no statement: {it}", "ask for it again") for it in found)
    return value


def subscription_of(record: Mapping[str, Any], texts: Mapping[str, str], place: str) -> Subscription:
    """The subscription that a record was reckoned by. `texts` are those of plans, by digest.

    Raises BookError, PlanError or SubscriptionError, with every problem, where that cannot be rebuilt.
    """
    agreed = record["agreed"]
    plans = [_plan(name, texts, place) for name in record["plans"]]
    if len(plans) != 1 + len(agreed["changes"]):
        rule = f"it names {len(plans)} plans, and {1 + len(agreed['changes'])} were agreed"
        raise BookError(Problem(f"{place}: plans", rule, _ASK))
    return Subscription(
        plan=plans[0],
        start=date.fromisoformat(agreed["start"]),
        end=date.fromisoformat(agreed["end"]),
        zone=agreed["zone"],
        customer=record["customer"],
        organisations=tuple(agreed["organisations"]) or None,
        anchor=date.fromisoformat(agreed["anchor"]) if agreed["anchor"] else None,
        term=record["term"]["number"],
        quantities=tuple(Quantity(*step) for step in agreed["quantities"]),
        approvals=tuple(Approval(*step) for step in agreed["approvals"]),
        changes=tuple(Change(step[0], plan) for step, plan in zip(agreed["changes"], plans[1:], strict=True)),
        quote=_quote(agreed["quote"], f"{place}: agreed.quote") if agreed["quote"] else None,
    )


_ASK = "ask whoever closed the statement for it again"


def _plan(name: str, texts: Mapping[str, str], place: str) -> Plan:
    text = texts.get(name)
    if text is None:
        raise BookError(Problem(f"{place}: plans", f"the text of plan {name} is missing", _ASK))
    if hashlib.sha256(text.encode()).hexdigest() != name:
        raise BookError(Problem(f"plans/{name}.toml", "its text is not the one that was agreed", _ASK))
    return parse_plan(text, f"plans/{name}.toml")


def _quote(values: Mapping[str, Any], place: str) -> Tariff:
    """The prices for this customer alone, read by the same reader as those of a plan."""
    table: dict[str, Any] = {"currency": values["currency"], "floor": values["floor"]}
    for name in ("base", "overage"):
        if values[name]:
            table[name] = _rate(values[name])
    if "base" in table:
        table["base"] |= {name: values[f"base_{name}"] for name in ("timing", "every", "charged")}
    problems: list[Problem] = []
    found = read_tariff(Keys(table, place, "tariff", problems))
    if problems or found is None:
        raise BookError(problems)
    return found


def _rate(values: Mapping[str, Any]) -> dict[str, Any]:
    tiers = [{"first": it["first"], "rate": Decimal(it["rate"]), "flat": Decimal(it["flat"])} for it in values["tiers"]]
    found: dict[str, Any] = {"shape": values["shape"], "tier_by": values["tier_by"]}
    if values["shape"] in ("volume", "graduated"):
        found["tiers"] = tiers
    elif tiers:
        found["rate"] = tiers[0]["rate"]
    if values["shape"] == "package":
        found["size"] = values["size"]
    return found
