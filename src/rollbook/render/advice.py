"""Comparisons and estimates: for a terminal, as rows for files, and for a chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollbook.advice.compare import Candidate, Refused
from rollbook.advice.estimate import Estimate
from rollbook.advice.pattern import KINDS
from rollbook.model.instants import from_us, iso
from rollbook.model.money import Money
from rollbook.model.window import Window
from rollbook.render.terminal import say, show
from rollbook.render.words import clean, local, title, windows_in_words

Row = dict[str, Any]


def money(amount: Money | None) -> str:
    """An amount with its currency; a dash where it is not known."""
    return f"{amount.amount:,} {amount.currency}" if amount else "-"


def percent(share: float) -> str:
    """A share as whole percents; what is rare is not shown as never, nor what is likely as certain."""
    if 0 < share < 0.01:  # noqa: PLR2004 - less than one percent
        return "<1 %"
    if 0.99 < share < 1:  # noqa: PLR2004 - nearly all
        return ">99 %"
    return f"{share:.0%}".replace("%", " %")


def table_of(rows: Sequence[Row], columns: Sequence[str]) -> pa.Table:
    """Rows as an Arrow table with these columns, even where there is none."""
    return pa.table({name: pa.array([row[name] for row in rows]) for name in columns})


def filled(columns: Sequence[str], rows: Iterable[Sequence[object]], texts: Sequence[str] = ()) -> Table:
    """A table; numbers to the right, the columns named in `texts` to the left."""
    found = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        found.add_column(name, justify="left" if name in texts else "right", overflow="fold", no_wrap=name not in texts)
    for row in rows:
        found.add_row(*(Text(clean(f"{cell:,}" if isinstance(cell, int) else str(cell))) for cell in row))
    return found


SHORT = {"held": "seats", "term": "a term", "window": "a window"}
"""What an allowance is of, where there is little room."""

COMPARED = (
    "plan",
    "windows",
    "begun",
    "active",
    "sum",
    "peak",
    "allowance",
    "allowance_of",
    "overage",
    "cost",
    "currency",
    "fits",
    "cheapest",
    "cheapest_cost",
    "reason",
)
"""The columns of a comparison: `active` by window; `fits` and `cheapest` are quantities to have bought."""


def comparison_rows(candidates: Iterable[Candidate], refused: Iterable[Refused]) -> list[Row]:
    """A row for each plan; those that were refused have a reason and no figures."""
    rows: list[Row] = []
    for it in candidates:
        cost, best = it.cost, it.best
        rows.append(
            {
                "plan": it.name,
                "windows": len(it.account.windows),
                "begun": len(it.active),
                "active": " ".join(map(str, it.active)),
                "sum": sum(it.active),
                "peak": max(it.active, default=0),
                "allowance": it.allowance,
                "allowance_of": KINDS[it.account.subscription.plan.allowance.per],
                "overage": it.overage,
                "cost": str(cost.amount) if cost else None,
                "currency": it.account.currency,
                "fits": it.enough,
                "cheapest": best.quantity if best else None,
                "cheapest_cost": str(best.cost.amount) if best else None,
                "reason": it.why_no_cost or it.why_not_as_bought,
            }
        )
    nothing: Row = dict.fromkeys(COMPARED)
    rows += (nothing | {"plan": it.name, "reason": f"refused: {it.problem.rule}"} for it in refused)
    return rows


def print_comparison(
    out: Console, candidates: Sequence[Candidate], refused: Sequence[Refused], words: Iterable[str]
) -> None:
    """The plans side by side, and what follows from it."""
    for it in candidates:
        subscription = it.account.subscription
        say(out, title(subscription, it.account.as_of_us), bold=True)
        begun = f"{len(it.active)} of {len(it.account.windows)} windows have begun"
        # A plan's usual term need not be the one that is compared.
        whole = subscription.plan.window.kind == "term" and len(it.account.windows) == 1
        cut = "the whole term" if whole else windows_in_words(subscription.plan)
        say(out, f"  {cut}; {begun}; active: {' '.join(map('{:,}'.format, it.active))}")
    columns = ("plan", "sum", "peak", "allowance", "", "overage", "cost so far", "fits", "cheapest", "at")
    rows = [
        (
            it.name,
            sum(it.active),
            max(it.active, default=0),
            it.allowance,
            SHORT[it.account.subscription.plan.allowance.per],
            it.overage,
            money(it.cost),
            "-" if it.enough is None else it.enough,
            "-" if it.best is None else it.best.quantity,
            money(it.best.cost if it.best else None),
        )
        for it in candidates
    ]
    show(out, filled(columns, rows, ("plan", "")))
    if rows:
        say(
            out,
            "fits: the fewest to have bought so that nothing goes beyond; cheapest: the best to have bought",
        )
    for it in candidates:
        if it.why_no_cost:
            say(out, f"{it.name}: no cost is told, {it.why_no_cost}")
    for plan in refused:
        say(out, f"{plan.name}: refused, and not compared: {plan.problem.rule}; {plan.problem.remedy}")
    for line in words:
        say(out, line)


ESTIMATED = ("window", "start", "end", "expected", "low", "high", "so_far", "so_far_low", "so_far_high", "beyond")
"""The columns of an estimate; `beyond` is the chance that the allowance has been exceeded by the window's end."""


def estimate_rows(found: Estimate) -> list[Row]:
    """A row for each window."""
    return [
        {
            "window": it.window.number,
            "start": iso(it.window.start_us),
            "end": iso(it.window.end_us),
            "expected": round(float(it.active), 2),
            "low": it.low,
            "high": it.high,
            "so_far": round(float(it.so_far), 2),
            "so_far_low": it.low_sum,
            "so_far_high": it.high_sum,
            "beyond": round(float(it.beyond), 4),
        }
        for it in found.windows
    ]


def number(value: float) -> str:
    """A figure with two digits after the point, where it is not whole."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def dates(window: Window, zone: str) -> tuple[str, str]:
    """Its first local day, and the first day after it."""
    return local(window.start_us, zone), local(window.end_us, zone)


def estimate_words(found: Estimate) -> list[str]:
    """What the term will use, in sentences."""
    settings, plan = found.settings, found.subscription.plan
    allowed, unit = found.included + found.bought, KINDS[plan.allowance.per]
    sure = percent(settings.confidence)
    words = [
        f"Expected over the term: {number(float(found.total))}{'' if found.total.denominator > 1 else ', exactly'}."
    ]
    if allowed:
        words.append(f"The allowance ({unit}) is {allowed:,}: {_whether_exceeded(found)}.")
    else:
        words.append("Nothing is included and nothing bought: every unit is beyond the allowance (--quantity).")
    words.append(
        f"To suffice with {sure} confidence: {found.needed:,} ({unit})"
        + (f", {found.included:,} of them included: buy {found.to_buy:,}." if found.included else ".")
    )
    if found.cost:
        cost = found.cost
        words.append(f"Cost with what is bought: {money(cost.expected)}, from {money(cost.low)} to {money(cost.high)}.")
    else:
        words.append("No cost is told: no rate is known (--rates FILE).")
    words.append(
        f"Expected figures are exact; ranges hold the middle {sure} of {settings.runs:,} runs drawn from seed "
        f"{settings.seed}, each learner coming independently of all others."
    )
    return words


def _whether_exceeded(found: Estimate) -> str:
    """What happens to the allowance on average, and in how many of the runs: to the term's, or in any window."""
    average, runs = found.exceeded_on_average, percent(float(found.beyond))
    if found.subscription.plan.allowance.per == "term":
        when = f"on average it is exceeded in window {average.number}" if average else "on average it is not exceeded"
        return f"{when}; in {runs} of the runs it is"
    if average:
        return f"window {average.number} goes beyond it on average; in {runs} of the runs at least one window does"
    return f"the average of every window stays within it; in {runs} of the runs at least one window does not"


def print_estimate(out: Console, found: Estimate) -> None:
    """Window by window, and in words."""
    say(out, title(found.subscription), bold=True)
    zone = found.subscription.zone
    # Only the allowance of a term is used up by all windows together.
    per_term = found.subscription.plan.allowance.per == "term"
    rows = [
        (
            it.window.number,
            *dates(it.window, zone),
            number(float(it.active)),
            f"{it.low:,} to {it.high:,}",
            *((number(float(it.so_far)), f"{it.low_sum:,} to {it.high_sum:,}") if per_term else ()),
            percent(float(it.beyond)),
        )
        for it in found.windows
    ]
    sums = ("so far", "range so far") if per_term else ()
    columns = ("window", "from", "until (excluded)", "expected", "range", *sums, "exceeded by then")
    show(out, filled(columns, rows, ("from", "until (excluded)")))
    for line in estimate_words(found):
        say(out, line)


def chart_rows(candidates: Iterable[Candidate]) -> list[Row]:
    """A row for each plan, window and part: what lies within the allowance, and what beyond it."""
    rows: list[Row] = []
    for it in candidates:
        for window in it.account.windows:
            used = it.account.of(window.number)
            included, overage = sum(one.included for one in used), sum(one.overage for one in used)
            over = "beyond it" if it.allowance else "nothing is included"
            parts = (("within the allowance", 0, included), (over, included, included + overage))
            rows += [
                {
                    "plan": it.name,
                    "from": from_us(window.start_us).isoformat(),
                    "until": from_us(window.end_us).isoformat(),
                    "part": part,
                    "low": low,
                    "high": high,
                }
                for part, low, high in parts
                if high > low
            ]
    return rows


def chart_titles(candidates: Iterable[Candidate]) -> dict[str, str]:
    """By plan, what its bars add up to and cost."""
    found = {}
    for it in candidates:
        subscription, of = it.account.subscription, SHORT[it.account.subscription.plan.allowance.per]
        as_of = (
            f", as of {local(it.account.as_of_us, subscription.zone)}"
            if it.account.as_of_us < subscription.end_us
            else ""
        )
        cost = f"cost so far {money(it.cost)}" if it.cost else "no cost: a rate is not known"
        found[it.name] = (
            f"{subscription.start} until {subscription.end} (excluded){as_of} · sum {sum(it.active):,} · "
            f"allowance {it.allowance:,} {of} · {cost}"
        )
    return found
