"""Rosters for people: who is there, what a snapshot or an action changes, and what became of the rows of a roster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from rollbook.model.fact import Fact
from rollbook.model.groups import in_one
from rollbook.model.instants import iso
from rollbook.model.roster import Roster
from rollbook.model.subscription import Subscription
from rollbook.render.advice import filled
from rollbook.render.terminal import ROWS_MAX, say, show
from rollbook.render.words import local, title

COLUMNS = ("organisation", "learner", "course", "unit", "start", "end", "status", "active", "groups", "since", "id")
"""A row for each enrolment, and for each learner who has none; as a plain roster is read, but for `since`."""

WORDS: Mapping[str, tuple[str, str]] = {
    "account.created": ("learner is new", "learners are new"),
    "account.changed": ("learner is in other groups", "learners are in other groups"),
    "account.enabled": ("learner is set active", "learners are set active"),
    "account.disabled": ("learner is set inactive", "learners are set inactive"),
    "account.deleted": ("learner is gone", "learners are gone"),
    "enrolment.created": ("enrolment began", "enrolments began"),
    "enrolment.changed": ("enrolment has other days or another course", "enrolments have other days or another course"),
    "enrolment.enabled": ("enrolment is enabled", "enrolments are enabled"),
    "enrolment.disabled": ("enrolment is disabled", "enrolments are disabled"),
    "enrolment.ended": ("enrolment ended", "enrolments ended"),
}
"""What status facts say, of one and of several."""


def rows_of(view: Roster) -> Iterator[dict[str, str]]:
    """The rows of `COLUMNS`, in order."""
    enrolled = {key[:2] for key in view.enrolments}
    for key, it in sorted(view.enrolments.items()):
        record = view.learners.get(key[:2])
        yield {
            "organisation": it.organisation,
            "learner": it.learner,
            "course": it.course,
            "unit": it.unit,
            "start": it.start.isoformat() if it.start else "",
            "end": it.end.isoformat() if it.end else "",
            "status": "enabled" if it.enabled else "disabled",
            "active": "" if record is None else "yes" if record.active else "no",
            "groups": "" if record is None else in_one(record.groups),
            "since": since(it.since_us),
            "id": it.object,
        }
    for pair, learner in sorted(view.learners.items()):
        if pair not in enrolled:
            empty = dict.fromkeys(COLUMNS, "")
            active = "yes" if learner.active else "no"
            yield {
                **empty,
                "organisation": pair[0],
                "learner": pair[1],
                "active": active,
                "groups": in_one(learner.groups),
                "since": since(learner.since_us),
            }


def since(at_us: int | None) -> str:
    """Since when something is so; what was so before it was first seen is unknown, not none (S-33)."""
    return "unknown" if at_us is None else iso(at_us)


def print_roster(out: Console, view: Roster, as_of_us: int, zone: str) -> None:
    """Who is there, and who of them is enabled."""
    enabled = [it for it in view.enrolments.values() if it.enabled]
    active = sum(it.active for it in view.learners.values())
    say(out, f"as of {local(as_of_us, zone)} {zone}", bold=True)
    say(out, f"{len(view.learners):,} learners, {active:,} of them active")
    learning = len({it.key[:2] for it in enabled})
    say(out, f"{len(view.enrolments):,} enrolments, {len(enabled):,} of them enabled, of {learning:,} learners")
    rows = list(rows_of(view))
    _print(out, rows)


def _print(out: Console, rows: Sequence[Mapping[str, str]]) -> None:
    """The first rows; columns that are empty in all of them are left out."""
    kept = [name for name in COLUMNS if any(row[name] for row in rows[:ROWS_MAX])]
    if kept:
        show(out, filled(kept, ([row[name] for name in kept] for row in rows[:ROWS_MAX]), texts=kept))
    if len(rows) > ROWS_MAX:
        say(out, f"{len(rows) - ROWS_MAX:,} more rows: --format csv prints them all")


def in_words(facts: Iterable[Fact]) -> Iterator[str]:
    """What status facts change, a line for each kind, and how much of it was so for nobody knows how long."""
    counts: Counter[str] = Counter()
    unknown: set[tuple[str, str, str]] = set()
    for fact in facts:
        counts[fact.type] += 1
        if '"since": "unknown"' in fact.attributes:
            unknown.add((fact.organisation, fact.learner, fact.object))
    for type_, (one, several) in WORDS.items():
        if counts[type_]:
            yield f"{counts[type_]:>8,} {one if counts[type_] == 1 else several}"
    if unknown:
        yield f"{len(unknown):>8,} of these were so before this first roster; since when is unknown"


def print_foreseen(
    out: Console, names: Sequence[str], figures: Sequence[Mapping[str, str]], subscription: Subscription
) -> None:
    """Windows as they are and as they would be, in columns. Where nothing has a price, nothing is said of costs.

    names    of the windows
    figures  by what they are: of each window as it is, then as it would be
    """
    say(out, f"foreseen under {title(subscription)}", bold=True)
    if figures:
        columns = ["", *(name for window in names for name in (window, "would be"))]
        rows = ([what, *(of[what] for of in figures)] for what in figures[0] if any(of[what] for of in figures))
        show(out, filled(columns, rows, texts=[""]))


def print_fates(out: Console, fates: Mapping[str, int], words: Mapping[str, str]) -> None:
    """What became of every row of a roster, adding up to the rows that were read."""
    shown = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    shown.add_column(justify="right", no_wrap=True)
    shown.add_column(no_wrap=True)
    shown.add_column()
    for fate, count in fates.items():
        shown.add_row(f"{count:,}", fate, words[fate])
    shown.add_row(f"{sum(fates.values()):,}", "rows in", "all of the above together")
    show(out, shown)
