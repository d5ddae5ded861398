"""The commands about statements: options in, calls to `books`, figures out."""

from __future__ import annotations

import json
import os
import secrets
import sys
from typing import Annotated

import typer

from rollbook.books.book import Book
from rollbook.books.closing import Closing, close, closes_us
from rollbook.cli.metering import Inputs, over_facts
from rollbook.cli.options import Format
from rollbook.cli.said import finish, in_words_or_end
from rollbook.errors import Problem, UsageError
from rollbook.model.instants import iso
from rollbook.render import terminal
from rollbook.render.statement import print_statement, print_statements

app = typer.Typer(
    help="Close windows, and read what was closed.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

BookOption = Annotated[
    str, typer.Option("--book", metavar="FOLDER", help="Where closed statements are kept, one folder a subscription.")
]


@app.command()
@over_facts
def preview(
    inputs: Inputs,
    book: BookOption = "",
    window: Annotated[
        int, typer.Option(metavar="NUMBER", help="A window that is not closed; the one that runs, by default.")
    ] = 0,
    output: Annotated[Format, typer.Option("--format", help="How the statement is written.")] = Format.table,
) -> None:
    """Show the statement of the window that runs, as it stands: what has accrued."""
    with in_words_or_end():
        kept = Book(book or os.devnull)
        with inputs.metered(before=kept.facts_files()) as result:
            record = Closing(kept, result).preview(window or None)
            if output is Format.json:
                json.dump(record, sys.stdout, indent=2, ensure_ascii=False)
                sys.stdout.write("\n")
            else:
                print_statement(terminal.console(), record)
            sys.stdout.flush()
            finish(result)


@app.command("close")
@over_facts
def close_windows(
    inputs: Inputs,
    book: BookOption = "",
    without_rejected: Annotated[
        bool, typer.Option("--without-rejected", help="Close although rows were rejected; they are adjusted later.")
    ] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Close where the plan asks for an approval.")] = False,
) -> None:
    """Close every window that has ended, after its grace: freeze a numbered statement of each."""
    with in_words_or_end():
        if not book:
            raise UsageError(Problem("--book", "nothing says where statements are kept", "give a folder: --book DIR"))
        kept = Book(book)
        out, err = terminal.console(), terminal.console(stderr=True)
        with inputs.metered(before=kept.facts_files()) as result:
            if (result.store.problems.total or result.conflicts) and not without_rejected:
                rule = "rows were rejected, and what is closed is final"
                raise UsageError(Problem(book, rule, "correct them, or close without them: --without-rejected"))
            closing = Closing(kept, result)
            asked = result.subscription.plan.governance.close == "approve"
            if asked and closing.closable() and not approve:
                raise UsageError(Problem(book, "this plan asks for an approval before a window closes", "--approve"))
            closed = list(close(kept, result, lambda: secrets.token_bytes(32)))
            for statement in closed:
                print_statement(out, statement.record)
            if not closed:
                terminal.say(err, "nothing to close: " + _when(closing))
            sys.stdout.flush()
            finish(result)


@app.command("list")
def list_statements(book: Annotated[str, typer.Argument(metavar="FOLDER", help="The folder of a book.")]) -> None:
    """List the statements of a book."""
    with in_words_or_end():
        print_statements(terminal.console(), Book(book).records)


@app.command()
def show(
    book: Annotated[str, typer.Argument(metavar="FOLDER", help="The folder of a book.")],
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The statement's number.")],
) -> None:
    """Show one closed statement."""
    with in_words_or_end():
        kept = Book(book)
        if not 1 <= number <= len(kept.statements):
            rule = f"the book has {len(kept.statements)} statements"
            raise UsageError(Problem(f"statement {number}", rule, f"give a number from 1 to {len(kept.statements)}"))
        print_statement(terminal.console(), kept.records[number - 1])


def _when(closing: Closing) -> str:
    """When the next window can be closed."""
    window = closing.next_window
    if window is None:
        return "every window is closed, and nothing arrived since"
    return f"window {window.number} can be closed from {iso(closes_us(closing.result.subscription, window))} on"
