"""The options that every command over facts shares, and the metering they ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from typing import Any, get_type_hints

import typer

from rollbook import library
from rollbook.cli.options import (
    AsOf,
    AssumeMembers,
    DateOrderOption,
    End,
    Engine,
    EngineOption,
    Facts,
    InputKind,
    InputZone,
    MapOption,
    Master,
    MemoryLimit,
    Organisation,
    People,
    PlanOption,
    ProblemsFile,
    QuantityOption,
    Rates,
    SnapshotAt,
    Start,
    Strict,
    SubscriptionOption,
    TableOption,
    Term,
    VocabularyOption,
    Zone,
    instant,
    pairs,
    subscription_of,
)
from rollbook.cli.said import refuse_target, say_incomplete, say_problems, say_zones
from rollbook.intake import ReadOptions
from rollbook.model.subscription import Subscription
from rollbook.render import terminal


@dataclass(frozen=True)
class Exports:
    """What is read and how, as the options say it. Each field is an option of every command that reads exports."""

    facts: Facts
    input: InputKind = ""
    vocabulary: VocabularyOption = field(default_factory=list)
    table: TableOption = field(default_factory=list)
    mapping: MapOption = field(default_factory=list)
    input_zone: InputZone = ""
    date_order: DateOrderOption = None
    snapshot_at: SnapshotAt = ""
    problems: ProblemsFile = ""
    memory_limit: MemoryLimit = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All that is read."""
        tables = pairs("--table", self.table, "roles=role_assignments.csv")
        return (*self.facts, *self.vocabulary, *tables.values())

    def options(self) -> ReadOptions:
        """How the exports are to be read."""
        return ReadOptions(
            memory_limit=self.memory_limit or None,
            input_zone=self.input_zone or None,
            date_order=self.date_order.value if self.date_order else None,
            mapping=pairs("--map", self.mapping, "learner=UserID"),
            input=self.input or None,
            vocabularies=tuple(self.vocabulary),
            tables=pairs("--table", self.table, "roles=role_assignments.csv"),
            snapshot_at=self.snapshot_at or None,
        )


@dataclass(frozen=True)
class Inputs(Exports):
    """What is metered and how. Each field is an option of every command that meters."""

    plan: PlanOption = ""
    start: Start = ""
    end: End = ""
    subscription: SubscriptionOption = ""
    term: Term = 0
    organisation: Organisation = field(default_factory=list)
    quantity: QuantityOption = 0
    rates: Rates = ""
    as_of: AsOf = ""
    engine: EngineOption = Engine.duckdb
    master: Master = ""
    zone: Zone = ""
    people: People = ""
    strict: Strict = False
    assume_members: AssumeMembers = False

    @property
    def files(self) -> tuple[str, ...]:
        """All that is read."""
        return (*super().files, self.plan, self.subscription, self.people, self.rates)

    def subscribed(self) -> Subscription:
        """The subscription that the options describe."""
        return subscription_of(
            self.plan,
            self.start,
            self.end,
            self.subscription,
            self.zone,
            self.organisation,
            quantity=self.quantity,
            rates=self.rates,
            term=self.term,
            as_of=self.as_of,
        )

    @contextmanager
    def metered(
        self, *, subscription: Subscription | None = None, before: tuple[str, ...] = ()
    ) -> Iterator[library.Result]:
        """The result, with what is to be said about its sources and problems said before it.

        subscription  instead of the one that the options describe
        before        files of facts that belong to it besides those that were named
        """
        what = subscription or self.subscribed()
        refuse_target(self.problems, self.files, option="--problems")
        options = replace(self.options(), settled=len(before))
        err = terminal.console(stderr=True)
        with err.status("reading and counting …") if err.is_terminal else nullcontext():
            result = library.meter(
                [*before, *self.facts],
                what,
                as_of=instant(self.as_of, what.zone),
                engine=self.engine.value,
                master=self.master,
                options=options,
                assume_members=self.assume_members,
            )
        with result:
            terminal.print_sources(err, result.store.sources)
            say_problems(err, result, self.problems)
            if self.strict and (result.store.problems.total or result.conflicts):
                terminal.say(err, "no result: rows were rejected, and --strict asks for none then")
                raise typer.Exit(3)
            if not (self.zone or self.subscription):
                say_zones(err, what.zone, options.input_zone)
            say_incomplete(err, result)
            yield result


def over_facts(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, whose first parameter is of `Inputs` or `Exports`, the options of that class before its own.

    FACTS come first, then the command's own arguments and options, then what is shared.
    """
    first, *own = inspect.signature(command, eval_str=True).parameters.values()
    kind: type[Exports] = first.annotation
    hints = get_type_hints(kind, include_extras=True)
    shared = [
        inspect.Parameter(it.name, inspect.Parameter.KEYWORD_ONLY, default=_default(it), annotation=hints[it.name])
        for it in fields(kind)
    ]
    parameters = [shared[0], *(it.replace(kind=inspect.Parameter.KEYWORD_ONLY) for it in own), *shared[1:]]

    @wraps(command)
    def called(**given: Any) -> None:
        inputs = kind(**{it.name: given.pop(it.name) for it in fields(kind)})
        command(inputs, **given)

    vars(called)["__signature__"] = inspect.Signature(parameters)
    called.__annotations__ = {it.name: it.annotation for it in parameters}
    return called


def _default(of: Any) -> Any:
    if callable(of.default_factory):
        return of.default_factory()
    return inspect.Parameter.empty if of.name == "facts" else of.default
