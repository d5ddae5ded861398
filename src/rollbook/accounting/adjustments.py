"""A closed window never changes. What arrives later for it is booked on a later statement, as a difference.

The closed windows are metered and rated again by what was agreed for them, and what was booked before is taken off:
charges and adjustments together are always what a fresh rating of all facts says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from rollbook.accounting.charges import Charge
from rollbook.model.money import Money, total


class Line(NamedTuple):
    """What charges are told apart by: the window, the pool, and the kind."""

    window: int
    pool: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sum:
    """Units and money; money is None where a price is not known."""

    units: int = 0
    amount: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What is booked later for closed windows.

    windows           their numbers: one; or all that a pool's balance ties together
    added, removed    units that count now and did not then, and the reverse; each is named in the evidence
    charges           the difference of each line, signed; none where no money moves
    """

    windows: tuple[int, ...]
    added: int = 0
    removed: int = 0
    charges: tuple[tuple[Line, Sum], ...] = ()


def booked(statements: Iterable[Mapping[str, Any]]) -> dict[Line, Sum]:
    """What statements have charged and adjusted, by line. Statements are records, see `statement.record`."""
    found: defaultdict[Line, list[tuple[int, Money | None]]] = defaultdict(list)
    for statement in statements:
        lines = [*statement["charges"], *(line for it in statement["adjustments"] for line in it["charges"])]
        for line in lines:
            amount = None if line["amount"] is None else Money(Decimal(line["amount"]), statement["currency"])
            found[Line(line["window"], line["pool"], line["kind"])].append((line["units"], amount))
    return {key: _summed(sums) for key, sums in found.items()}


def adjustments(
    closed: Iterable[int],
    before: Mapping[Line, Sum],
    now: Iterable[Charge],
    changed: Mapping[int, tuple[int, int]],
    *,
    together: bool,
) -> tuple[Adjustment, ...]:
    """What is to be booked for closed windows.

    before    what was booked for them, see `booked`
    now       what they cost by all that is known now
    changed   units added and removed since, by window
    together  whether one balance runs through them, so that a unit in one moves money in another
    """
    numbers = sorted(closed)
    rated: defaultdict[Line, list[tuple[int, Money | None]]] = defaultdict(list)
    for charge in now:
        if charge.window in numbers:
            rated[Line(charge.window, charge.pool, charge.kind)].append((charge.units, charge.amount))
    moved: list[tuple[Line, Sum]] = []
    for line in sorted({*before, *rated}):
        if line.window in numbers:
            difference = _less(_summed(rated.get(line, [])), before.get(line, Sum()))
            if difference.units or (difference.amount and difference.amount.amount):
                moved.append((line, difference))
    touched = sorted({line.window for line, _ in moved} | {number for number in changed if number in numbers})
    groups = [tuple(touched)] if together and touched else [(number,) for number in touched]
    return tuple(
        Adjustment(
            windows=group,
            added=sum(changed.get(number, (0, 0))[0] for number in group),
            removed=sum(changed.get(number, (0, 0))[1] for number in group),
            charges=tuple((line, difference) for line, difference in moved if line.window in group),
        )
        for group in groups
    )


def _summed(sums: list[tuple[int, Money | None]]) -> Sum:
    units = sum(each for each, _ in sums)
    known = [amount for _, amount in sums if amount is not None]
    return Sum(units, total(known, known[0].currency) if known and len(known) == len(sums) else None)


def _less(now: Sum, before: Sum) -> Sum:
    """The difference; where a line is on one side only, the other side is nothing."""
    units = now.units - before.units
    if now.amount and before.amount:
        return Sum(units, now.amount - before.amount)
    if now.amount and not before.units:
        return Sum(units, now.amount)
    if before.amount and not now.units:
        return Sum(units, Money(-before.amount.amount, before.amount.currency))
    return Sum(units, None)
