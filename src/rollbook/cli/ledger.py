"""`rollbook ledger`: facts kept so that counting them again costs little."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rollbook import ledger
from rollbook.cli.metering import Exports, over_facts
from rollbook.cli.proof import print_verdict
from rollbook.cli.said import in_words_or_end, refuse_target, say_read
from rollbook.errors import LedgerError, Problem
from rollbook.ledger.checking import verify as verify_ledger
from rollbook.render import terminal
from rollbook.render.ledger import print_ledger

app = typer.Typer(
    help="Keep facts in a folder, sorted once, so that counting them again is quick.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

FolderArgument = Annotated[str, typer.Argument(metavar="DIR", help="The folder of a ledger.")]


@app.command()
@over_facts
def build(
    exports: Exports,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The folder of the ledger; made where there is none.")],
) -> None:
    """Add facts to a ledger. Every other command takes its folder in place of FACTS.

    What is there already is left out, so the same files may be given again, and each day's beside them. What stands
    in a ledger stands: other content under the same id is refused, and told. May be interrupted at any time.
    """
    with in_words_or_end():
        refuse_target(exports.problems, exports.files, option="--problems")
        err = terminal.console(stderr=True)
        options = exports.options()
        with err.status("reading and sorting …") if err.is_terminal else nullcontext():
            built = ledger.build(Path(folder), exports.facts, options, at=datetime.now(UTC))
        say_read(err, built.store, exports.problems)
        record = built.record
        terminal.say(terminal.console(), f"{folder}: {record.added:,} facts added, {built.manifest.facts:,} in all")
        sys.stdout.flush()
        parts = (f"{record.added:,} added", f"{record.duplicates:,} repeats", f"{record.rejected:,} rejected")
        terminal.say(err, f"{record.rows:,} rows in: " + " + ".join(parts))
        if built.store.problems.total:
            raise typer.Exit(2 if built.store.problems.files and not built.store.rows else 3)


@app.command()
def show(folder: FolderArgument) -> None:
    """Show what a ledger holds, and what each build added to it."""
    with in_words_or_end():
        _refuse_other(folder)
        print_ledger(terminal.console(), ledger.read_manifest(Path(folder)))


@app.command()
def verify(folder: FolderArgument) -> None:
    """Check that a ledger holds what was written: every file, and every fact.

    Ends with 0 where everything holds, 1 where something differs, and 2 where it cannot be read.
    """
    with in_words_or_end():
        found = verify_ledger(Path(folder))
        print_verdict(found)
        sys.stdout.flush()
        if not found.holds:
            raise typer.Exit(1)


def _refuse_other(folder: str) -> None:
    if not ledger.is_ledger(folder):
        raise LedgerError(Problem(folder, "is no ledger", "name the folder that rollbook ledger build wrote"))
