"""What the planner is asked: learners, how often they come, and what a unit costs under each plan.

A price that is not known here can be written in; it is for this page alone and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from rollbook import plans as published
from rollbook.model.money import is_currency
from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription
from rollbook.model.tariff import Rate, Tariff, Tier
from rollbook.server.live import contracts
from rollbook.server.models import Subscription as Row

LEARNERS, LEARNERS_MAX = 200, 1_000_000
RATE = 20
"""What is shown first: learners, and percent of them in a month."""

SLIDER_MAX = 2_000
"""Learners that the slider reaches; the field beside it takes more."""

PRICE_MAX = 1_000_000
CURRENCY = "EUR"


@dataclass(frozen=True, slots=True)
class Choice:
    """A plan with its prices: those that are known, or that were written in; None where neither."""

    plan: Plan
    own: bool
    tariff: Tariff | None
    known: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: the share that comes in a month, from 0 to 1, of so many learners, and plans in order."""

    learners: int
    rate: Fraction
    plans: tuple[Choice, ...]


def plans_for(row: Row) -> tuple[Plan, ...]:
    """The customer's own plan first, then every published one. What was agreed with others is not theirs to see."""
    own = contracts.plan_of(row.plan)
    return (own, *(it for it in published.published() if it.id != own.id))


class PlannerForm(forms.Form):
    """The question. What is left out is what is shown first."""

    learners = forms.IntegerField(label=gettext_lazy("Learners with access"), min_value=1, max_value=LEARNERS_MAX)
    rate = forms.DecimalField(
        label=gettext_lazy("Of them come in a month, in percent"),
        min_value=Decimal("0.1"),
        max_value=Decimal(100),
        decimal_places=1,
        max_digits=4,
    )
    currency = forms.CharField(label=gettext_lazy("Currency"), min_length=3, max_length=3)

    def __init__(self, given: Mapping[str, Any], *, plans: Sequence[Plan], own: Subscription) -> None:
        tariff = own.tariff_at(own.start_us)
        first = {"learners": LEARNERS, "rate": RATE, "currency": tariff.currency if tariff else CURRENCY}
        super().__init__({**first, **{name: value for name, value in given.items() if value}}, auto_id="planner-%s")
        self.own, self.plans = own, tuple(plans)
        for name in ("learners", "rate"):
            self.fields[name].widget.attrs["inputmode"] = "decimal"
        for plan in plans:
            if self._known(plan) is None:
                self.fields[f"price-{plan.id}"] = forms.DecimalField(
                    label=plan.title,
                    required=False,
                    min_value=0,
                    max_value=PRICE_MAX,
                    max_digits=12,
                    decimal_places=4,
                    help_text=_price_of(plan),
                )

    def clean_currency(self) -> str:
        """Three letters that are a currency."""
        found = str(self.cleaned_data["currency"]).upper()
        if not is_currency(found):
            raise forms.ValidationError(gettext("This is no currency: write three letters, such as EUR."))
        return found

    @property
    def prices(self) -> list[forms.BoundField]:
        """The fields of prices that can be written in."""
        return [self[name] for name in self.fields if name.startswith("price-")]

    @property
    def known(self) -> list[Plan]:
        """Plans whose prices are known here."""
        return [it for it in self.plans if self._known(it) is not None]

    def asked(self) -> Asked | None:
        """What was asked, where all of it can be understood."""
        if not self.is_valid():
            return None
        said = self.cleaned_data
        choices = []
        for plan in self.plans:
            tariff = self._known(plan)
            price = said.get(f"price-{plan.id}")
            written = _flat(price, said["currency"], plan) if tariff is None and price is not None else tariff
            choices.append(Choice(plan, plan.id == self.own.plan.id, written, tariff is not None))
        return Asked(said["learners"], Fraction(said["rate"]) / 100, tuple(choices))

    def _known(self, plan: Plan) -> Tariff | None:
        return self.own.tariff_at(self.own.start_us) if plan.id == self.own.plan.id else plan.tariff


def _flat(price: Decimal, currency: str, plan: Plan) -> Tariff:
    """A price for every unit, within what was bought; and beyond it, where the plan charges for that."""
    rate = Rate(shape="flat", tiers=(Tier(1, price),))
    return Tariff(currency=currency, base=rate, overage=rate if plan.limit.policy == "bill" else None)


def _price_of(plan: Plan) -> str:
    """What a price is for."""
    if plan.allowance.per == "held":
        return gettext("for a seat and the whole term")
    if plan.allowance.per == "term":
        return gettext("for a credit of the term")
    return gettext("for one learner in each period")
