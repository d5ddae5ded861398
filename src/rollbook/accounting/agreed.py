"""What was agreed for windows that are closed, so that nobody changes it behind their back.

A quantity may rise and a plan change at any time, but never for a closed window (W-40): what a subscription says about
the time before an instant must stay what it said when that time was closed.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription


def agreed(subscription: Subscription, until_us: int) -> dict[str, Any]:
    """What a subscription says about the time before an instant, as plain values that can be written and compared."""
    return {
        "plan": _of_plan(subscription.plan),
        "start": subscription.start.isoformat(),
        "end": subscription.end.isoformat(),
        "zone": subscription.zone,
        "anchor": subscription.anchor.isoformat() if subscription.anchor else None,
        "organisations": list(subscription.organisations or ()),
        "quote": _plain(asdict(subscription.quote)) if subscription.quote else None,
        "quantities": [
            [it.from_us, it.units, it.organisation] for it in subscription.quantities if it.from_us < until_us
        ],
        "approvals": [[it.from_us, it.seats] for it in subscription.approvals if it.from_us < until_us],
        "changes": [[it.from_us, _of_plan(it.plan)] for it in subscription.changes if it.from_us < until_us],
    }


def plans_until(subscription: Subscription, until_us: int) -> tuple[Plan, ...]:
    """The plan and its later versions, in the order in which `agreed` says them."""
    return (subscription.plan, *(it.plan for it in subscription.changes if it.from_us < until_us))


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The names of what is not the same."""
    return [name for name in before if before[name] != now.get(name)]


def _of_plan(plan: Plan) -> dict[str, Any]:
    """What bears on figures; titles and summaries may be put better at any time."""
    return {
        "id": plan.id,
        "meter": _plain(asdict(plan.meter)),
        "window": _plain(asdict(plan.window)),
        "allowance": _plain(asdict(plan.allowance)),
        "limit": _plain(asdict(plan.limit)),
        "tariff": _plain(asdict(plan.tariff)) if plan.tariff else None,
    }


def _plain(value: Any) -> Any:
    """Values of JSON: an amount becomes text without needless zeros."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else value
