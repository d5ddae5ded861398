"""The tables of a metered subscription. Each is a question over the relations that `engines` provides.

Instants are UTC. Rows have a total order, so the same facts always print the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollbook.metering.outcome import CLASSES, DISPOSITIONS


@dataclass(frozen=True, slots=True)
class Report:
    """A table by name: its columns with their meaning, and the SQL that fills them."""

    name: str
    columns: Mapping[str, str]
    sql: str


def _instant(column: str) -> str:
    return f"make_timestamp({column}) at time zone 'UTC'"


_WINDOW = {
    "window": "counts from 1 within the term",
    "start": "first instant inside",
    "end": "first instant no longer inside",
}
_COUNTS = {
    "active": "units that were active",
    "new": "of these, never active in an earlier window",
    "continuing": "of these, active in the window before; for a status: held when this window began",
    "reactivated": "of these, active earlier, but not in the window before",
}
_COUNT = ", ".join(f"count(*) filter (class = '{class_}') as {class_}" for class_ in CLASSES)
_SUMS = ", ".join(f"sum(active) filter (class = '{class_}')::bigint as {class_}" for class_ in CLASSES)
_FILLED = ", ".join(f'coalesce("{column}", 0) as "{column}"' for column in _COUNTS)
_BOUNDS = f'{_instant("windows.start_us")} as start, {_instant("windows.end_us")} as "end"'

BY_WINDOW = Report(
    "window",
    _WINDOW | _COUNTS,
    f"""
    select windows.window_number as "window", {_BOUNDS}, {_FILLED}
    from windows
    left join (select window_number, sum(active)::bigint as active, {_SUMS}
               from counts group by window_number) as counted
           on counted.window_number = windows.window_number
    order by windows.window_number
    """,
)

BY_ORGANISATION = Report(
    "organisation",
    _WINDOW | {"organisation": "whose learners"} | _COUNTS,
    f"""
    select windows.window_number as "window", {_BOUNDS}, covered.organisation, {_FILLED}
    from windows
    cross join covered
    left join (select window_number, organisation, count(*) as active, {_COUNT}
               from activations group by window_number, organisation) as counted
           on counted.window_number = windows.window_number and counted.organisation = covered.organisation
    order by windows.window_number, covered.organisation
    """,
)

BY_LEARNER = Report(
    "learner",
    _WINDOW
    | {
        "organisation": "of the proving fact",
        "unit": "the learner, or for a guest the id of the entry",
        "object": "the course or enrolment, where the unit is a learner in one",
        "class": "new, continuing or reactivated",
        "first_at": "first instant of presence inside the window",
        "fact": "id of the proving fact",
        "facts": "facts that counted; for a status: spans that overlap the window",
        "source": "of the proving fact",
        "kind": "learner or guest",
    },
    f"""
    select windows.window_number as "window", {_BOUNDS}, organisation, unit, object, class,
           {_instant("first_us")} as first_at, id as fact, facts, source,
           case when guest then 'guest' else 'learner' end as kind
    from activations
    join windows on windows.window_number = activations.window_number
    order by windows.window_number, first_us, source, id, organisation, unit, object
    """,
)

HOLDINGS = Report(
    "holding",
    {
        "organisation": "of the fact that began it",
        "unit": "the learner",
        "object": "the course or enrolment, where the unit is a learner in one",
        "on": "from this instant",
        "off": "until this instant; empty while it lasts",
        "on_source": "of the fact that began it",
        "on_fact": "its id",
        "off_source": "of the fact that ended it",
        "off_fact": "its id",
    },
    f"""
    select organisation, unit, object, {_instant("on_us")} as "on", {_instant("off_us")} as "off",
           on_source, on_id as on_fact, off_source, off_id as off_fact
    from held
    order by on_us, on_source, on_id, organisation, unit, object
    """,
)

REPORTS = {report.name: report for report in (BY_WINDOW, BY_ORGANISATION, BY_LEARNER, HOLDINGS)}

FATES_SQL = "select fate, count(*) from fates group by fate"


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """Dispositions in the order in which they are explained, without those that never happened."""
    return {disposition: counts[disposition] for disposition in DISPOSITIONS if counts.get(disposition)}
