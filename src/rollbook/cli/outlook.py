"""The commands that look ahead, and at somebody else's list: options in, what was counted to `advice`, answers out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

import typer

from rollbook import library, reconciling
from rollbook.accounting.grants import pools
from rollbook.advice import forecast as forecasting
from rollbook.advice import reconcile as lists
from rollbook.cli.advice import Confidence, Output, Runs, Seed, about, settings_of, write
from rollbook.cli.metering import Inputs, over_facts
from rollbook.cli.options import Format
from rollbook.cli.said import finish, in_words_or_end
from rollbook.errors import Problem, UsageError
from rollbook.intake import read_people
from rollbook.intake.vendor_list import VendorList, read_vendor_list
from rollbook.metering.identities import FOREVER_US, accept, unit_at
from rollbook.metering.steps import quoted
from rollbook.model.fact import LINKED
from rollbook.model.instants import DAY_US, iso
from rollbook.model.window import Window
from rollbook.render import outlook as shown
from rollbook.render import terminal

STALE_DAYS = 7
"""So many days without any fact, and an export is likely to be old."""

# Forecasting.


@over_facts
def forecast(
    inputs: Inputs,
    confidence: Confidence = "0.9",
    seed: Seed = 1,
    runs: Runs = 10_000,
    output: Output = Format.table,
) -> None:
    """Say when the allowance will be used up, or what the windows to come will use, with a range."""
    with in_words_or_end():
        settings = settings_of(confidence, seed, runs)
        with inputs.metered() as result:
            subscription, as_of_us = result.metered.subscriptions[0], result.metered.as_of_us
            if as_of_us < subscription.start_us:
                rule = f"the term begins on {subscription.start}, and nothing has happened yet"
                raise UsageError(Problem(subscription.plan.id, rule, "use estimate for a term to come"))
            _say_stale(result)
            found = [(pool, forecasting.forecast(it, settings)) for pool, it in _histories(result)]
            if output is Format.table:
                shown.print_forecast(terminal.console(), found, subscription, as_of_us)
            else:
                words = {pool: shown.forecast_words(it, subscription) for pool, it in found}
                rows = [row for pool, it in found for row in shown.forecast_rows(it, pool)]
                write(rows, shown.FORECAST, about(subscription, as_of_us) | {"words": words}, output)
                err = terminal.console(stderr=True)
                for _, it in found:
                    if it.why_not:
                        terminal.say(err, f"no forecast: {it.why_not}")
            sys.stdout.flush()
            finish(result)


def _histories(result: library.Result) -> Iterator[tuple[str, forecasting.History]]:
    """What is known of each pool."""
    subscription = result.metered.subscriptions[0]
    if subscription.plan.allowance.per == "held":
        yield "", forecasting.history_of_seats(result.account, result.metered.as_of_us)
        return
    rows = [tuple(row) for row in result.metered.rows(forecasting.PROFILE_SQL)]
    fraction = _fraction(result.account.windows, result.account.as_of_us)
    early = [tuple(row) for row in result.metered.rows(forecasting.early_sql(fraction))]
    for pool in pools(subscription, result.organisations):
        yield pool, forecasting.history(result.account, pool, rows, early, fraction, _facts_us(result))  # type: ignore[arg-type]


def _facts_us(result: library.Result) -> tuple[int, int]:
    """The first and the last instant of all facts; of none, a time in which nothing lies."""
    last_us = max((source.last_us for source in result.store.sources), default=-1)
    return (result.store.first_us, last_us) if result.store.facts else (FOREVER_US, -1)


def _say_stale(result: library.Result) -> None:
    """Says where facts end so long before the instant of the forecast that some seem to be missing."""
    _, last_us = _facts_us(result)
    as_of_us = min(result.metered.as_of_us, result.metered.subscriptions[0].end_us)
    if result.store.facts and as_of_us - last_us > STALE_DAYS * DAY_US:
        rule = f"the facts end on {iso(last_us)}, and the forecast takes them to be whole until {iso(as_of_us)}"
        note = Problem("facts", rule, "add what happened since, or forecast as of then: --as-of")
        terminal.say(terminal.console(stderr=True), f"note: {note}")


def _fraction(term: Sequence[Window], as_of_us: int) -> float:
    running = next((it for it in term if it.contains(as_of_us)), None)
    return (as_of_us - running.start_us) / (running.end_us - running.start_us) if running else 0.0


# Reconciling.


@over_facts
def reconcile(
    inputs: Inputs,
    vendor: Annotated[str, typer.Argument(metavar="VENDOR.csv", help="The vendor's list: ids, e-mails or names.")],
    window: Annotated[
        int,
        typer.Option(
            metavar="NUMBER", min=0, help="The window that the list is of; the last that is over, by default."
        ),
    ] = 0,
    vendor_column: Annotated[
        str, typer.Option(metavar="NAME", help="The column of the list that says who somebody is.")
    ] = "",
    output: Output = Format.table,
) -> None:
    """Hold a vendor's list against one's own count: who is on both, who on one only, why, and what that costs."""
    with in_words_or_end():
        listed = read_vendor_list(vendor, vendor_column)
        with inputs.metered() as result:
            subscription, as_of_us = result.metered.subscriptions[0], result.metered.as_of_us
            begun = result.metered.windows[0]
            by_window = reconciling.by_window(listed, vendor, result.subscription, begun, as_of_us, window)
            directory = _directory(result, inputs.people)
            found = []
            for of, theirs in by_window.items():
                ours = [lists.Ours(*row) for row in result.metered.rows(lists.OURS_SQL, [of.number])]  # type: ignore[arg-type]
                lines = reconciling.lines(of, theirs, ours, directory, partial(reconciling.seen, result))
                found.append((of, lines, lists.moved(result.account, of.number, lines)))
            if output is Format.table:
                shown.print_reconciled(terminal.console(), subscription, as_of_us, found)
            else:
                rows = [row for of, lines, _ in found for row in shown.reconciled_rows(of.number, lines)]
                figures = [
                    {"window": of.number, "groups": shown.counts(lines), "worth": shown.moved_words(moved)}
                    for of, lines, moved in found
                ]
                write(rows, shown.RECONCILED, about(subscription, as_of_us) | {"windows": figures}, output)
            sys.stdout.flush()
            _say_list(vendor, listed)
            if listed.problems.total:
                raise typer.Exit(3)
            finish(result)


def _say_list(vendor: str, listed: VendorList) -> None:
    err = terminal.console(stderr=True)
    blank = f", {listed.blank:,} rows name nobody" if listed.blank else ""
    terminal.say(err, f"{vendor}: {len(listed.rows):,} rows by {', '.join(listed.columns)}{blank}")
    for problem in list(listed.problems)[:100]:
        terminal.say(err, str(problem))
    if listed.problems.total:
        terminal.say(err, f"INCOMPLETE: {listed.problems.total:,} rows of the list could not be read")


def _directory(result: library.Result, people: str) -> lists.Directory:
    """Everyone whom a list could mean."""
    known = read_people(people) if people else {}
    links, _ = accept(result.store.iterate(f"type = {quoted(LINKED)} and at_us < {result.metered.as_of_us}"))
    survivors = {given_up: unit_at(links, given_up, FOREVER_US) for given_up in links}
    learners = result.store.connection.execute("select distinct learner from facts").fetchall()
    return lists.Directory(
        (str(learner) for (learner,) in learners),
        {id_: (person.email, person.name) for id_, person in known.items()},
        survivors,
    )
