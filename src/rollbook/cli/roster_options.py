"""The options of the commands of a roster, and what they stand for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from rollbook.cli.metering import Exports
from rollbook.cli.options import (
    AssumeMembers,
    End,
    PlanOption,
    QuantityOption,
    Rates,
    Start,
    SubscriptionOption,
    Term,
    Zone,
    instant,
    subscription_of,
)
from rollbook.cli.said import refuse_target, say_read
from rollbook.errors import Problem, UsageError
from rollbook.intake import FactStore, ReadOptions
from rollbook.intake.gate import text_of
from rollbook.intake.writing import append_facts, write_facts
from rollbook.ledger import opened
from rollbook.metering.steps import quoted_list
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.instants import to_us
from rollbook.model.keys import zone_exists
from rollbook.model.roster import Roster
from rollbook.model.subscription import Subscription
from rollbook.render import terminal
from rollbook.roster.view import KINDS, roster_of

Before = Annotated[
    list[str],
    typer.Option("--before", metavar="FACTS", help="The facts so far, with those of earlier rosters; may be repeated."),
]
At = Annotated[
    str, typer.Option("--at", metavar="INSTANT", help="When it happens, such as 2026-03-01T09:00:00Z. Now, by default.")
]
To = Annotated[
    str,
    typer.Option("--to", metavar="FILE", help="Append the facts to this CSV file; standard output gets them without."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it: write the facts. Without it they are foreseen only.")]
Whose = Annotated[
    str, typer.Option("--organisation", metavar="NAME", help="Whose learners they are, where there are several.")
]
Actor = Annotated[str, typer.Option("--actor", metavar="NAME", help="Who does it; stands in the facts.")]


_LISTED_MAX = 10
"""Organisations that are listed."""


class Action(StrEnum):
    """What is done to enrolments, or to learners."""

    enable = "enable"
    disable = "disable"
    activate = "activate"
    deactivate = "deactivate"


@dataclass(frozen=True)
class Seen(Exports):
    """The facts so far, and the instant at which a roster is looked at or changed."""

    at: At = ""
    zone: Zone = ""

    def zone_of(self) -> ZoneInfo:
        """Whose days the dates of enrolments are."""
        zone = self.zone or "UTC"
        if not zone_exists(zone):
            rule = f'there is no time zone "{zone}"'
            raise UsageError(Problem("--zone", rule, "give a name such as Europe/Paris or UTC"))
        return ZoneInfo(zone)

    def at_us(self, option: str = "--at") -> int:
        """The instant; without an offset it is read in the zone of the days."""
        return to_us(instant(self.at, self.zone_of().key, option) or datetime.now(UTC))

    def reading(self) -> ReadOptions:
        """How the facts so far are to be read."""
        return self.options()

    @contextmanager
    def store(self) -> Iterator[FactStore]:
        """The facts so far, with everything said that is to be said about them."""
        refuse_target(self.problems, self.files, option="--problems")
        err = terminal.console(stderr=True)
        with opened(self.facts, self.reading()) as store:
            terminal.print_sources(err, store.sources)
            say_read(err, store, self.problems)
            if store.problems.files and not store.rows:
                terminal.say(err, "no result: nothing could be read")
                raise typer.Exit(2)
            if store.problems.total:
                terminal.say(err, "INCOMPLETE: not all facts could be read, and what they say is not known here")
            yield store


@dataclass(frozen=True)
class Changed(Seen):
    """What is changed, at which instant, and by which plan its consequences are foreseen."""

    to: To = ""
    plan: PlanOption = ""
    start: Start = ""
    end: End = ""
    subscription: SubscriptionOption = ""
    term: Term = 0
    quantity: QuantityOption = 0
    rates: Rates = ""
    assume_members: AssumeMembers = False

    @property
    def files(self) -> tuple[str, ...]:
        """All that is read."""
        return (*super().files, self.plan, self.subscription, self.rates)

    @contextmanager
    def store(self) -> Iterator[FactStore]:
        """The facts so far, behind which others may be appended; no other file that is read is written to."""
        refuse_target(self.to, (self.plan, self.subscription, self.rates))
        with super().store() as store:
            yield store

    def subscribed(self) -> Subscription | None:
        """The subscription under which it is foreseen; None where none is named."""
        if not (self.plan or self.subscription):
            return None
        zone = "" if self.subscription else self.zone
        return subscription_of(
            self.plan,
            self.start,
            self.end,
            self.subscription,
            zone,
            [],
            quantity=self.quantity,
            rates=self.rates,
            term=self.term,
            as_of=self.at,
        )

    def zone_of(self) -> ZoneInfo:
        """Whose days the dates of enrolments are: those of the windows, where a subscription is named."""
        found = self.subscribed()
        return ZoneInfo(found.zone) if found and not self.zone else super().zone_of()


@dataclass(frozen=True)
class Synced(Changed):
    """The same for a roster, whose columns may be mapped. The facts so far are an option: at first there are none."""

    facts: Before = field(default_factory=list)

    def reading(self) -> ReadOptions:
        """How the facts so far are to be read: the columns that are mapped are the roster's."""
        return ReadOptions(input_zone=self.input_zone or None, date_order=self.date_order)


def actor_of(actor: str) -> str:
    """Who acts, as it will stand in facts. Raises UsageError for what no fact can hold."""
    faults: list[tuple[str, str]] = []
    text = text_of("the name", actor, faults)
    if faults:
        raise UsageError([Problem("--actor", *fault) for fault in faults])
    return text


def statuses(store: FactStore) -> tuple[Fact, ...]:
    """The facts that a roster follows from."""
    return tuple(store.iterate(f"type in ({quoted_list((*KINDS, LINKED, VOIDED))})"))


def view_at(facts: tuple[Fact, ...], at_us: int) -> Roster:
    """The roster just before an instant; says where facts are there that happened at it or later."""
    later = sum(fact.at_us > at_us for fact in facts)
    if later:
        terminal.say(
            terminal.console(stderr=True),
            f"note: {later:,} facts of the roster happened later than --at; what is done now does not know them",
        )
    return roster_of(facts, at_us)


def only_organisation(view: Roster, named: str) -> str:
    """Whose learners are meant: who is named, else the only organisation there is."""
    found = _organisations(view)
    if named or len(found) < 2:  # noqa: PLR2004 - where there is one, or none, it need not be named
        return named or sole_organisation(view)
    listed = ", ".join(found[:_LISTED_MAX]) + (", …" if len(found) > _LISTED_MAX else "")
    rule = f"there are {len(found):,} organisations: {listed}"
    raise UsageError(Problem("--organisation", rule, "name one of them"))


def sole_organisation(view: Roster) -> str:
    """The only organisation there is; '' where there are several, or none."""
    found = _organisations(view)
    return found[0] if len(found) == 1 else ""


def _organisations(view: Roster) -> list[str]:
    return sorted({key[0] for key in (*view.learners, *view.enrolments)})


def fresh_of(facts: Iterable[Fact], known: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts that are not there already, as where one and the same thing is done twice."""
    there = {fact.key for fact in known}
    return tuple(fact for fact in facts if fact.key not in there)


def write(facts: Sequence[Fact], to: str) -> None:
    """Writes facts to where they are to go, and says so."""
    if not to:
        write_facts(facts, sys.stdout)
        return
    append_facts(facts, to)
    terminal.say(terminal.console(stderr=True), f"{to}: {len(facts):,} facts more")
