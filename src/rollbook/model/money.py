"""Money is a Decimal with a currency, and is rounded once: half a smallest coin goes up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

from babel.numbers import get_currency_precision, list_currencies

CALCULATION_DIGITS = 60
"""Digits of a calculation: more than the longest rate times the largest quantity has, so nothing is lost before."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency (ISO 4217). Different currencies are never added."""

    amount: Decimal
    currency: str

    def __add__(self, other: Money) -> Money:
        with localcontext(prec=CALCULATION_DIGITS):
            return Money(self.amount + other.of(self.currency), self.currency)

    def __sub__(self, other: Money) -> Money:
        with localcontext(prec=CALCULATION_DIGITS):
            return Money(self.amount - other.of(self.currency), self.currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def of(self, currency: str) -> Decimal:
        """The amount, which has to be of a currency. Raises ValueError where it is of another."""
        if self.currency != currency:
            raise ValueError(f"{currency} and {self.currency} cannot be added")
        return self.amount


def is_currency(code: str) -> bool:
    """Whether `code` is a currency of ISO 4217, such as EUR."""
    return code in list_currencies()


def rounded(amount: Decimal, currency: str) -> Money:
    """The amount in whole smallest coins of the currency: 2 digits for EUR, none for JPY. Half a coin goes up."""
    with localcontext(prec=CALCULATION_DIGITS):
        return Money(amount.quantize(Decimal(1).scaleb(-get_currency_precision(currency)), ROUND_HALF_UP), currency)


def total(amounts: Iterable[Money | None], currency: str) -> Money | None:
    """The sum; of nothing it is 0, and with any amount unknown it is unknown."""
    found = list(amounts)
    if not currency or any(amount is None for amount in found):
        return None
    start = rounded(Decimal(0), currency)
    with localcontext(prec=CALCULATION_DIGITS):
        return Money(sum((amount.of(currency) for amount in found if amount is not None), start.amount), currency)
