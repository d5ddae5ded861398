"""The commands: options in, calls to the library, tables out."""

from __future__ import annotations

import io
import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.text import Text

from rollbook import library, plans
from rollbook.cli.grouped import COUNT, PLAN, Grouped
from rollbook.cli.metering import Inputs, over_facts
from rollbook.cli.options import By, Format, is_subscription, learner_id, names, read_text, terms_from
from rollbook.cli.said import finish, in_words_or_end
from rollbook.errors import Problem, UsageError
from rollbook.metering.calendar import windows
from rollbook.model.instants import iso, to_us
from rollbook.model.plan import parse_plan, unknown_types
from rollbook.render import terminal
from rollbook.render.about import choices
from rollbook.render.data import write_csv, write_json
from rollbook.render.explanation import print_explanation
from rollbook.render.prices import cliffs_in_words, rate_in_words
from rollbook.render.words import in_words, local, title, windows_in_words

app = typer.Typer(
    cls=Grouped,
    name="rollbook",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
plans_app = typer.Typer(help="The published plans.", invoke_without_command=True, rich_markup_mode=None)
app.add_typer(plans_app, name="plans", rich_help_panel=PLAN)


def _say_version(asked: bool) -> None:
    if asked:
        terminal.say(terminal.console(), f"rollbook {version('rollbook')}")
        raise typer.Exit


@app.callback()
def everywhere(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version, and end.")
    ] = False,
) -> None:
    """Counts active learners: who counted, in which billing period, under which plan, and why."""


def main() -> None:
    """The console script. Whatever can be foreseen ends in words, never in a traceback."""
    # A stop from outside unwinds, so that temporary files, which hold facts, are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if sys.stdout is None:
        sys.exit("standard output is closed; send it to a file, or to /dev/null")
    app()


@plans_app.callback()
def list_plans(context: typer.Context) -> None:
    """List the published plans."""
    if context.invoked_subcommand is None:
        terminal.print_plans(terminal.console(), plans.published())


@plans_app.command("show")
def show_plan(plan_id: Annotated[str, typer.Argument(metavar="ID", help="A published plan's id.")]) -> None:
    """Show one plan: its rules, and how its vendor's words were read."""
    with in_words_or_end():
        plan = plans.find_plan(plan_id)
        if plan_id.endswith(".toml"):
            raise UsageError(Problem(plan_id, "this is a file", f"use rollbook check {plan_id}"))
        out = terminal.console()
        for line in (plan.title, f"counts:  {in_words(plan.meter)}", f"windows: {windows_in_words(plan)}"):
            terminal.say(out, line)
        for name in (plans.PLAN_FILE, "README.md"):
            file = plans.folder(plan.id) / name
            if file.is_file():
                terminal.say(out, "")
                out.print(Text(file.read_text(encoding="utf-8").strip()), soft_wrap=True)


@app.command(rich_help_panel=PLAN)
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A plan.toml or a subscription.toml.")],
) -> None:
    """Check a plan or a subscription and say what it means."""
    out, err = terminal.console(), terminal.console(stderr=True)
    with in_words_or_end():
        text = read_text(file)
        subscription = None
        if is_subscription(text):
            subscription = terms_from(file)[0]
            terminal.say(out, title(subscription))
            terminal.print_windows(out, windows(subscription), subscription.zone)
            for step in subscription.quantities:
                of = f" for {step.organisation}" if step.organisation else ""
                terminal.say(out, f"bought{of}: {step.units:,} from {local(step.from_us, subscription.zone)} on")
            plan = subscription.plan
        else:
            plan = parse_plan(text, file)
            terminal.say(out, f"{plan.title} ({plan.id})")
        terminal.say(out, f"counts:  {in_words(plan.meter)}")
        terminal.say(out, f"windows: {windows_in_words(plan)}")
        tariff = subscription.quote or plan.tariff if subscription else plan.tariff
        for name, words in choices(plan):
            terminal.say(out, f"{name}: {words}")
        for kind, rate in (("bought", tariff.base), ("beyond the allowance", tariff.overage)) if tariff else ():
            terminal.say(out, f"{kind}: {rate_in_words(rate, tariff.currency) if tariff and rate else 'no price'}")
        for words in cliffs_in_words(tariff) if tariff else ():
            terminal.say(err, f"note: {words}")
        for advice in unknown_types(plan, file):
            terminal.say(err, f"note: {advice}")


def _about(result: library.Result) -> dict[str, object]:
    """What the figures mean, beside the figures."""
    subscription = result.subscription
    return {
        "plan": subscription.plan.id,
        "plan_digest": subscription.plan.digest,
        "counts": in_words(subscription.plan.meter),
        "windows": windows_in_words(subscription.plan),
        "start": subscription.start.isoformat(),
        "end": subscription.end.isoformat(),
        "zone": subscription.zone,
        "as_of": iso(to_us(result.as_of)),
        "rows_in": result.store.rows,
        "rejected": result.store.rejected,
        "dispositions": dict(result.dispositions),
    }


@app.command(rich_help_panel=COUNT)
@over_facts
def meter(
    inputs: Inputs,
    by: Annotated[By, typer.Option(help="What a row of the result is about.")] = By.window,
    output: Annotated[Format, typer.Option("--format", help="How the result is written.")] = Format.table,
) -> None:
    """Count the active learners of each window."""
    with in_words_or_end():
        named = names(inputs.people)
        with inputs.metered() as result:
            table = result.table(by.value)
            if inputs.people and by is By.learner:
                table = terminal.with_names(table, named)
            if output is Format.csv:
                write_csv(table, sys.stdout, for_spreadsheets=True)
            elif output is Format.json:
                write_json(table, _about(result), sys.stdout)
            else:
                terminal.print_table(terminal.console(), table, result.subscription, to_us(result.as_of))
            sys.stdout.flush()
            finish(result)


@app.command(rich_help_panel=COUNT)
@over_facts
def explain(
    inputs: Inputs,
    learner: Annotated[
        str, typer.Argument(metavar="LEARNER", help="The learner's id, or with --people the e-mail or name.")
    ],
) -> None:
    """Say why one learner counted, window by window, and what became of everything else they did."""
    with in_words_or_end():
        named = names(inputs.people)
        with inputs.metered() as result:
            explained = result.explain(learner_id(learner, inputs.people))
            print_explanation(terminal.console(), explained, result.subscription, to_us(result.as_of), named)
            sys.stdout.flush()
            finish(result)
