"""The commands about statements: options in, calls to `books`, figures out."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any

import pyarrow.compute as pc
import typer

from rollbook.accounting.charges import cheaper_by_more
from rollbook.books.book import Book, Statement
from rollbook.books.charges import lines
from rollbook.books.closing import Closing, close, closes_us
from rollbook.books.evidence import read_evidence
from rollbook.cli.metering import Inputs, over_facts
from rollbook.cli.said import finish, in_words_or_end
from rollbook.errors import Problem, UsageError
from rollbook.library import Result
from rollbook.model.instants import iso
from rollbook.render import terminal
from rollbook.render.data import write_csv, write_json, write_parquet
from rollbook.render.pdf import EVIDENCE_ROWS_MAX, write_pdf
from rollbook.render.prices import cheaper_in_words
from rollbook.render.statement import print_evidence, print_statement, print_statements
from rollbook.render.statement_words import known_locale

app = typer.Typer(
    help="Close windows, and read what was closed.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


class Form(StrEnum):
    """How a statement is written."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"
    pdf = "pdf"


BINARY = (Form.parquet, Form.pdf)
"""These go to files only."""

BookOption = Annotated[
    str, typer.Option("--book", metavar="FOLDER", help="Where closed statements are kept, one folder a subscription.")
]
FolderArgument = Annotated[str, typer.Argument(metavar="FOLDER", help="The folder of a book.")]
FormOption = Annotated[
    Form, typer.Option("--format", help="How it is written; csv and parquet have a row for each charge and adjustment.")
]
ToOption = Annotated[str, typer.Option("--to", metavar="FILE", help="Writes to this file, in place of the screen.")]
LocaleOption = Annotated[
    str, typer.Option("--locale", metavar="NAME", help="How amounts and days are written: en, de, pt_BR.")
]


@app.command()
@over_facts
def preview(
    inputs: Inputs,
    book: BookOption = "",
    window: Annotated[
        int, typer.Option(metavar="NUMBER", help="A window that is not closed; the one that runs, by default.")
    ] = 0,
    output: FormOption = Form.table,
    to: ToOption = "",
    locale: LocaleOption = "en",
) -> None:
    """Show the statement of the window that runs, as it stands: what has accrued."""
    with in_words_or_end():
        written_in = known_locale(locale)
        output = _by_ending(output, to)
        _refuse_target(output, to, book, [*inputs.facts, inputs.plan, inputs.subscription, inputs.people, inputs.rates])
        kept = Book(book or os.devnull)
        with inputs.metered(before=kept.facts_files()) as result:
            record = Closing(kept, result).preview(window or None)
            _write(record, output, to, written_in, before=kept.records)
            _say_cliffs(result, [record])
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
            if asked and closing.due and not approve:
                rule = "this plan asks for an approval before anything is closed"
                raise UsageError(Problem(book, rule, "look at statement preview, and close with --approve"))
            closed = []
            for statement in close(kept, result, lambda: secrets.token_bytes(32)):
                print_statement(out, statement.record)
                closed.append(statement.record)
            _say_cliffs(result, closed)
            if not closed:
                terminal.say(err, "nothing to close: " + _when(closing))
            sys.stdout.flush()
            finish(result)


@app.command("list")
def list_statements(book: FolderArgument) -> None:
    """List the statements of a book."""
    with in_words_or_end():
        kept = _existing(book)
        if kept.statements:
            print_statements(terminal.console(), kept.records)
        else:
            terminal.say(terminal.console(stderr=True), f"{book}: no statement is closed yet")


@app.command()
def show(
    book: FolderArgument,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The statement's number.")],
    output: FormOption = Form.table,
    to: ToOption = "",
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Who counted and by which fact, instead of what is charged.")
    ] = False,
    with_evidence: Annotated[
        bool, typer.Option("--with-evidence", help=f"PDF: with the first {EVIDENCE_ROWS_MAX:,} rows of evidence.")
    ] = False,
    locale: LocaleOption = "en",
) -> None:
    """Show one closed statement."""
    with in_words_or_end():
        written_in = known_locale(locale)
        output = _by_ending(output, to)
        _refuse_target(output, to, book)
        kept = _existing(book)
        statement = _numbered(kept, book, number)
        if with_evidence and output is not Form.pdf:
            raise UsageError(
                Problem("--with-evidence", "only a PDF has an appendix", "give --evidence, or --format pdf")
            )
        if evidence:
            if output is Form.pdf:
                raise UsageError(Problem("--evidence", "a PDF is of the statement", "give --with-evidence"))
            _write_evidence(kept, statement, output, to)
        else:
            rows = _first_rows(kept, number, EVIDENCE_ROWS_MAX) if with_evidence else ()
            _write(
                statement.record,
                output,
                to,
                written_in,
                digest=statement.digest,
                before=kept.records[: number - 1],
                evidence=rows,
            )


@app.command()
def charges(book: FolderArgument, to: ToOption = "") -> None:
    """List what all closed statements charge, as CSV for a system that bills; every row has a key of its own."""
    with in_words_or_end():
        _refuse_target(Form.csv, to, book)
        kept = _existing(book)
        found = lines(kept.records)
        priced = found.filter(pc.is_valid(found.column("amount")))
        with _text_to(to) as out:
            write_csv(priced, out, for_spreadsheets=True)
        if unpriced := found.num_rows - priced.num_rows:
            rule = f"{unpriced:,} of {found.num_rows:,} lines have no price, and are left out"
            terminal.say(terminal.console(stderr=True), f"note: {rule}; close with a price next time: --rates FILE")


def _write(
    record: Mapping[str, Any],
    output: Form,
    to: str,
    locale: str,
    *,
    digest: str = "",
    before: Sequence[Mapping[str, Any]] = (),
    evidence: Sequence[Mapping[str, Any]] = (),
) -> None:
    """A statement, or a preview of one."""
    if output is Form.pdf:
        _write_bytes(to, write_pdf(record, digest=digest, before=before, evidence=evidence, locale=locale))
    elif output is Form.parquet:
        found = lines([record])
        try:
            write_parquet(found, {"statement": record["number"], "digest": digest}, to)
        except OSError as error:
            raise UsageError(_unwritten(to, error)) from None
    elif output is Form.table:
        print_statement(terminal.console(), record, locale)
        sys.stdout.flush()
    else:
        with _text_to(to) as out:
            if output is Form.json:
                out.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
            else:
                write_csv(lines([record]), out, for_spreadsheets=True)


def _write_evidence(book: Book, statement: Statement, output: Form, to: str) -> None:
    """The evidence of a statement. Parquet has the rows as they were sealed."""
    file = book.path(statement.number, "evidence.parquet")
    if output is Form.parquet:
        _write_bytes(to, file.read_bytes())
    elif output is Form.table:
        print_evidence(terminal.console(), statement.record, _first_rows(book, statement.number, terminal.ROWS_MAX))
    else:
        with _text_to(to) as out:
            if output is Form.json:
                write_json(read_evidence(file), {"statement": statement.number, "digest": statement.digest}, out)
            else:
                write_csv(read_evidence(file), out, for_spreadsheets=True)


def _first_rows(book: Book, number: int, rows: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for batch in read_evidence(book.path(number, "evidence.parquet")):
        found += batch.slice(0, rows - len(found)).to_pylist()
        if len(found) == rows:
            break
    return found


@contextmanager
def _text_to(file: str) -> Iterator[IO[str]]:
    """A file, or the screen."""
    if not file:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        with Path(file).open("w", encoding="utf-8", newline="") as out:
            yield out
    except OSError as error:
        raise UsageError(_unwritten(file, error)) from None


def _write_bytes(file: str, content: bytes) -> None:
    try:
        Path(file).write_bytes(content)
    except OSError as error:
        raise UsageError(_unwritten(file, error)) from None


def _unwritten(file: str, error: OSError) -> Problem:
    return Problem(file, f"it cannot be written: {error.strerror}", "name another file with --to")


def _by_ending(output: Form, to: str) -> Form:
    """The format that a file's name asks for, where none was said."""
    ending = Path(to).suffix.removeprefix(".")
    return Form(ending) if output is Form.table and ending in [form.value for form in Form] else output


def _refuse_target(output: Form, to: str, book: str, inputs: Sequence[str] = ()) -> None:
    """Bytes need a file, a table needs none, and nothing is written over what is read or closed."""
    if output in BINARY and not to:
        raise UsageError(Problem("--to", f"{output.value} is no text", f"name a file: --to statement.{output.value}"))
    if not to:
        return
    target = Path(to).resolve()
    if output is Form.table:
        raise UsageError(Problem("--to", "a table is for the screen", "give --format csv, json, parquet or pdf"))
    if book and target.is_relative_to(Path(book).resolve()):
        raise UsageError(Problem(to, "this is inside the book", "name a file elsewhere"))
    if target in [Path(name).resolve() for name in inputs if name]:
        raise UsageError(Problem(to, "it would be written over an input", "name another file with --to"))
    if target.is_dir() or not target.parent.is_dir():
        rule = "this is a folder" if target.is_dir() else "there is no such folder"
        raise UsageError(Problem(to, rule, "name a file in a folder that is there"))


def _existing(folder: str) -> Book:
    """A book to be read. To close, it may be missing."""
    if not Path(folder).is_dir():
        raise UsageError(Problem(folder, "there is no such folder", "give the folder of a book"))
    return Book(folder)


def _numbered(book: Book, folder: str, number: int) -> Statement:
    count = len(book.statements)
    if not count:
        raise UsageError(Problem(folder, "no statement is closed yet", "close one: rollbook statement close"))
    if not 1 <= number <= count:
        rule = "the book has 1 statement" if count == 1 else f"the book has {count} statements"
        remedy = "give 1" if count == 1 else f"give a number from 1 to {count}"
        raise UsageError(Problem(f"statement {number}", rule, remedy))
    return book.statements[number - 1]


def _say_cliffs(result: Result, records: Sequence[Mapping[str, Any]]) -> None:
    """Says where more units would have cost less."""
    numbers = {record["window"]["number"] for record in records if record["window"]}
    owed = [charge for charge in result.account.charges if charge.window in numbers]
    for charge, cliff in cheaper_by_more(result.subscription, owed):
        terminal.say(terminal.console(stderr=True), f"note: {cheaper_in_words(charge, cliff)}")


def _when(closing: Closing) -> str:
    """When the next window can be closed."""
    window = closing.next_window
    if window is None:
        return "every window is closed, and nothing arrived since"
    return f"window {window.number} can be closed from {iso(closes_us(closing.result.subscription, window))} on"
