"""At how many active learners which plan costs least: found from the rates, to the unit.

Between two turning points costs are straight lines, so two of them cross at most once there; where exactly is found
by halving. Rounded coins can move a crossing of nearly parallel lines; it is then told where the rounded costs cross.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rollbook.accounting.account import Account
from rollbook.advice.hindsight import charges_beyond, steady, turning_points
from rollbook.model.money import Money

POINTS_MAX = 20_000
"""Turning points looked at; beyond them, as with very small packages, nothing is said."""


@dataclass(frozen=True, slots=True)
class Reach:
    """From `first` to `last` active units in every window, both included, `winner` costs least; -1 where equal."""

    first: int
    last: int
    winner: int


Cost = Callable[[Account, int], Money | None]
"""What a term costs with so many active in every window."""


def break_even(one: Account, other: Account, most: int, cost: Cost = steady) -> tuple[Reach, ...] | None:
    """Which of two (0 or 1) costs less, for 0 to `most` active units in every window of the term.

    A plan that does not charge for overage is taken with as many units bought as each number needs.
    None where it cannot be told: a rate is not known, currencies differ, organisations have pools of their own.
    """
    if not (comparable(one) and comparable(other) and one.currency == other.currency):
        return None
    points = sorted({*turning_points(one, most), *turning_points(other, most)})
    if len(points) > POINTS_MAX:
        return None
    known: dict[int, int | None] = {}

    def winner(active: int) -> int | None:
        if active not in known:
            known[active] = _winner(cost(one, active), cost(other, active))
        return known[active]

    found = [winner(point) for point in points]
    if any(won is None for won in found):
        return None
    return _joined(points, winner)


def comparable(account: Account) -> bool:
    """Whether its cost follows from the number of active units alone."""
    tariff = account.subscription.tariff_at(account.subscription.start_us)
    if tariff is None or account.subscription.plan.allowance.pool_scope != "customer":
        return False
    # Where overage is not charged, all that has a price is what is bought.
    return charges_beyond(account) or tariff.base is not None


def _winner(first: Money | None, second: Money | None) -> int | None:
    if first is None or second is None:
        return None
    if first.amount == second.amount:
        return -1
    return 0 if first.amount < second.amount else 1


def _joined(points: Sequence[int], winner: Callable[[int], int | None]) -> tuple[Reach, ...]:
    """The reaches, from what holds at each point and where it changes between two."""
    starts = [(points[0], winner(points[0]))]
    for low, high in pairwise(points):
        at = low
        while winner(at) != winner(high):
            at = _change(at, high, winner)
            starts.append((at, winner(at)))
    ends = [start - 1 for start, _ in starts[1:]] + [points[-1]]
    reaches = (Reach(start, end, -1 if won is None else won) for (start, won), end in zip(starts, ends, strict=True))
    return tuple(reaches)


def _change(low: int, high: int, winner: Callable[[int], int | None]) -> int:
    """The first number above `low`, up to `high`, with another winner than at `low`: found by halving."""
    before = winner(low)
    while high - low > 1:
        middle = (low + high) // 2
        if winner(middle) == before:
            low = middle
        else:
            high = middle
    return high
