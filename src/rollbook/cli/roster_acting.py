"""What is done to a roster: by hand, in bulk, or once for all. It is foreseen first, and written only with `--yes`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from rollbook.cli.metering import over_facts
from rollbook.cli.roster_foreseen import say_foreseen
from rollbook.cli.roster_options import (
    Action,
    Actor,
    Changed,
    Whose,
    Yes,
    actor_of,
    fresh_of,
    only_organisation,
    sole_organisation,
    statuses,
    view_at,
    write,
)
from rollbook.cli.said import in_words_or_end, refuse_target, say_all, write_problems
from rollbook.errors import Problem, UsageError
from rollbook.intake import FactStore
from rollbook.intake.rosters.actions import read_actions
from rollbook.model.fact import Fact
from rollbook.model.instants import LATEST_US
from rollbook.model.keys import nearest
from rollbook.model.roster import EnrolmentKey, Roster
from rollbook.render import roster as shown
from rollbook.render import terminal
from rollbook.roster.changes import from_rows, of_course, set_active, set_enabled
from rollbook.roster.clean_up import clean_up as cleaned_up
from rollbook.roster.statuses import Author, Decided
from rollbook.roster.view import roster_of

Course = Annotated[str, typer.Option("--course", metavar="NAME", help="All who are enrolled in this course offer.")]
Unit = Annotated[str, typer.Option("--unit", metavar="NAME", help="Only this unit of the course.")]
Learners = Annotated[
    list[str], typer.Option("--learner", metavar="ID", help="Only this learner; may be repeated.", show_default=False)
]
FromFile = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="FILE",
        help="A CSV of action,learner and organisation, course, unit or id: what is to be done.",
    ),
]
Do = Annotated[
    Action | None,
    typer.Option(
        "--do", help="enable or disable enrolments; activate or deactivate learners (Is active?).", show_default=False
    ),
]


@over_facts
def change(
    changed: Changed,
    do: Do = None,
    course: Course = "",
    unit: Unit = "",
    learner: Learners = [],
    organisation: Whose = "",
    actions: FromFile = "",
    actor: Actor = "",
    yes: Yes = False,
) -> None:
    """Enable or disable enrolments, or set learners active or inactive: some, all of a course, or those of a file.

    Without --yes nothing is written: it says what would change, what that counts and costs, and until when to do it.
    """
    with in_words_or_end():
        _refuse_wrong(changed, do, course, learner, actions)
        if unit and not course:
            raise UsageError(Problem("--unit", "a unit is one of a course", "name the course, too"))
        at_us, author = changed.at_us(), Author(actor=actor_of(actor))
        with changed.store() as store:
            known = statuses(store)
            view = view_at(known, at_us)
            if actions:
                rows, unread = read_actions(actions, organisation or sole_organisation(view))
                decided = from_rows(view, rows, at_us, author)
                decided = Decided(facts=decided.facts, problems=(*unread, *decided.problems))
            else:
                decided = _bulk(
                    view, Action(do or ""), only_organisation(view, organisation), course, unit, learner, at_us, author
                )
            conclude(store, known, changed, decided, yes=yes)


def _refuse_wrong(changed: Changed, do: Action | None, course: str, learner: Sequence[str], actions: str) -> None:
    refuse_target(changed.to, (actions,))
    if actions and (do or course or learner):
        raise UsageError(Problem("--from", "the file says what is to be done, and to whom", "leave the others out"))
    if not actions and not do:
        remedy = "give --do disable --course NAME, or --from FILE"
        raise UsageError(Problem("--do, --from", "nothing says what is to be done", remedy))
    if not actions and not (course or learner):
        raise UsageError(Problem("--course, --learner", "nothing says to whom", "name a course, or learners"))


def _bulk(
    view: Roster,
    do: Action,
    organisation: str,
    course: str,
    unit: str,
    learner: Sequence[str],
    at_us: int,
    author: Author,
) -> Decided:
    """One action on all whom the options mean; those with whom it is so already are left out without a word."""
    keys = _meant(view, organisation, course, unit, learner)
    enabling, activating = do is Action.enable, do is Action.activate
    if do in (Action.enable, Action.disable):
        named = [key for key in keys if view.enrolments[key].enabled != enabling]
        return set_enabled(view, named, at_us, author, enabled=enabling)
    people = sorted({key[:2] for key in keys} | ({(organisation, it) for it in learner} if not course else set()))
    records = view.learners
    other = [pair for pair in people if pair not in records or records[pair].active != activating]
    return set_active(view, other, at_us, author, active=activating)


def _meant(view: Roster, organisation: str, course: str, unit: str, learner: Sequence[str]) -> Sequence[EnrolmentKey]:
    """The enrolments that the options mean. Raises UsageError where there is no such course, unit or learner."""
    here = sorted(key for key in view.enrolments if key[0] == organisation)
    if course:
        here = list(of_course(view, organisation, course, unit or None))
        if not here:
            offered = {it.course for it in view.enrolments.values() if it.organisation == organisation}
            rule = f'nobody is enrolled in "{course}"' + (f', unit "{unit}"' if unit else "") + nearest(course, offered)
            raise UsageError(Problem("--course", rule, "give a course as the roster names it"))
    known = {key[1] for key in here} | (
        {key[1] for key in view.learners if key[0] == organisation} if not course else set()
    )
    for named in learner:
        if named not in known:
            where = f'in "{course}"' if course else f'in "{organisation}"' if organisation else "in the roster"
            rule = f"nobody {where} has this id{nearest(named, known)}"
            raise UsageError(Problem(f"--learner {named}", rule, "give an id as the roster has it"))
    return [key for key in here if not learner or key[1] in learner]


@over_facts
def clean_up(changed: Changed, organisation: Whose = "", actor: Actor = "", yes: Yes = False) -> None:
    """Set learners inactive, once only, whose enrolments have not begun or are over: the first cleaning of a roster.

    Unit enrolments decide, from their earliest start to their latest end; where there are none, course enrolments.
    Without --yes nothing is written: it says what would change, and what that counts and costs.
    """
    with in_words_or_end():
        at_us = changed.at_us()
        with changed.store() as store:
            known = statuses(store)
            view = view_at(known, at_us)
            whose = only_organisation(view, organisation)
            # Once is once, also where somebody names an instant before it.
            view = replace(view, cleaned=roster_of(known, LATEST_US).cleaned)
            decided = cleaned_up(view, whose, at_us, changed.zone_of(), actor=actor_of(actor))
            if decided.problems and not decided.facts:
                raise UsageError(decided.problems)
            conclude(store, known, changed, decided, yes=yes)


def conclude(store: FactStore, known: Sequence[Fact], changed: Changed, decided: Decided, *, yes: bool) -> None:
    """Says what is decided and what follows from it; with `yes` it is done."""
    err = terminal.console(stderr=True)
    # Where facts go to standard output, words do not.
    out = err if yes and not changed.to else terminal.console()
    say_all(decided.problems, len(decided.problems), changed.problems)
    if changed.problems:
        write_problems(changed.problems, [*store.problems, *decided.problems])
    fresh = fresh_of(decided.facts, known)
    if not fresh:
        already = "it is done already: its facts are among those that were read" if decided.facts else "nothing to do"
        terminal.say(out, already)
    for line in shown.in_words(fresh):
        terminal.say(out, line)
    say_foreseen(out, store, fresh, changed)
    if yes and fresh:
        write(fresh, changed.to)
    elif fresh:
        terminal.say(err, "nothing is written yet: the same with --yes does it")
    sys.stdout.flush()
    if decided.problems or store.problems.total:
        raise typer.Exit(3)
