"""What the options of the command line are, and the values they stand for. A wrong one raises UsageError."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from rollbook import plans
from rollbook.errors import PlanError, Problem, UsageError
from rollbook.intake import read_people
from rollbook.model.instants import FIRST_YEAR, LAST_YEAR, to_us
from rollbook.model.keys import zone_exists
from rollbook.model.plan import Plan
from rollbook.model.subscription import Quantity, Subscription, default_end
from rollbook.model.subscription_file import parse_terms, term_at
from rollbook.model.tariff import parse_tariff
from rollbook.render import terminal
from rollbook.render.words import clean


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
    spark = "spark"


class DateOrder(StrEnum):
    """How days are written where the year does not come first."""

    ymd = "ymd"
    dmy = "dmy"
    mdy = "mdy"


Facts = Annotated[
    list[str],
    typer.Argument(metavar="FACTS", help="Files of facts: CSV, NDJSON or Parquet; or a ledger.", show_default=False),
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
Term = Annotated[
    int,
    typer.Option(metavar="NUMBER", min=0, help="Which term of the subscription file; the one that runs, by default."),
]
QuantityOption = Annotated[
    int,
    typer.Option(
        "--quantity", metavar="UNITS", min=0, max=10**9, help="Units bought, beyond those that the plan includes."
    ),
]
Rates = Annotated[
    str, typer.Option("--rates", metavar="FILE", help="Prices: a file with the table [tariff], instead of the plan's.")
]
Organisation = Annotated[list[str], typer.Option(metavar="NAME", help="Count only this organisation; may be repeated.")]
AsOf = Annotated[str, typer.Option(metavar="INSTANT", help="Count nothing at or after this instant. Now, by default.")]
EngineOption = Annotated[Engine, typer.Option(help="What does the counting; reference is slow and plain.")]
Master = Annotated[
    str,
    typer.Option("--master", metavar="URL", help="Where Spark is: spark://HOST:PORT; this machine, by default."),
]
Zone = Annotated[str, typer.Option(metavar="ZONE", help="Zone of the windows' midnights; the plan's own, by default.")]
InputZone = Annotated[str, typer.Option(metavar="ZONE", help="Zone of times that carry no offset.")]
DateOrderOption = Annotated[DateOrder | None, typer.Option(help="How days such as 03/04/2026 are written.")]
MapOption = Annotated[
    list[str],
    typer.Option("--map", metavar="COLUMN=NAME", help="What a column is called in the export: learner=UserID."),
]
InputKind = Annotated[
    str,
    typer.Option("--input", metavar="KIND", help="What the exports are, where they are not recognised: moodle-log, …"),
]
VocabularyOption = Annotated[
    list[str],
    typer.Option("--vocabulary", metavar="FILE", help="A CSV of event,type,role,mode: what events mean to you."),
]
TableOption = Annotated[
    list[str],
    typer.Option("--table", metavar="NAME=FILE", help="A further table of the exports: roles=role_assignments.csv."),
]
SnapshotAt = Annotated[
    str, typer.Option(metavar="INSTANT", help="When an export was made that has no dates, such as a roster.")
]
People = Annotated[str, typer.Option(metavar="FILE", help="CSV of id, email, name: shows people by name.")]
ProblemsFile = Annotated[str, typer.Option("--problems", metavar="FILE", help="Writes every problem to this CSV file.")]
MemoryLimit = Annotated[
    str,
    typer.Option(
        "--memory-limit",
        metavar="AMOUNT",
        help="Memory for facts before they spill to disk, such as 2GB; most, by default.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Print no result while any row is rejected.")]
AssumeMembers = Annotated[bool, typer.Option("--assume-members", help="Take everyone for a member.")]


def is_subscription(text: str) -> bool:
    """A subscription names a plan; a plan has a meter."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        # Whoever reads it as a plan says what is wrong with it.
        return False
    return "plan" in document and "meter" not in document


def read_text(file: str) -> str:
    """The text of a plan or a subscription, with or without a byte order mark."""
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(Problem(file, "there is no such file", "correct the path")) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(Problem(file, f"the file cannot be read: {error}", "give a text file in UTF-8")) from None


def terms_from(file: str) -> tuple[Subscription, ...]:
    """The terms in a subscription file; a plan it names by path lies beside it."""

    def find(name: str) -> Plan:
        return plans.find_plan(name, Path(file).parent)

    return parse_terms(read_text(file), find, file)


def _term_of(file: str, number: int, as_of: str) -> Subscription:
    """The term of this number; without one, the term that runs at the instant up to which is metered."""
    terms = terms_from(file)
    if not number:
        return term_at(terms, to_us(instant(as_of, terms[0].zone) or datetime.now(UTC)))
    if number > len(terms):
        rule = f"the file has {len(terms)} term" + ("s" if len(terms) > 1 else "")
        raise UsageError(Problem(f"--term {number}", rule, f"give a number from 1 to {len(terms)}"))
    return terms[number - 1]


def subscription_of(
    plan: str,
    start: str,
    end: str,
    subscription: str,
    zone: str,
    organisation: list[str],
    *,
    quantity: int = 0,
    rates: str = "",
    term: int = 0,
    as_of: str = "",
) -> Subscription:
    """The subscription that the options describe."""
    found = _subscription_of(plan, start, end, subscription, zone, organisation, term=term, as_of=as_of)
    if quantity and subscription:
        raise UsageError(Problem("--quantity", "the subscription file says this", "change quantity in the file"))
    if quantity:
        found = replace(found, quantities=(Quantity(found.start_us, quantity),))
    if rates:
        found = replace(found, quote=parse_tariff(read_text(rates), rates, PlanError))
    return found


def _subscription_of(
    plan: str,
    start: str,
    end: str,
    subscription: str,
    zone: str,
    organisation: list[str],
    *,
    term: int,
    as_of: str,
) -> Subscription:
    if bool(plan) == bool(subscription):
        rule = "both were given" if plan else "nothing says what to count by"
        raise UsageError(Problem("--plan, --subscription", rule, "give either --plan and --start, or --subscription"))
    if subscription:
        for name, value in (("--start", start), ("--end", end), ("--zone", zone), ("--organisation", organisation)):
            if value:
                raise UsageError(
                    Problem(name, "the subscription file says this", f"leave {name} out, or change the file")
                )
        return _term_of(subscription, term, as_of)
    if term:
        raise UsageError(
            Problem("--term", "only a subscription file has terms", "give --subscription, or leave it out")
        )
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


def instant(text: str, zone: str, option: str = "--as-of") -> datetime | None:
    """An instant; without an offset it is read in the windows' zone."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(Problem(option, f'"{text}" is not an instant', "write it as 2026-03-01T00:00:00Z")) from None
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    try:
        at.astimezone(UTC)
    except OverflowError:
        rule = f'"{text}" is outside the years that a calendar has'
        raise UsageError(Problem(option, rule, "correct the year")) from None
    return at


def pairs(option: str, given: list[str], example: str) -> dict[str, str]:
    """Options of the form A=B, by A."""
    found: dict[str, str] = {}
    for item in given:
        key, equals, value = item.partition("=")
        if not (key and equals and value):
            raise UsageError(Problem(f"{option} {item}", "expected A=B", f"write {option} {example}"))
        if key in found:
            raise UsageError(Problem(f"{option} {item}", f"{key} is given twice", "give each once"))
        found[key] = value
    return found


def names(people: str) -> Callable[[str], str]:
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


def learner_id(text: str, people: str) -> str:
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
