"""`rollbook roster run`: enrolment rules and learn cycles, foreseen first, and stopped whole by their budget."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rollbook.cli.metering import over_facts
from rollbook.cli.options import instant, read_text
from rollbook.cli.roster_acting import conclude
from rollbook.cli.roster_foreseen import say_foreseen
from rollbook.cli.roster_options import Changed, Yes, fresh_of, view_at
from rollbook.cli.said import in_words_or_end, refuse_target
from rollbook.errors import Problem, UsageError
from rollbook.model.instants import to_us
from rollbook.render import terminal
from rollbook.render.words import local
from rollbook.roster.budget import Budgeted, within_budget
from rollbook.roster.deciding import Notice, decide, deeds_of
from rollbook.roster.rules import parse_rules, strangers
from rollbook.roster.statuses import Decided

LISTED_MAX = 20
"""Learners, and messages, that are listed."""

RulesFile = Annotated[
    str, typer.Option("--rules", metavar="FILE", help="Rules and learn cycles, a TOML file.", show_default=False)
]
Agree = Annotated[
    bool, typer.Option("--agree", help="You have seen who would become active, and want it: the budget does not stop.")
]
Since = Annotated[
    str,
    typer.Option("--since", metavar="INSTANT", help="When rules last ran: says what fell due to be told since then."),
]


@over_facts
def run(changed: Changed, rules: RulesFile, since: Since = "", agree: Agree = False, yes: Yes = False) -> None:
    """Do what rules and learn cycles say is due: enable, disable, and tell.

    Without --yes nothing is written. A run that would make more learners active than its budget is stopped whole.
    """
    with in_words_or_end():
        refuse_target(changed.to, (rules,))
        at_us, zone, subscription = changed.at_us(), changed.zone_of(), changed.subscribed()
        found = parse_rules(read_text(rules), rules)
        if subscription is None:
            remedy = "give --subscription FILE, or --plan and --start"
            raise UsageError(Problem("--plan, --subscription", "nothing says by which plan the budget counts", remedy))
        last = instant(since, zone.key, "--since")
        with changed.store() as store:
            facts = tuple(store.iterate())
            view = view_at(facts, at_us)
            err = terminal.console(stderr=True)
            for problem in strangers(found, view, rules):
                terminal.say(err, f"note: {problem}")
            previous_us = None if last is None else to_us(last)
            decided = decide(found, view, deeds_of(facts, at_us), at_us, zone, previous_us=previous_us)
            _say_notices(decided.notices, zone.key)
            fresh = fresh_of(decided.facts, facts)
            budgeted = within_budget(found.budget_learners_active, facts, fresh, subscription, rules, agreed=agree)
            if budgeted.stopped:
                say_foreseen(terminal.console(), store, fresh, changed)
                _say_stopped(budgeted)
            conclude(store, facts, changed, Decided(facts=decided.facts), yes=yes)


def _say_notices(notices: Sequence[Notice], zone: str) -> None:
    out = terminal.console()
    for it in notices[:LISTED_MAX]:
        what = f"{it.learner} in {it.object}" + (f" of {it.organisation}" if it.organisation else "")
        terminal.say(out, f"to tell: {it.cycle}, {it.when} on {local(it.due_us, zone)}: {what}")
    if len(notices) > LISTED_MAX:
        terminal.say(out, f"to tell: {len(notices) - LISTED_MAX:,} more")


def _say_stopped(budgeted: Budgeted) -> None:
    """Says whom a run would have made active, and ends it with nothing done."""
    out, err = terminal.console(), terminal.console(stderr=True)
    newly = sorted(budgeted.newly)
    for organisation, learner, object_ in newly[:LISTED_MAX]:
        where = " ".join(it for it in (object_, f"of {organisation}" if organisation else "") if it)
        terminal.say(out, f"would become active: {learner} {where}".rstrip())
    if len(newly) > LISTED_MAX:
        terminal.say(out, f"would become active: {len(newly) - LISTED_MAX:,} more")
    sys.stdout.flush()
    for problem in budgeted.decided.problems:
        terminal.say(err, f"{problem} (--agree)")
    raise typer.Exit(1)
