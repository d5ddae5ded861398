"""Several plans on the facts of one history, counted one after the other: what `rollbook compare` and the server ask.

Facts are read once; each plan meters them anew. What follows from it is `rollbook.advice.compare`'s and `pattern`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from rollbook import library
from rollbook.advice import compare
from rollbook.advice.pattern import ACTIVE_SQL, HISTOGRAM_SQL, Pattern, pattern, yardstick
from rollbook.errors import MembershipUnknownError
from rollbook.model.subscription import Subscription


def months_of(asked: Mapping[str, Subscription]) -> Subscription:
    """The subscription by which a history is read first: who was there, by months, whatever the plans' own windows."""
    first = next(iter(asked.values()))
    measure = yardstick([it.plan for it in asked.values()])
    return replace(first, plan=measure, quantities=(), approvals=(), changes=(), quote=None)


def presence(result: library.Result) -> Pattern:
    """Who was there in complete months. `result` was metered by `months_of`."""
    complete = [it.number for it in result.metered.windows[0] if it.end_us <= result.metered.as_of_us]
    rows = result.metered.rows(ACTIVE_SQL)
    counted = {number: int(str(people)) for number, people in rows}
    rows = result.metered.rows(HISTOGRAM_SQL, [max(complete, default=0)])
    return pattern(
        (counted.get(number, 0) for number in complete),
        ((int(str(months)), int(str(people))) for months, people in rows),
    )


def candidates(
    result: library.Result,
    asked: Mapping[str, Subscription],
    *,
    engine: str = "duckdb",
    assume_members: bool = False,
) -> tuple[list[compare.Candidate], list[compare.Refused]]:
    """Every plan applied to the same facts, or refused."""
    types = {type_ for source in result.store.sources for type_ in source.types}
    found, refused = [], []
    for name, subscription in asked.items():
        problem = compare.never_counts(subscription.plan, types)
        if problem is None:
            try:
                with _metered_again(result, subscription, engine, assume_members=assume_members) as again:
                    found.append(compare.candidate(name, again.account, again.dispositions))
                continue
            except MembershipUnknownError as error:
                problem = error.problems[0]
        refused.append(compare.Refused(name, problem))
    return found, refused


@contextmanager
def _metered_again(
    result: library.Result, subscription: Subscription, engine: str, *, assume_members: bool
) -> Iterator[library.Result]:
    again = library.meter_again(result, subscription, engine=engine, assume_members=assume_members)
    try:
        yield again
    finally:
        if again.metered.connection is not result.store.connection:
            again.metered.connection.close()
