"""The commands that advise: options in, what was counted to `advice`, and what it says out."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from rollbook import comparing as counting
from rollbook import library
from rollbook.advice import compare as comparing
from rollbook.advice.estimate import Settings
from rollbook.advice.estimate import estimate as estimated
from rollbook.advice.pattern import in_words
from rollbook.advice.scenario import Group, Scenario, parse_scenario, parse_share
from rollbook.cli.metering import Inputs, over_facts
from rollbook.cli.options import (
    End,
    Format,
    Organisation,
    PlanOption,
    QuantityOption,
    Rates,
    Start,
    Zone,
    read_text,
    subscription_of,
)
from rollbook.cli.said import in_words_or_end
from rollbook.errors import Problem, UsageError
from rollbook.model.instants import iso
from rollbook.model.keys import nearest
from rollbook.model.subscription import Subscription
from rollbook.render import advice as shown
from rollbook.render import terminal
from rollbook.render.data import write_csv, write_json

Output = Annotated[Format, typer.Option("--format", help="How the result is written.")]
Confidence = Annotated[
    str, typer.Option(metavar="SHARE", help="Share of runs that ranges, and the plan size, hold: 0.9 or 90%.")
]
Seed = Annotated[int, typer.Option(metavar="NUMBER", help="Where chance begins: the same seed, the same figures.")]
Runs = Annotated[int, typer.Option(metavar="NUMBER", min=100, max=1_000_000, help="How often the term is played.")]

NOT_OF_COMPARE = ("plan", "subscription", "term", "quantity", "rates")
"""Shared options that a comparison has several of, or none."""


def without(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Takes options away from a command over facts; they keep their defaults."""
    defaults = {it.name: it.default for it in fields(Inputs) if it.name in names and it.default is not MISSING}

    def taken(command: Callable[..., None]) -> Callable[..., None]:
        called = over_facts(command)
        kept = [it for it in inspect.signature(called).parameters.values() if it.name not in names]
        own = [it for it in inspect.signature(command, eval_str=True).parameters.values() if it.name in names]
        if own:
            raise TypeError(f"{own[0].name} is taken away and given")

        @wraps(command)
        def calling(**given: Any) -> None:
            called(**given, **defaults)

        vars(calling)["__signature__"] = inspect.Signature(kept)
        calling.__annotations__ = {it.name: it.annotation for it in kept}
        return calling

    return taken


def settings_of(confidence: str, seed: int, runs: int) -> Settings:
    """How chance is played."""
    share = float(parse_share(confidence, "--confidence"))
    if not 0.5 <= share <= 0.999:  # noqa: PLR2004 - less is no promise, and more needs more runs than there are
        raise UsageError(Problem("--confidence", f"{confidence} is out of reach", "give 50% to 99.9%"))
    return Settings(runs=runs, seed=seed, confidence=share)


def write(rows: Sequence[shown.Row], columns: Sequence[str], about: Mapping[str, object], output: Format) -> None:
    """Rows as CSV, or as JSON with what they mean."""
    table = shown.table_of(rows, columns)
    if output is Format.csv:
        write_csv(table, sys.stdout, for_spreadsheets=True)
    else:
        write_json(table, about, sys.stdout)


def about(subscription: Subscription, as_of_us: int | None) -> dict[str, object]:
    """What figures are about."""
    plan = subscription.plan
    return {
        "plan": plan.id,
        "plan_digest": plan.digest,
        "start": subscription.start.isoformat(),
        "end": subscription.end.isoformat(),
        "zone": subscription.zone,
        "as_of": None if as_of_us is None else iso(as_of_us),
    }


# Comparing.


@without(*NOT_OF_COMPARE)
def compare(
    inputs: Inputs,
    plans: Annotated[
        list[str], typer.Option("--plan", metavar="ID|FILE", help="A plan to compare; give at least two.")
    ] = [],
    quantities: Annotated[
        list[str], typer.Option("--quantity", metavar="PLAN=UNITS", help="Units bought under one of the plans.")
    ] = [],
    prices: Annotated[
        list[str],
        typer.Option("--rates", metavar="PLAN=FILE", help="Prices of one of the plans: a file with [tariff]."),
    ] = [],
    chart: Annotated[str, typer.Option(metavar="FILE", help="Draws the plans to this .svg or .png.")] = "",
    output: Output = Format.table,
) -> None:
    """Say what each of several plans would have counted and cost on one's own history, and which suits it."""
    with in_words_or_end():
        _refuse_chart(chart)
        asked = _subscriptions(inputs, plans, quantities, prices)
        months = counting.months_of(asked)
        with inputs.metered(subscription=months) as result:
            history = counting.presence(result)
            candidates, refused = counting.candidates(
                result, asked, engine=inputs.engine.value, assume_members=inputs.assume_members
            )
            words = [
                *comparing.cheapest_first(candidates),
                *comparing.break_evens(candidates),
                f"Who was there, by months from {months.start} ({', '.join(_measured(months))}):",
                *in_words(history),
            ]
            if output is Format.table:
                shown.print_comparison(terminal.console(), candidates, refused, words)
            else:
                each = [about(it.account.subscription, it.account.as_of_us) for it in candidates]
                dispositions = {it.name: dict(it.dispositions) for it in candidates}
                head = {"plans": each, "dispositions": dispositions, "words": words}
                write(shown.comparison_rows(candidates, refused), shown.COMPARED, head, output)
            if chart and candidates:
                # A second to import, and rarely asked for.
                from rollbook.render.advice_chart import write_comparison  # noqa: PLC0415

                write_comparison(shown.chart_rows(candidates), shown.chart_titles(candidates), Path(chart))
            sys.stdout.flush()
            _finish(result, candidates, refused)


def _measured(months: Subscription) -> Sequence[str]:
    meter = months.plan.meter
    return meter.holds.on if meter.holds else meter.counts


def _refuse_chart(chart: str) -> None:
    if chart and Path(chart).suffix not in (".svg", ".png"):
        raise UsageError(Problem("--chart", f"{chart} is neither .svg nor .png", "name the file chart.svg"))


def _subscriptions(
    inputs: Inputs, plans: Sequence[str], quantities: Sequence[str], prices: Sequence[str]
) -> dict[str, Subscription]:
    """Each plan with its quantity and its prices, by the name it was asked for."""
    names = list(dict.fromkeys(plans))
    if len(names) < 2:  # noqa: PLR2004 - a comparison has two sides
        rule = "only one plan is given" if names else "no plan is given"
        raise UsageError(Problem("--plan", rule, "give at least two: --plan A --plan B"))
    units = {name: _units(text) for name, text in _pairs("--quantity", quantities, names).items()}
    files = _pairs("--rates", prices, names)
    return {
        name: subscription_of(
            name,
            inputs.start,
            inputs.end,
            "",
            inputs.zone,
            inputs.organisation,
            quantity=units.get(name, 0),
            rates=files.get(name, ""),
            as_of=inputs.as_of,
        )
        for name in names
    }


def _pairs(option: str, given: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in given:
        name, equals, value = item.rpartition("=")
        if not equals:
            raise UsageError(
                Problem(f"{option} {item}", "it does not say which plan", f"write {option} {names[0]}={item}")
            )
        if name not in names:
            rule = f'"{name}" is not compared{nearest(name, names)}'
            raise UsageError(Problem(f"{option} {item}", rule, "name one of the plans, as it stands after --plan"))
        if name in found:
            raise UsageError(Problem(f"{option} {item}", f"{name} has two", "give one for each plan"))
        found[name] = value
    return found


def _units(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 10**9):
        raise UsageError(Problem("--quantity", f'"{text}" is not a number of units', "write --quantity PLAN=1200"))
    return int(text)


def _finish(
    result: library.Result, candidates: Sequence[comparing.Candidate], refused: Sequence[comparing.Refused]
) -> None:
    """Says what became of every row under each plan, and ends with the code for it."""
    err = terminal.console(stderr=True)
    for it in candidates:
        counted = "; ".join(f"{number:,} {fate}" for fate, number in it.dispositions.items())
        rejected = f"; {result.store.rejected:,} rejected" if result.store.rejected else ""
        terminal.say(err, f"{it.name}: of {result.store.rows:,} rows {counted}{rejected}")
    for plan in refused:
        terminal.say(err, f"{plan.name}: refused: {plan.problem}")
    if not candidates:
        terminal.say(err, "no result: none of the plans can be applied to these facts")
        raise typer.Exit(2)
    if result.store.problems.total or result.conflicts:
        raise typer.Exit(3)


# Estimating.


def estimate(
    plan: PlanOption = "",
    learners: Annotated[int, typer.Option(metavar="NUMBER", help="Learners who have access.")] = 0,
    rate: Annotated[str, typer.Option(metavar="SHARE", help="How many of them come in each window: 8% or 0.08.")] = "",
    scenario: Annotated[str, typer.Option(metavar="FILE", help="Groups of learners, instead of --learners.")] = "",
    start: Start = "",
    end: End = "",
    quantity: QuantityOption = 0,
    rates: Rates = "",
    zone: Zone = "",
    organisation: Organisation = [],
    confidence: Confidence = "0.9",
    seed: Seed = 1,
    runs: Runs = 10_000,
    output: Output = Format.table,
) -> None:
    """Estimate what a planned rollout will use, before anyone has logged in, and the plan size that fits."""
    with in_words_or_end():
        settings = settings_of(confidence, seed, runs)
        planned = _scenario(learners, rate, scenario)
        found = estimated(
            subscription_of(plan, start or _next_month(), end, "", zone, organisation, quantity=quantity, rates=rates),
            planned,
            settings,
            max(len(organisation), 1),
        )
        if planned.guests and found.subscription.plan.meter.guests != "each-entry":
            terminal.say(terminal.console(stderr=True), "note: this plan does not count guests; theirs are left out")
        if output is Format.table:
            shown.print_estimate(terminal.console(), found)
        else:
            head = about(found.subscription, None) | {"words": shown.estimate_words(found)}
            write(shown.estimate_rows(found), shown.ESTIMATED, head, output)
        sys.stdout.flush()


def _next_month() -> str:
    """The first day of the next month."""
    today = datetime.now(UTC).date()
    return today.replace(year=today.year + today.month // 12, month=today.month % 12 + 1, day=1).isoformat()


def _scenario(learners: int, rate: str, file: str) -> Scenario:
    if bool(file) == bool(learners or rate):
        rule = "both were given" if file else "nothing says who will come"
        remedy = "give either --scenario FILE, or --learners 300 --rate 8%"
        raise UsageError(Problem("--scenario, --learners", rule, remedy))
    if file:
        return parse_scenario(read_text(file), file)
    if not 1 <= learners <= 10**9 or not rate:
        raise UsageError(Problem("--learners, --rate", "both are needed", "give --learners 300 --rate 8%"))
    return Scenario((Group(name="learners", learners=learners, rates=(parse_share(rate, "--rate"),)),))
