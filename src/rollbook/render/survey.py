"""A survey of exports for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rollbook.intake.survey import Survey
from rollbook.model.plan import Plan
from rollbook.render.terminal import say, show
from rollbook.render.words import clean, either

TYPES_SHOWN = 60


def print_survey(out: Console, found: Survey, plans: Sequence[Plan]) -> None:
    """What was recognised, what happens, who is named, and which plans can be metered."""
    for name, producer in found.producers.items():
        say(out, f"{name}: recognised as {producer}")
    types = Table("type", "role", "facts", "", box=SIMPLE_HEAD, pad_edge=False)
    types.columns[2].justify = "right"
    for seen in found.types[:TYPES_SHOWN]:
        types.add_row(clean(seen.type), clean(seen.role), f"{seen.facts:,}", clean(seen.hint))
    show(out, types)
    if len(found.types) > TYPES_SHOWN:
        say(out, f"and {len(found.types) - TYPES_SHOWN:,} more")
    for kind, (count, example) in found.identities.items():
        say(out, f"{count:,} learners are named by {kind}, such as {example}")
    for words in found.clocks:
        say(out, f"clock: {words}")
    show(out, plans_table(found, plans))


def plans_table(found: Survey, plans: Sequence[Plan]) -> Table:
    """Which plans can be metered, and what is missing for the others."""
    table = Table("plan", "can be metered", box=SIMPLE_HEAD, pad_edge=False)
    for plan in plans:
        table.add_row(plan.id, missing(found, plan) or "yes")
    return table


def missing(found: Survey, plan: Plan) -> str:
    """What a plan needs and the facts do not have, in words; nothing where it can be metered."""
    meter = plan.meter
    wanted = meter.holds.on if meter.holds else meter.counts
    if not found.names_of_types & set(wanted):
        return f"no: no fact is of a type that it counts ({either(wanted)})"
    if meter.holds and not found.names_of_types & set(meter.holds.off):
        return f"yes, but nothing ever ends: there is no {either(meter.holds.off)}"
    if meter.member_while and not found.names_of_types & set(meter.member_while.on):
        return f"with --assume-members only: no fact says who is a member ({either(meter.member_while.on)})"
    return ""
