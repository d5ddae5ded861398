"""Forecasts and reconciliations: for a terminal, and as rows for files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from rollbook.advice.forecast import Forecast, History
from rollbook.advice.reconcile import GROUPS, Line, Moved
from rollbook.model.instants import iso
from rollbook.model.money import Money
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from rollbook.render.advice import Row, dates, filled, money, percent
from rollbook.render.terminal import ROWS_MAX, say, show
from rollbook.render.words import local, title

FORECAST = ("pool", "window", "start", "end", "allowance", "low", "middle", "high", "beyond")
"""The columns of a forecast; `beyond` is the chance that the allowance is exceeded."""


def forecast_rows(found: Forecast, pool: str) -> list[Row]:
    """A row for each window to come, the running one first."""
    return [
        {
            "pool": pool,
            "window": it.window.number,
            "start": iso(it.window.start_us),
            "end": iso(it.window.end_us),
            "allowance": it.allowance,
            "low": it.low,
            "middle": it.middle,
            "high": it.high,
            "beyond": round(it.beyond, 4),
        }
        for it in found.coming
    ]


def forecast_words(found: Forecast, subscription: Subscription) -> list[str]:
    """What is to be expected, or why nothing can be said, in sentences."""
    history = found.history
    if found.why_not:
        return [f"No forecast: {found.why_not}.", *_already(history)]
    counted = " ".join(map("{:,}".format, history.complete))
    what = "the most seats held in complete months" if history.per == "held" else "complete windows"
    words = [f"Judged by {what}: {counted}; in the one that runs {history.now:,} so far."]
    sure = percent(found.settings.confidence)
    words += _already(history)
    if history.per == "window":
        first = found.coming[0]
        words.append(
            f"Window {first.window.number} will end with {first.low:,} to {first.high:,} ({sure} of runs; allowance "
            f"{first.allowance:,}); it goes beyond in {percent(first.beyond)} of them."
        )
    if not max(history.allowance):
        words.append("Nothing is included and nothing bought: every unit is beyond the allowance (--quantity).")
    elif history.already:
        pass
    elif found.beyond == 0:
        words.append("In no run does anything go beyond the allowance within the term.")
    else:
        words.append(_first_beyond(found, subscription.zone))
    if found.trend and history.per != "held":
        if found.trend > 0:
            words.append("The history keeps rising, which the method does not know: probably more, and earlier.")
        else:
            words.append("The history keeps falling, which the method does not know: probably less, and later.")
    words.append(
        f"Method: {found.settings.runs:,} runs from seed {found.settings.seed}. {METHODS[history.per == 'held']} "
        "No season, no change of plans or people is known to it."
    )
    return words


METHODS = {
    False: "In each it is drawn first which of the complete windows may be drawn at all (as many as there are, so that "
    "some are in it several times and others not); then one of these for each window to come. The running window keeps "
    "what it has, and adds what a drawn one still added from as far into it on.",
    True: "In each it is drawn first which of the changes from one complete month to the next may be drawn at all (as "
    "many as there are, so that some are in it several times and others not); then one of these for each month to "
    "come, the running one among them, which has at least what it has held already.",
}
"""How a forecast is made, by whether it is one of seats."""


def _first_beyond(found: Forecast, zone: str) -> str:
    """When the allowance is exceeded first, and how probably: dates are those of the runs in which it is."""
    what = "window" if found.history.per == "window" else "unit"
    early, middle, late = (
        "" if at_us is None else local(at_us, zone)[:10] for at_us in (found.early_us, found.middle_us, found.late_us)
    )
    sure = percent(found.settings.confidence)
    if found.beyond < 0.5:  # noqa: PLR2004 - what is more likely is said first
        return (
            f"Most probably ({percent(1 - found.beyond)}) no {what} goes beyond the allowance within the term. In the "
            f"other runs the first does so between {early} and {late} ({sure} of these runs)."
        )
    return (
        f"In {percent(found.beyond)} of the runs a {what} goes beyond the allowance within the term: the first is "
        f"expected by {middle}, and {sure} of these runs lie between {early} and {late}."
    )


def _already(history: History) -> list[str]:
    """That the allowance has been exceeded already, where it has."""
    if not history.already:
        return []
    used = history.now + (history.used if history.per == "term" else 0)
    return [f"The allowance of {history.allowance[0]:,} is exceeded already: {used:,} so far."]


def print_forecast(
    out: Console, pools: Sequence[tuple[str, Forecast]], subscription: Subscription, as_of_us: int
) -> None:
    """Each pool by itself."""
    say(out, title(subscription, as_of_us), bold=True)
    for pool, found in pools:
        if len(pools) > 1:
            say(out, f"organisation {pool}", bold=True)
        rows = [
            (
                it.window.number,
                *dates(it.window, subscription.zone),
                it.allowance,
                f"{it.low:,} to {it.high:,}",
                it.middle,
                percent(it.beyond),
            )
            for it in found.coming
        ]
        columns = ("window", "from", "until (excluded)", "allowance", "range", "middle", "exceeded")
        if rows:
            show(out, filled(columns, rows, ("from", "until (excluded)")))
        for line in forecast_words(found, subscription):
            say(out, line)


RECONCILED = (
    "window",
    "group",
    "listed",
    "called",
    "line",
    "learner",
    "organisation",
    "object",
    "source",
    "fact",
    "reason",
)
"""The columns of a reconciliation."""


def reconciled_rows(window: int, lines: Iterable[Line]) -> list[Row]:
    """A row for each of theirs and each of ours."""
    return [{"window": window} | {name: getattr(line, name) for name in RECONCILED[1:]} for line in lines]


def counts(lines: Iterable[Line]) -> dict[str, int]:
    """How many lines each group has."""
    found = dict.fromkeys(GROUPS, 0)
    for line in lines:
        found[line.group] += 1
    return found


def moved_words(it: Moved) -> str:
    """What the difference is worth, in a sentence."""
    numbers = f"we count {it.ours:,}, the vendor lists {it.theirs:,}"
    if it.difference is None:
        return f"{numbers}; what that costs is not told: {it.why_not}."
    worth = it.difference.amount
    says = f"{money(it.difference)} more" if worth > 0 else f"{money(Money(-worth, it.difference.currency))} less"
    says = says if worth else "the same"
    return f"{numbers}; the window costs {money(it.our_cost)} as we count, {money(it.their_cost)} by the list: {says}."


def _listed(line: Line) -> str:
    """What the vendor calls somebody: an id says nothing to a reader without the name beside it."""
    return f"{line.listed} ({line.called})" if line.called else line.listed


def print_reconciled(
    out: Console, subscription: Subscription, as_of_us: int, windows: Sequence[tuple[Window, Sequence[Line], Moved]]
) -> None:
    """Window by window: how many stand where, what that is worth, and everyone who does not stand on both lists."""
    say(out, title(subscription, as_of_us), bold=True)
    for window, lines, moved in windows:
        start, end = dates(window, subscription.zone)
        still = ", not over yet" if as_of_us < window.end_us else ""
        say(out, f"window {window.number}: {start} until {end} (excluded){still}", bold=True)
        say(out, "; ".join(f"{group}: {number:,}" for group, number in counts(lines).items()))
        say(out, moved_words(moved))
        differing = [line for line in lines if line.group != GROUPS[0]]
        rows = [
            (line.group, line.line or "", _listed(line), line.learner, line.fact, line.reason)
            for line in differing[:ROWS_MAX]
        ]
        if rows:
            columns = ("group", "line", "listed", "learner", "fact", "reason")
            show(out, filled(columns, rows, ("group", "listed", "learner", "fact", "reason")))
        if len(differing) > ROWS_MAX:
            say(out, f"and {len(differing) - ROWS_MAX:,} more: --format csv has them all")
