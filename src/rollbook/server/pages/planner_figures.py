"""What the planner shows of an estimate and of a history: lines of its table, its chart, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from django.utils.translation import gettext, ngettext

from rollbook.advice import compare
from rollbook.advice import rollout as advice
from rollbook.advice.break_even import Reach
from rollbook.advice.estimate import Estimate, Settings, estimate
from rollbook.advice.hindsight import with_quantity
from rollbook.advice.rollout import Offer, Refused, Rollout
from rollbook.model.instants import from_us
from rollbook.model.money import Money
from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription
from rollbook.render.statement_words import money
from rollbook.server.live.history import Compared
from rollbook.server.pages import charts, reading
from rollbook.server.pages.planner_form import Asked, Choice
from rollbook.server.pages.sentences import told

SETTINGS = Settings(runs=300)
"""All plans together take a tenth of a second; what is told is no finer than one in a hundred."""

LINES = ("s-used", "s-over", "s-reactivated", "s-new", "s-open")
"""Colours of a chart: so many plans are drawn, the cheapest."""

BREAK_EVENS_MAX = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One plan. `low` to `high` is the range of the units that its allowance is of; `buy` on top of what it includes.

    risk       of going beyond what is included and bought, in words; `as_bought` the same with what is bought today
    price      of one, in words, where one price holds for all
    cost       of the year, or of the term so far, with what is to buy
    why        why there is no figure
    """

    plan: Plan
    own: bool
    per: str
    expected: float = 0
    low: int = 0
    high: int = 0
    included: int = 0
    buy: int | None = None
    price: str = ""
    risk: str = ""
    bought: int = 0
    as_bought: str = ""
    cost: Money | None = None
    why: str = ""
    remedy: str = ""

    @property
    def needed(self) -> int | None:
        """What is included and what is to buy."""
        return None if self.buy is None else self.included + self.buy


def next_year(zone: str, now_us: int) -> tuple[date, date]:
    """From the first of the next month on."""
    today = from_us(now_us).astimezone(ZoneInfo(zone)).date()
    start = today.replace(day=1) + relativedelta(months=1)
    return start, start + relativedelta(years=1)


def rollout(year: Subscription, asked: Asked, bought: int = 0) -> dict[str, Any]:
    """Every plan on what is planned. `year` is the term, by the agreement that there is; `bought` units of it."""
    planned = Rollout(asked.learners, asked.rate, year.organisations or ())
    offers: list[tuple[Choice, Offer]] = []
    lines = []
    for choice in asked.plans:
        on = replace(year, plan=choice.plan, quote=choice.tariff)
        found = _offer(on, planned)
        if isinstance(found, Refused):
            lines.append(
                Line(choice.plan, choice.own, "", why=told(found.problem.rule), remedy=told(found.problem.remedy))
            )
            continue
        offers.append((choice, found))
        lines.append(_line(choice, found, _as_bought(on, planned, bought) if choice.own and bought else None, bought))
    priced = [it for choice, it in offers if choice.tariff]
    most = max(asked.learners * 2, 10)
    return {
        "lines": sorted(lines, key=_cheapest_first),
        "refused": [it for it in lines if it.why],
        "year": year,
        "planned": planned,
        "percent": float(asked.rate * 100),
        "priced": bool(priced),
        "chart": _chart(priced, planned, most),
        "sentences": list(_sentences(priced, planned, most)),
        "settings": SETTINGS,
        "confidence": SETTINGS.confidence * 100,
    }


@lru_cache(maxsize=300)
def _offer(on: Subscription, planned: Rollout) -> Offer | Refused:
    return advice.offer(on, planned, SETTINGS)


def _as_bought(on: Subscription, planned: Rollout, bought: int) -> Estimate:
    held = with_quantity(on, bought)
    return estimate(held, advice.scenario(held, planned), SETTINGS, max(len(planned.organisations), 1))


def _line(choice: Choice, it: Offer, as_bought: Estimate | None, bought: int) -> Line:
    per = it.plan.allowance.per
    last, first = it.found.windows[-1], it.found.windows[0]
    by_term = per == "term"
    return Line(
        plan=it.plan,
        own=choice.own,
        per=per,
        expected=_plainly(float(last.so_far if by_term else first.active)),
        low=last.low_sum if by_term else first.low,
        high=last.high_sum if by_term else first.high,
        included=it.found.included,
        buy=it.found.to_buy,
        price=_price(choice),
        risk=risk(float(it.fitted.beyond)),
        bought=bought if as_bought else 0,
        as_bought=risk(float(as_bought.beyond)) if as_bought else "",
        cost=it.fitted.cost.expected if choice.tariff and it.fitted.cost else None,
    )


def _plainly(people: float) -> float:
    """An average of people as whole ones; below ten the tenth says something."""
    return round(people, 1) if people < 10 else round(people)  # noqa: PLR2004


def _price(choice: Choice) -> str:
    tariff = choice.tariff
    if tariff is None or tariff.base is None or tariff.base.shape != "flat":
        return ""
    price = money(f"{tariff.base.tiers[0].rate:f}", tariff.currency, str(reading.locale()))
    return gettext("%(price)s each") % {"price": price}


def risk(share: float) -> str:
    """A share as whole percents; what is rare is not shown as never, nor what is likely as certain."""
    if 0 < share < 0.01:  # noqa: PLR2004 - less than one percent
        return f"< {reading.percent(1)}"
    if 0.99 < share < 1:  # noqa: PLR2004 - nearly all
        return f"> {reading.percent(99)}"
    return reading.percent(round(share * 100))


def _cheapest_first(it: Line) -> tuple[bool, bool, Any]:
    return not it.own, it.cost is None, it.cost.amount if it.cost else 0


def _chart(priced: Sequence[Offer], planned: Rollout, most: int) -> charts.Chart | None:
    """Costs over numbers of learners, of plans in one currency."""
    found = [(it, advice.cost_curve(it, planned, most)) for it in priced]
    drawn = [(it, curve) for it, curve in found if curve]
    currencies = {curve[0][1].currency for _, curve in drawn}
    if len(currencies) != 1:
        return None
    [currency] = currencies
    drawn = sorted(drawn, key=lambda pair: pair[1][-1][1].amount)[: len(LINES)]
    curves = [
        charts.Curve(kind, tuple((n / most, float(cost.amount)) for n, cost in curve))
        for kind, (_, curve) in zip(LINES, drawn, strict=False)
    ]
    labels = [(part / 4, reading.number(most * part // 4)) for part in range(5)]
    title = gettext("Cost of a year over learners with access")
    words = gettext("In %(currency)s. As much is bought as the average needs.") % {"currency": currency}
    legend = [(f"line {kind}", it.plan.title) for kind, (it, _) in zip(LINES, drawn, strict=False)]
    return charts.curves("planner-cost", title, words, curves, labels, legend)


def _sentences(priced: Sequence[Offer], planned: Rollout, most: int) -> Iterator[str]:
    """Where two plans cost the same."""
    for number, (one, other, reaches) in enumerate(advice.break_evens(priced, planned.organisations, most)):
        if number < BREAK_EVENS_MAX:
            names = one.plan.title, other.plan.title
            # That nobody costs nothing under either goes without saying.
            yield f"{names[0]} / {names[1]}: {'; '.join(_reach(names, it) for it in reaches if it.last)}."


def _reach(names: tuple[str, str], it: Reach) -> str:
    where = {
        "first": reading.number(it.first),
        "last": reading.number(it.last),
        "plan": names[max(it.winner, 0)],
    }
    if it.first == it.last:
        if it.winner < 0:
            return gettext("with %(first)s active in every period they cost the same") % where
        return gettext("with %(first)s active in every period %(plan)s costs less") % where
    if it.winner < 0:
        return gettext("with %(first)s to %(last)s active in every period they cost the same") % where
    return gettext("with %(first)s to %(last)s active in every period %(plan)s costs less") % where


def history(own: Subscription, found: Compared, asked: Asked) -> dict[str, Any]:
    """Every plan on the term so far."""
    tariffs = {it.plan.id: it for it in asked.plans}
    lines = [_of_history(own, it, tariffs[it.name]) for it in found.candidates]
    lines += [
        Line(tariffs[it.name].plan, tariffs[it.name].own, "", why=told(it.problem.rule), remedy=told(it.problem.remedy))
        for it in found.refused
    ]
    return {
        "lines": sorted(lines, key=_cheapest_first),
        "refused": [it for it in lines if it.why],
        "own": own,
        "at": found.as_of_us,
        "presence": found.presence,
        "share": float(found.presence.recurring_share * 100),
        "swing": round(float(found.presence.peak_to_mean) * 100),
        "learners": found.presence.people,
        "rate": _rate(found),
        "rate_said": str(_rate(found)),
        "priced": any(it.tariff for it in asked.plans),
    }


def _rate(found: Compared) -> float:
    """Of all who were ever there, how many percent in a month: what the other tab may be asked with."""
    months, people = len(found.presence.active), found.presence.people
    return round(100 * sum(found.presence.active) / (months * people), 1) if months and people else 0


def _of_history(own: Subscription, it: compare.Candidate, choice: Choice) -> Line:
    account = it.account
    if choice.tariff and not choice.own:
        priced = replace(account, subscription=replace(account.subscription, quote=choice.tariff))
        it = compare.candidate(it.name, priced, it.dispositions)
    per = choice.plan.allowance.per
    active = it.active
    return Line(
        plan=choice.plan,
        own=choice.own,
        per=per,
        expected=sum(active) if per == "term" else max(active, default=0),
        included=0,
        buy=it.enough,
        bought=own.bought(min(account.as_of_us, own.end_us - 1)) if choice.own else 0,
        as_bought=_beyond(it) if choice.own else "",
        cost=it.fitting,
    )


def _beyond(it: compare.Candidate) -> str:
    if not it.overage:
        return gettext("nothing went beyond it")
    words = ngettext("%(n)s went beyond it", "%(n)s went beyond it", it.overage)
    return words % {"n": reading.number(it.overage)}
