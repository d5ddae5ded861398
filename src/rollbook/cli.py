"""The command line: options in, calls to the library, tables out. No rules live here.

Results go to standard output, everything said about them to standard error. Exit codes: 0 done; 2 the call, the
plan or the subscription is wrong; 3 done, and rows were rejected.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import duckdb
import typer
from rich.console import Console
from rich.text import Text

from rollbook import library, plans
from rollbook.errors import Problem, RollbookError, UsageError
from rollbook.intake import ReadOptions, read_people
from rollbook.metering.calendar import windows
from rollbook.model.instants import FIRST_YEAR, LAST_YEAR, iso, to_us
from rollbook.model.keys import zone_exists
from rollbook.model.plan import Plan, parse_plan, unknown_types
from rollbook.model.subscription import Subscription, default_end, parse_subscription
from rollbook.render import terminal
from rollbook.render.data import write_csv, write_json
from rollbook.render.explanation import print_explanation
from rollbook.render.words import clean, in_words, title, windows_in_words

PROBLEMS_SHOWN = 100
"""Rejected rows printed one by one; the rest by number, unless `--problems` names a file for them."""

app = typer.Typer(
    name="rollbook",
    help="Counts active learners: who counted, in which billing period, under which plan, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
plans_app = typer.Typer(help="The published plans.", invoke_without_command=True, rich_markup_mode=None)
app.add_typer(plans_app, name="plans")


class By(StrEnum):
    """What a row of the result is about."""

    window = "window"
    organisation = "organisation"
    learner = "learner"


class Format(StrEnum):
    """How the result is written."""

    table = "table"
    csv = "csv"
    json = "json"


class Engine(StrEnum):
    """What does the counting."""

    duckdb = "duckdb"
    reference = "reference"


class DateOrder(StrEnum):
    """How days are written where the year does not come first."""

    ymd = "ymd"
    dmy = "dmy"
    mdy = "mdy"


Facts = Annotated[
    list[str], typer.Argument(metavar="FACTS", help="Files of facts: CSV, NDJSON or Parquet.", show_default=False)
]
PlanOption = Annotated[
    str, typer.Option("--plan", metavar="ID|FILE", help="A published plan's id, or the path of a plan.toml.")
]
Start = Annotated[str, typer.Option(metavar="DATE", help="First day of the term, such as 2026-03-01.")]
End = Annotated[
    str, typer.Option(metavar="DATE", help="First day after the term. Without it the term has the plan's own length.")
]
SubscriptionOption = Annotated[
    str, typer.Option("--subscription", metavar="FILE", help="A subscription.toml, instead of --plan.")
]
Organisation = Annotated[list[str], typer.Option(metavar="NAME", help="Count only this organisation; may be repeated.")]
AsOf = Annotated[str, typer.Option(metavar="INSTANT", help="Count nothing at or after this instant. Now, by default.")]
EngineOption = Annotated[Engine, typer.Option(help="What does the counting; reference is slow and plain.")]
Zone = Annotated[str, typer.Option(metavar="ZONE", help="Zone of the windows' midnights; the plan's own, by default.")]
InputZone = Annotated[str, typer.Option(metavar="ZONE", help="Zone of times that carry no offset.")]
DateOrderOption = Annotated[DateOrder | None, typer.Option(help="How days such as 03/04/2026 are written.")]
MapOption = Annotated[list[str], typer.Option("--map", metavar="A=B", help="Column A is called B in the export.")]
People = Annotated[str, typer.Option(metavar="FILE", help="CSV of id, email, name: shows people by name.")]
ProblemsFile = Annotated[str, typer.Option("--problems", metavar="FILE", help="Writes every problem to this CSV file.")]
Strict = Annotated[bool, typer.Option("--strict", help="Print no result while any row is rejected.")]
AssumeMembers = Annotated[bool, typer.Option("--assume-members", help="Take everyone for a member.")]


def main() -> None:
    """The console script. Whatever can be foreseen ends in words, never in a traceback."""
    # A stop from outside unwinds, so that temporary files, which hold facts, are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if sys.stdout is None:
        _fail((Problem("standard output", "is closed", "send it to a file, or to /dev/null"),))
    app()


@contextmanager
def _in_words() -> Iterator[None]:
    """Ends the run with what went wrong, in words."""
    try:
        yield
    except RollbookError as error:
        _fail(error.problems, code=3 if error.code == "rows-rejected" else 2)
    except BrokenPipeError:
        # Whoever reads has seen enough.
        _discard_output()
        raise typer.Exit(0) from None
    except (OSError, duckdb.Error) as error:
        _discard_output()
        words = " ".join(str(error).split())[:300]
        _fail((Problem("rollbook", f"cannot go on: {words}", "look for a full disk or a lack of memory"),))


def _discard_output() -> None:
    """Nothing more is written to standard output, not even what waits to be, at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(problems: tuple[Problem, ...], code: int = 2) -> NoReturn:
    err = terminal.console(stderr=True)
    for problem in problems[:PROBLEMS_SHOWN]:
        terminal.say(err, str(problem))
    if len(problems) > PROBLEMS_SHOWN:
        terminal.say(err, f"and {len(problems) - PROBLEMS_SHOWN:,} more")
    raise typer.Exit(code)


@plans_app.callback()
def list_plans(context: typer.Context) -> None:
    """List the published plans."""
    if context.invoked_subcommand is None:
        terminal.print_plans(terminal.console(), plans.published())


@plans_app.command("show")
def show_plan(plan_id: Annotated[str, typer.Argument(metavar="ID", help="A published plan's id.")]) -> None:
    """Show one plan: its rules, and how its vendor's words were read."""
    with _in_words():
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


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A plan.toml or a subscription.toml.")],
) -> None:
    """Check a plan or a subscription and say what it means."""
    out, err = terminal.console(), terminal.console(stderr=True)
    with _in_words():
        text = _read(file)
        if _is_subscription(text):
            subscription = _subscription_from(file)
            terminal.say(out, title(subscription))
            terminal.print_windows(out, windows(subscription), subscription.zone)
            plan = subscription.plan
        else:
            plan = parse_plan(text, file)
            terminal.say(out, f"{plan.title} ({plan.id})")
        terminal.say(out, f"counts:  {in_words(plan.meter)}")
        terminal.say(out, f"windows: {windows_in_words(plan)}")
        for advice in unknown_types(plan):
            terminal.say(err, str(advice))


def _is_subscription(text: str) -> bool:
    """A subscription names a plan; a plan has a meter."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return "plan" in document and "meter" not in document


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(Problem(file, "there is no such file", "correct the path")) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(Problem(file, f"the file cannot be read: {error}", "give a text file in UTF-8")) from None


def _subscription_from(file: str) -> Subscription:
    def find(name: str) -> Plan:
        return plans.find_plan(name, Path(file).parent)

    return parse_subscription(_read(file), find, file)


def _subscription(
    plan: str, start: str, end: str, subscription: str, zone: str, organisation: list[str]
) -> Subscription:
    """The subscription that the options describe."""
    if bool(plan) == bool(subscription):
        raise UsageError(Problem("--plan", "say what to count by", "give either --plan and --start, or --subscription"))
    if subscription:
        for name, value in (("--start", start), ("--end", end), ("--zone", zone), ("--organisation", organisation)):
            if value:
                raise UsageError(
                    Problem(name, "the subscription file says this", f"leave {name} out, or change the file")
                )
        return _subscription_from(subscription)
    if not start:
        raise UsageError(Problem("--start", "the first day of the term is missing", "give --start 2026-03-01"))
    found = plans.find_plan(plan)
    first = _day("--start", start)
    if zone and not zone_exists(zone):
        raise UsageError(
            Problem("--zone", f'there is no time zone "{zone}"', "give a name such as Europe/Paris or UTC")
        )
    return Subscription(
        plan=found,
        start=first,
        end=_day("--end", end) if end else default_end(found, first),
        zone=zone or found.window.zone,
        organisations=tuple(dict.fromkeys(organisation)) or None,
    )


def _day(option: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(Problem(option, f'"{text}" is not a date', "write it as 2026-03-01")) from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise UsageError(Problem(option, f"{day} is outside the years {FIRST_YEAR} to {LAST_YEAR}", "correct the year"))
    return day


def _instant(text: str, zone: str) -> datetime | None:
    """An instant; without an offset it is read in the windows' zone."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            Problem("--as-of", f'"{text}" is not an instant', "write it as 2026-03-01T00:00:00Z")
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))


def _options(input_zone: str, date_order: DateOrder | None, mapping: list[str]) -> ReadOptions:
    pairs = {}
    for item in mapping:
        canonical, equals, column = item.partition("=")
        if not (canonical and equals and column):
            raise UsageError(Problem(f"--map {item}", "expected A=B", "write --map learner=UserID"))
        if canonical in pairs:
            raise UsageError(Problem(f"--map {item}", f"{canonical} is mapped twice", "map each column once"))
        pairs[canonical] = column
    return ReadOptions(
        input_zone=input_zone or None, date_order=date_order.value if date_order else None, mapping=pairs
    )


@contextmanager
def _metered(
    facts: list[str],
    subscription: Subscription,
    *,
    as_of: str,
    engine: Engine,
    options: ReadOptions,
    assume_members: bool,
    strict: bool,
    problems_file: str,
) -> Iterator[library.Result]:
    """The result, with what is to be said about its sources and problems said before it."""
    err = terminal.console(stderr=True)
    with err.status("reading and counting …") if err.is_terminal else _silence():
        result = library.meter(
            facts,
            subscription,
            as_of=_instant(as_of, subscription.zone),
            engine=engine.value,
            options=options,
            assume_members=assume_members,
        )
    with result:
        terminal.print_sources(err, result.store.sources)
        _say_problems(err, result, problems_file)
        if strict and (result.store.problems.total or result.conflicts):
            terminal.say(err, "no result: rows were rejected, and --strict asks for none then")
            raise typer.Exit(3)
        yield result


@contextmanager
def _silence() -> Iterator[None]:
    yield


def _say_problems(err: Console, result: library.Result, problems_file: str) -> None:
    problems = result.store.problems
    found = [*problems, *result.conflicts]
    total = problems.total + len(result.conflicts)
    for note in (*problems.notes, *result.notes):
        terminal.say(err, f"note: {note}")
    for problem in found[:PROBLEMS_SHOWN]:
        terminal.say(err, str(problem))
    if total > PROBLEMS_SHOWN:
        rest = "" if problems_file else ": --problems FILE writes them all"
        terminal.say(err, f"and {total - PROBLEMS_SHOWN:,} more problems{rest}")
    if problems_file:
        _write_problems(problems_file, found)
        if total > len(found):
            terminal.say(err, f"{problems_file} has the first {len(found):,} of {total:,} problems")


def _refuse_overwriting(problems_file: str, inputs: Iterable[str]) -> None:
    """The problems may not be written over what is read."""
    if not problems_file:
        return
    for name in inputs:
        with contextlib.suppress(OSError):
            if Path(problems_file).samefile(name):
                rule = "the problems would be written over an input"
                raise UsageError(Problem(problems_file, rule, "name another file with --problems"))


def _write_problems(file: str, problems: list[Problem]) -> None:
    try:
        with Path(file).open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(("place", "rule", "remedy"))
            writer.writerows((problem.place, problem.rule, problem.remedy) for problem in problems)
    except OSError as error:
        raise UsageError(Problem(file, f"the problems cannot be written: {error}", "name another file")) from None


def _finish(result: library.Result) -> None:
    """Says what became of every row, and ends with the code for it."""
    store = result.store
    err = terminal.console(stderr=True)
    terminal.print_dispositions(err, result.dispositions, store.rejected, store.rows)
    if store.problems.total or result.conflicts:
        raise typer.Exit(3)


def _names(people: str) -> Callable[[str], str]:
    """Shows people by name; without the file, by id."""
    if not people:
        return lambda learner: learner
    known = read_people(people)
    err = terminal.console(stderr=True)
    for problem in known.problems:
        terminal.say(err, str(problem))

    def named(learner: str) -> str:
        person = known.get(learner)
        called = clean(person.name or person.email) if person else ""
        return f"{called} ({learner})" if called else learner

    return named


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


@app.command()
def meter(
    facts: Facts,
    plan: PlanOption = "",
    start: Start = "",
    end: End = "",
    subscription: SubscriptionOption = "",
    organisation: Organisation = [],
    by: Annotated[By, typer.Option(help="What a row of the result is about.")] = By.window,
    output: Annotated[Format, typer.Option("--format", help="How the result is written.")] = Format.table,
    as_of: AsOf = "",
    engine: EngineOption = Engine.duckdb,
    zone: Zone = "",
    input_zone: InputZone = "",
    date_order: DateOrderOption = None,
    mapping: MapOption = [],
    people: People = "",
    problems: ProblemsFile = "",
    strict: Strict = False,
    assume_members: AssumeMembers = False,
) -> None:
    """Count the active learners of each window."""
    with _in_words():
        what = _subscription(plan, start, end, subscription, zone, organisation)
        _refuse_overwriting(problems, [*facts, plan, subscription, people])
        named = _names(people)
        with _metered(
            facts,
            what,
            as_of=as_of,
            engine=engine,
            options=_options(input_zone, date_order, mapping),
            assume_members=assume_members,
            strict=strict,
            problems_file=problems,
        ) as result:
            table = result.table(by.value)
            if people and by is By.learner:
                table = terminal.with_names(table, named)
            if output is Format.csv:
                write_csv(table, sys.stdout)
            elif output is Format.json:
                write_json(table, _about(result), sys.stdout)
            else:
                terminal.print_table(terminal.console(), table, what)
            sys.stdout.flush()
            _finish(result)


@app.command()
def explain(
    facts: Facts,
    learner: Annotated[
        str, typer.Argument(metavar="LEARNER", help="The learner's id, or with --people the e-mail or name.")
    ],
    plan: PlanOption = "",
    start: Start = "",
    end: End = "",
    subscription: SubscriptionOption = "",
    organisation: Organisation = [],
    as_of: AsOf = "",
    engine: EngineOption = Engine.duckdb,
    zone: Zone = "",
    input_zone: InputZone = "",
    date_order: DateOrderOption = None,
    mapping: MapOption = [],
    people: People = "",
    problems: ProblemsFile = "",
    strict: Strict = False,
    assume_members: AssumeMembers = False,
) -> None:
    """Say why one learner counted, window by window, and what became of everything else they did."""
    with _in_words():
        what = _subscription(plan, start, end, subscription, zone, organisation)
        _refuse_overwriting(problems, [*facts, plan, subscription, people])
        named = _names(people)
        with _metered(
            facts,
            what,
            as_of=as_of,
            engine=engine,
            options=_options(input_zone, date_order, mapping),
            assume_members=assume_members,
            strict=strict,
            problems_file=problems,
        ) as result:
            explained = result.explain(_learner_id(learner, people))
            print_explanation(terminal.console(), explained, what, named)
            sys.stdout.flush()
            _finish(result)


def _learner_id(text: str, people: str) -> str:
    """The id behind an e-mail or a name, where the people file knows exactly one."""
    if not people or not text:
        return text
    known = read_people(people)
    found = [
        id_ for id_, person in known.items() if text.casefold() in (person.email.casefold(), person.name.casefold())
    ]
    if len(found) > 1:
        raise UsageError(Problem(text, f"{len(found)} people are called this", "give the id: " + ", ".join(found[:5])))
    return found[0] if found and text not in known else text


if __name__ == "__main__":
    main()
