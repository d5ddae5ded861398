"""Prices in words: what a plan costs, and where more would cost less."""

from __future__ import annotations

from collections.abc import Iterator

from rollbook.accounting.charges import Charge
from rollbook.accounting.rating import Cliff, cliffs
from rollbook.model.tariff import Rate, Tariff
from rollbook.render.statement_words import money


def cliffs_in_words(tariff: Tariff) -> Iterator[str]:
    """Where one unit more costs less than the units before it, for each price of a tariff."""
    for name, rate in (("what is bought", tariff.base), ("beyond the allowance", tariff.overage)):
        for cliff in cliffs(rate, tariff.currency) if rate else ():
            yield f"{name}: {_cliff(cliff)}"


def cheaper_in_words(charge: Charge, cliff: Cliff) -> str:
    """That a charge would be lower for more units."""
    return f"window {charge.window}, {charge.kind}: {_cliff(cliff)}"


def rate_in_words(rate: Rate, currency: str) -> str:
    """A rate: one price, tiers, or packages."""
    if rate.shape == "flat":
        return f"{money(f'{rate.tiers[0].rate:f}', currency)} each"
    if rate.shape == "package":
        return f"{money(f'{rate.tiers[0].rate:f}', currency)} for each {rate.size:,}, begun ones included"
    tiers = ", ".join(
        f"{money(f'{tier.rate:f}', currency)} from {tier.first:,} on"
        + (f" and {money(f'{tier.flat:f}', currency)} once" if tier.flat else "")
        for tier in rate.tiers
    )
    each = "all at the rate reached" if rate.shape == "volume" else "each at the rate of its tier"
    return f"{tiers}; {each}"


def _cliff(cliff: Cliff) -> str:
    before, after = (money(f"{it.amount:f}", it.currency) for it in (cliff.amount, cliff.amount_more))
    return f"{cliff.units:,} cost {before}, and {cliff.more:,} would cost {after}"
