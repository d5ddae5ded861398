"""`rollbook roster …`: who is enrolled, and what changing that will count and cost, before it is done.

Nothing is edited: each command ends in status facts, which are appended to the others. A preview says what they would
do; they are written only with `--yes`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rollbook.cli import roster_acting as acting
from rollbook.cli import roster_running as running
from rollbook.cli.metering import over_facts
from rollbook.cli.options import Format, pairs
from rollbook.cli.roster_foreseen import say_foreseen
from rollbook.cli.roster_options import Seen, Synced, Whose, fresh_of, statuses, view_at, write
from rollbook.cli.said import in_words_or_end, refuse_target, say_all, write_problems
from rollbook.intake.rosters import RosterOptions, RosterReading, read_roster
from rollbook.intake.rosters.taking import FATES
from rollbook.model.fact import Fact
from rollbook.model.instants import from_us, iso
from rollbook.model.roster import Roster
from rollbook.render import roster as shown
from rollbook.render import terminal
from rollbook.render.advice import table_of
from rollbook.render.data import write_csv, write_json
from rollbook.roster.snapshots import diff as difference

app = typer.Typer(
    help="Who is enrolled, and what changing that counts and costs.", no_args_is_help=True, rich_markup_mode=None
)

Complete = Annotated[
    bool | None,
    typer.Option(
        "--complete/--partial",
        help="Whether it holds everybody, so that whoever is missing has left. A manifest says so itself.",
    ),
]
KeepStatus = Annotated[
    bool,
    typer.Option(
        "--keep-status",
        help="Enrolments stay enabled or disabled as they are, whatever it says; new ones are disabled.",
    ),
]


@app.command("diff")
@over_facts
def diff(
    synced: Synced,
    roster: Annotated[
        str, typer.Argument(metavar="ROSTER", help="OneRoster, a folder or zip, or plain CSV.", show_default=False)
    ],
    organisation: Whose = "",
    complete: Complete = None,
    keep_status: KeepStatus = False,
) -> None:
    """Hold a roster against the facts so far, and write what began, changed and ended as status facts."""
    with in_words_or_end():
        refuse_target(synced.problems, (*synced.files, roster), option="--problems")
        refuse_target(synced.to, (roster,))
        at_us, zone = synced.at_us(), synced.zone_of()
        options = RosterOptions(
            day=from_us(at_us).astimezone(zone).date(),
            organisation=organisation,
            date_order=synced.date_order.value if synced.date_order else None,
            mapping=pairs("--map", synced.mapping, "learner=UserID"),
            complete=complete,
            keeps_status=keep_status,
        )
        reading = read_roster(roster, options)
        _say_reading(reading, roster, synced.problems)
        with synced.store() as store:
            if synced.problems:
                write_problems(synced.problems, [*reading.problems, *store.problems])
            known = statuses(store)
            view = view_at(known, at_us)
            facts = difference(view, reading.over(view), at_us)
            fresh = fresh_of(facts, known)
            _say_changes(fresh, facts, reading)
            say_foreseen(terminal.console(stderr=True), store, fresh, synced)
            write(fresh, synced.to)
            sys.stdout.flush()
            if reading.problems.total or store.problems.total:
                raise typer.Exit(3)


@app.command("show")
@over_facts
def show(
    seen: Seen, output: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.table
) -> None:
    """Show who is enrolled and who of them is enabled, as it follows from the facts."""
    with in_words_or_end():
        at_us, zone = seen.at_us(), seen.zone_of()
        with seen.store() as store:
            view = view_at(statuses(store), at_us)
            _show(view, at_us, zone.key, output)
            sys.stdout.flush()
            if store.problems.total:
                raise typer.Exit(3)


app.command("change")(acting.change)
app.command("clean-up")(acting.clean_up)
app.command("run")(running.run)


def _show(view: Roster, at_us: int, zone: str, output: Format) -> None:
    if output is Format.table:
        shown.print_roster(terminal.console(), view, at_us, zone)
        return
    table = table_of(list(shown.rows_of(view)), shown.COLUMNS)
    if output is Format.csv:
        write_csv(table, sys.stdout, for_spreadsheets=True)
    else:
        write_json(table, {"as_of": iso(at_us), "zone": zone}, sys.stdout)


def _say_reading(reading: RosterReading, name: str, problems_file: str) -> None:
    """Says what a roster is, what is wrong with it, and what became of its rows; ends the run where it is none."""
    err = terminal.console(stderr=True)
    terminal.say(err, f"{name}: read as {reading.kind}")
    for note in reading.problems.notes:
        terminal.say(err, f"note: {note}")
    say_all([*reading.problems], reading.problems.total, problems_file)
    if not reading.rows:
        terminal.say(err, "no result: nothing could be read")
        raise typer.Exit(2)
    shown.print_fates(err, reading.fates, FATES)
    if reading.why_partial:
        terminal.say(err, f"nobody is taken to be missing: {reading.why_partial}")


def _say_changes(fresh: Sequence[Fact], facts: Sequence[Fact], reading: RosterReading) -> None:
    err = terminal.console(stderr=True)
    if len(fresh) < len(facts):
        terminal.say(err, f"{len(facts) - len(fresh):,} of its changes are among the facts already")
    elif not facts:
        terminal.say(err, "nothing has changed" if reading.snapshot.complete else "nothing is new in it")
    for line in shown.in_words(fresh):
        terminal.say(err, line)
