"""A grant is a quantity that can be used from an instant, that one included, until another, that one excluded.

Every allowance is a row of grants: one for each window, lasting that window or some more (rollover); or one for the
term, with more where more is bought. What is used comes out of the grant that ends first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollbook.model.subscription import Subscription
from rollbook.model.window import Window


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """`units` usable within [from_us, until_us), by one pool: '' for the customer's, or an organisation's."""

    until_us: int
    from_us: int
    pool: str
    units: int


def pools(subscription: Subscription, organisations: Sequence[str]) -> tuple[str, ...]:
    """Who shares an allowance: '' for all of the customer, or each organisation by itself."""
    return tuple(organisations) if subscription.plan.allowance.pool_scope == "organisation" else ("",)


def quantity(subscription: Subscription, organisations: Sequence[str], pool: str, window: Window, at_us: int) -> int:
    """What is included and bought at an instant inside a window: the window's version of the plan holds."""
    return included_by_plan(subscription, organisations, window) + subscription.bought(at_us, pool)


def included_by_plan(subscription: Subscription, organisations: Sequence[str], window: Window) -> int:
    """What the plan itself includes for one pool: once, or for each organisation that shares it (W-35)."""
    allowance = subscription.plan_at(window.start_us).allowance
    shared = allowance.per_organisation and allowance.pool_scope == "customer"
    each = len(organisations) if shared else 1
    return allowance.quantity * each


def grants(
    subscription: Subscription, windows: Sequence[Window], organisations: Sequence[str], as_of_us: int
) -> tuple[Grant, ...]:
    """All grants of the term that have begun, those that end first before others."""
    make = _of_term if subscription.plan.allowance.per == "term" else _of_windows
    return tuple(
        sorted(
            grant
            for pool in pools(subscription, organisations)
            for grant in make(subscription, windows, organisations, pool)
            if grant.units and grant.from_us < as_of_us
        )
    )


def _of_windows(
    subscription: Subscription, windows: Sequence[Window], organisations: Sequence[str], pool: str
) -> Iterator[Grant]:
    """One for each window: what is in force at its close holds for all of it (W-h), and for the rollover after it."""
    further = subscription.plan.allowance.rollover_windows
    for index, window in enumerate(windows):
        until = windows[min(index + further, len(windows) - 1)]
        units = quantity(subscription, organisations, pool, window, window.end_us - 1)
        yield Grant(until.end_us, window.start_us, pool, units)


def _of_term(
    subscription: Subscription, windows: Sequence[Window], organisations: Sequence[str], pool: str
) -> Iterator[Grant]:
    """One at the start, and one for each increase at its instant; all end with the term (S-14, A-32)."""
    granted = 0
    for window in windows:
        steps = {step.from_us for step in subscription.quantities if window.contains(step.from_us)}
        for at_us in sorted(steps | {window.start_us}):
            units = quantity(subscription, organisations, pool, window, at_us)
            if units > granted:
                yield Grant(subscription.end_us, at_us, pool, units - granted)
                granted = units
