"""Who was there, month by month, and which kind of plan that suits (S-19).

    seats               the same people, month after month: what is bought is a person
    credits of a term   more people in some months than in others: what is bought is a person in a month, for any month
    a number a window   other people, but about as many each month: what is bought is a number of people for each month

All plans are measured with one yardstick, months from the term's first day, so that their own windows do not decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rollbook.model.fact import is_status
from rollbook.model.plan import NOTHING_INCLUDED, Meter, Plan, WindowRule

MONTHS_MIN = 3
"""Fewer complete months show no pattern."""

RECURRING_SHARE = Fraction(2, 3)
"""From this share of all presence on, a history is one of people who come back."""

PEAK_TO_MEAN = Fraction(5, 4)
"""Up to this, a month is like any other."""

KINDS: Mapping[str, str] = {
    "held": "seats",
    "term": "credits for the term",
    "window": "a number for each window",
}
"""The kinds of plans, by what the allowance is of."""

ACTIVE_SQL = """
    select window_number, count(distinct (organisation, unit)) from activations where not guest group by window_number
    """
"""(window, how many people) over metered activations."""

HISTOGRAM_SQL = """
    select months, count(*) from (
        select organisation, unit, count(distinct window_number) as months
        from activations where not guest and window_number <= ? group by organisation, unit)
    group by months order by months
    """
"""(in how many windows, how many people) over metered activations, up to a window."""


def yardstick(plans: Sequence[Plan]) -> Plan:
    """A plan that tells who was there in each month: whoever did what one of the plans counts.

    Where plans count no deeds but only how things stand, it is the first of them by months.
    """
    deeds = dict.fromkeys(
        type_
        for plan in plans
        for type_ in (plan.meter.holds.on if plan.meter.holds else plan.meter.counts)
        if not is_status(type_)
    )
    meter = (
        Meter(counts=tuple(deeds))
        if deeds
        else replace(plans[0].meter, member_while=None, unit="learner", dedupe="organisation")
    )
    return replace(
        plans[0],
        id="who-was-there",
        title="Who was there, by months",
        vendor="",
        meter=meter,
        window=WindowRule(kind="anniversary-month", term_months=12),
        allowance=NOTHING_INCLUDED,
        tariff=None,
        digest="",
        text="",
    )


@dataclass(frozen=True, slots=True)
class Pattern:
    """Presence over complete months.

    active    people in each month
    presence  in how many months → how many people were there in so many
    """

    active: tuple[int, ...]
    presence: Mapping[int, int]

    @property
    def people(self) -> int:
        """Different people over all months."""
        return sum(self.presence.values())

    @property
    def total(self) -> int:
        """People in months, added up."""
        return sum(months * people for months, people in self.presence.items())

    @property
    def most(self) -> int:
        """More than half of the months: so many, at least."""
        return len(self.active) // 2 + 1

    @property
    def recurring(self) -> int:
        """People who were there in most months."""
        return sum(people for months, people in self.presence.items() if months >= self.most)

    @property
    def recurring_share(self) -> Fraction:
        """How much of all presence is theirs."""
        theirs = sum(months * people for months, people in self.presence.items() if months >= self.most)
        return Fraction(theirs, self.total) if self.total else Fraction(0)

    @property
    def peak(self) -> int:
        """The most people in a month."""
        return max(self.active, default=0)

    @property
    def peak_to_mean(self) -> Fraction:
        """The busiest month against the average one."""
        return Fraction(self.peak * len(self.active), sum(self.active)) if sum(self.active) else Fraction(0)

    @property
    def suits(self) -> str:
        """What an allowance should be of: `held`, `term` or `window`; '' where the history shows no pattern."""
        if len(self.active) < MONTHS_MIN or not self.total:
            return ""
        if self.recurring_share >= RECURRING_SHARE:
            return "held"
        return "term" if self.peak_to_mean > PEAK_TO_MEAN else "window"


def pattern(active: Iterable[int], histogram: Iterable[tuple[int, int]]) -> Pattern:
    """The pattern of complete months."""
    return Pattern(tuple(active), dict(histogram))


def in_words(found: Pattern) -> tuple[str, ...]:
    """What the history shows, and which kind of plan suits it, in sentences."""
    months = len(found.active)
    if months < MONTHS_MIN:
        return (
            f"Which kind of plan suits: the history has {months} complete months; {MONTHS_MIN} are needed to tell.",
        )
    if not found.total:
        return ("Which kind of plan suits: nobody was there, so nothing can be told.",)
    share, swing = round(float(found.recurring_share) * 100), float(found.peak_to_mean)
    shown = (
        f"{found.recurring:,} of {found.people:,} people were there in at least {found.most} of {months} months, and "
        f"make up {share} % of all presence; the busiest month has {found.peak:,}, {swing:.2f} times the average."
    )
    why = {
        "held": "the same people come back: seats suit, one for each of them",
        "term": "different people, and more in some months than in others: credits for the whole term suit, as "
        "they can be used when they are needed",
        "window": "different people, and about as many each month: a number for each window suits",
    }[found.suits]
    return (shown, f"By habit alone, whatever the prices: {why}.")
