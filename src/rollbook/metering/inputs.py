"""The small tables beside the facts that the query joins: subscriptions, their windows and days, linked identities.

Rows are plain tuples in the order of `COLUMNS`; an engine loads them as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rollbook.metering import calendar
from rollbook.metering.identities import Link, identities
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "subscriptions": {
        "subscription": "integer",
        "start_us": "bigint",
        "end_us": "bigint",
        "as_of_us": "bigint",
        "reset_us": "bigint",
    },
    "covered": {"subscription": "integer", "organisation": "text", "ordinal": "integer"},
    "assumed": {"subscription": "integer", "organisation": "text"},
    "windows": {"subscription": "integer", "window_number": "integer", "start_us": "bigint", "end_us": "bigint"},
    "calendar": {
        "subscription": "integer",
        "day": "integer",
        "from_us": "bigint",
        "to_us": "bigint",
        "window_number": "integer",
    },
    "cuts": {"subscription": "integer", "window_number": "integer", "start_us": "bigint", "end_us": "bigint"},
    "identities": {
        "subscription": "integer",
        "scope": "text",
        "learner": "text",
        "unit": "text",
        "cluster": "text",
        "from_us": "bigint",
        "to_us": "bigint",
        "source": "text",
        "id": "text",
        "next_source": "text",
        "next_id": "text",
    },
}
"""The input tables with the types of their columns; of `cuts` an engine makes the calendar."""

Row = tuple[int | str, ...]


def metered_windows(subscription: Subscription, as_of_us: int) -> tuple[Window, ...]:
    """The windows of the term that have begun; later ones are absent."""
    windows = calendar.windows(subscription)
    if windows[-1].start_us < as_of_us:
        return windows
    return tuple(window for window in windows if window.start_us < as_of_us)


def time_rows(subscriptions: Sequence[Subscription], as_of_us: int, first_us: int) -> dict[str, list[Row]]:
    """The rows of `subscriptions`, `windows` and `cuts`. A subscription is named by its place in the sequence.

    first_us  the first fact: `cuts` reaches back to it, over the terms before this one; of it the calendar is made
    """
    rows: dict[str, list[Row]] = {"subscriptions": [], "windows": [], "cuts": []}
    for number, subscription in enumerate(subscriptions):
        holds = subscription.plan.meter.holds
        reset_us = subscription.start_us if holds and subscription.plan.meter.opens == "in-term" else -1
        rows["subscriptions"].append((number, subscription.start_us, subscription.end_us, as_of_us, reset_us))
        term = metered_windows(subscription, as_of_us)
        rows["windows"] += [(number, window.number, window.start_us, window.end_us) for window in term]
        if not holds:
            all_ = (*calendar.history(subscription, first_us), *term)
            rows["cuts"] += [(number, window.number, window.start_us, window.end_us) for window in all_]
    return rows


def identity_rows(number: int, scope: str, links: Mapping[str, Link]) -> Iterable[Row]:
    """The rows of `identities` for the links in force in one scope of subscription `number`."""
    for row in identities(links):
        began, ends = row.link, row.next_link
        evidence = (began.source if began else "", began.id if began else "")
        next_evidence = (ends.source if ends else "", ends.id if ends else "")
        yield (
            *(number, scope, row.learner, row.unit, row.cluster, row.from_us, row.to_us),
            *(*evidence, *next_evidence),
        )
