"""What units cost. Every line is rounded once, at its amount; nothing before it is.

A rate is given for a number of units. All arithmetic is in `Decimal`, wide enough to lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import zip_longest

from rollbook.model.money import CALCULATION_DIGITS, Money, rounded
from rollbook.model.tariff import Rate, Tier


@dataclass(frozen=True, slots=True)
class Part:
    """Units at one rate: `units` at `rate` each, and `flat` once. A package counts as one unit."""

    units: int
    rate: Decimal
    flat: Decimal = Decimal(0)

    @property
    def amount(self) -> Decimal:
        """Exactly, before any rounding."""
        with localcontext(prec=CALCULATION_DIGITS):
            return self.units * self.rate + self.flat


@dataclass(frozen=True, slots=True)
class Cliff:
    """`units` cost `amount`, and `more` cost less: `amount_more`."""

    units: int
    amount: Money
    more: int
    amount_more: Money


def parts(rate: Rate, units: int, tier_units: int | None = None) -> tuple[Part, ...]:
    """What so many units cost, by rate. `tier_units` chooses the tier of a volume rate; by default `units` do.

    No units cost nothing.
    """
    if not units:
        return ()
    if rate.shape == "package":
        return (Part(-(-units // rate.size), rate.tiers[0].rate),)
    if rate.shape == "graduated":
        return tuple(_graduated(rate.tiers, units))
    tier = _reached(rate.tiers, units if tier_units is None else tier_units)
    return (Part(units, tier.rate, tier.flat),)


def price(rate: Rate, units: int, tier_units: int | None = None) -> Decimal:
    """The exact price of so many units."""
    with localcontext(prec=CALCULATION_DIGITS):
        return sum((part.amount for part in parts(rate, units, tier_units)), Decimal(0))


def cliffs(rate: Rate, currency: str) -> tuple[Cliff, ...]:
    """Where one unit more would cost less than the tier before it does, each at the last unit of that tier (F-h)."""
    if rate.shape not in ("volume", "graduated") or rate.tier_by != "charged":
        return ()
    found = []
    for tier in rate.tiers[1:]:
        before, after = rounded(price(rate, tier.first - 1), currency), rounded(price(rate, tier.first), currency)
        if after.amount < before.amount:
            found.append(Cliff(tier.first - 1, before, tier.first, after))
    return tuple(found)


def cheaper(rate: Rate, currency: str, units: int) -> Cliff | None:
    """The fewest units, more than `units`, at which everything together would cost less; the lowest such price."""
    if not units or rate.shape not in ("volume", "graduated") or rate.tier_by != "charged":
        return None
    now = rounded(price(rate, units), currency)
    further = [tier.first for tier in rate.tiers if tier.first > units]
    offers = [(rounded(price(rate, more), currency), more) for more in further]
    better = [(offer.amount, more, offer) for offer, more in offers if offer.amount < now.amount]
    if not better:
        return None
    _, more, offer = min(better, key=lambda found: found[:2])
    return Cliff(units, now, more, offer)


def _reached(tiers: Sequence[Tier], units: int) -> Tier:
    """The tier that holds the unit of this number; the first holds none as well."""
    return max((tier for tier in tiers if tier.first <= units), key=lambda tier: tier.first, default=tiers[0])


def _graduated(tiers: Sequence[Tier], units: int) -> Iterator[Part]:
    """Each tier's own units."""
    for tier, following in zip_longest(tiers, tiers[1:]):
        last = min(units, following.first - 1) if following else units
        if last >= tier.first:
            yield Part(last - tier.first + 1, tier.rate, tier.flat)
