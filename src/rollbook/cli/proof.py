"""The commands about proof: a bundle is written, one learner's part is taken out of it, and both are verified."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rollbook.books.book import Book
from rollbook.books.bundle import export as export_bundle
from rollbook.books.proving import proof_text, verify_proof_file
from rollbook.books.proving import prove as prove_learner
from rollbook.books.verifying import verify as verify_bundle
from rollbook.cli.metering import Exports
from rollbook.cli.options import DateOrderOption, InputKind, InputZone, MapOption, TableOption, VocabularyOption
from rollbook.cli.said import in_words_or_end, refuse_target
from rollbook.errors import Problem, UsageError
from rollbook.proof.verdict import Verdict
from rollbook.render import terminal

_ZIP = b"PK"


def export(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The statement's number.")],
    book: Annotated[str, typer.Option("--book", metavar="FOLDER", help="The folder of the book.")],
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="The bundle to be written, a ZIP.")],
) -> None:
    """Write one statement with all that it rests on into a bundle that anybody can verify."""
    with in_words_or_end():
        refuse_target(to, book=book, new_folders=True)
        export_bundle(Book(book), number, Path(to))
        terminal.say(terminal.console(stderr=True), f"{to} holds personal data: for whoever may see every learner")


def prove(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A bundle of a statement.")],
    learner: Annotated[str, typer.Argument(metavar="LEARNER", help="The learner's id, as it stands in the facts.")],
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="The proof to be written, JSON.")],
    organisation: Annotated[
        str, typer.Option(metavar="NAME", help="Whose learner, where several have one of this id.")
    ] = "",
    guest: Annotated[bool, typer.Option("--guest", help="LEARNER is the id of a guest's entry.")] = False,
) -> None:
    """Prove to one learner that they counted, without showing anybody else."""
    with in_words_or_end():
        refuse_target(to, (bundle,))
        text = proof_text(prove_learner(Path(bundle), learner, guest=guest, organisation=organisation or None))
        target = Path(to)
        if target.exists():
            raise UsageError(Problem(to, "it is there already", "name another file"))
        # It is about one person, and for that person.
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)


def verify(
    file: Annotated[str, typer.Argument(metavar="BUNDLE|PROOF", help="What `statement export` or `prove` wrote.")],
    facts: Annotated[list[str] | None, typer.Argument(metavar="FACTS", help="Your own facts, to recount from.")] = None,
    input_zone: InputZone = "",
    date_order: DateOrderOption = None,
    mapping: MapOption = [],
    kind: InputKind = "",
    vocabulary: VocabularyOption = [],
    table: TableOption = [],
) -> None:
    """Recount a statement from its facts, or from yours, and say line by line what holds and what differs.

    Ends with 0 where everything holds, 1 where something differs, and 2 where it cannot be read.
    """
    with in_words_or_end():
        own = Exports(
            facts or [],
            input=kind,
            vocabulary=vocabulary,
            table=table,
            mapping=mapping,
            input_zone=input_zone,
            date_order=date_order,
        )
        with Path(file).open("rb") as opened:
            is_bundle = opened.read(len(_ZIP)) == _ZIP
        if is_bundle:
            found = verify_bundle(Path(file), facts or (), own.options())
        elif facts:
            raise UsageError(Problem(file, "only a bundle can be recounted from facts", "leave the facts out"))
        else:
            found = verify_proof_file(Path(file))
        print_verdict(found)
        sys.stdout.flush()
        if not found.holds:
            raise typer.Exit(1)


def print_verdict(found: Verdict) -> None:
    """Each check in a line, and below it what differs."""
    out = terminal.console()
    terminal.say(out, found.title, bold=True)
    for name, digest in found.digests.items():
        terminal.say(out, f"{name} has the digest {digest}")
    for check in found.checks:
        terminal.say(out, f"{'holds  ' if check.holds else 'DIFFERS'}  {check.name}: {check.says}")
        for difference in check.differences:
            terminal.say(out, f"         - {difference}")
        if check.more:
            terminal.say(out, f"         - and {check.more:,} more")
    wrong = sum(not check.holds for check in found.checks)
    terminal.say(out, f"{wrong} of {len(found.checks)} differ" if wrong else f"all {len(found.checks)} hold", bold=True)
