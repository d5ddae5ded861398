"""What is said beside a result, on standard error: problems, what became of every row, and how a run ends."""

from __future__ import annotations

import contextlib
import csv
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import duckdb
import typer
from rich.console import Console

from rollbook import library
from rollbook.errors import Problem, RollbookError, UsageError
from rollbook.intake import FactStore
from rollbook.ledger import is_ledger
from rollbook.render import terminal
from rollbook.render.data import guarded

PROBLEMS_SHOWN = 100
"""Rejected rows printed one by one; the rest by number, unless `--problems` names a file for them."""


@contextmanager
def in_words_or_end() -> Iterator[None]:
    """Ends the run with what went wrong, in words."""
    try:
        yield
    except RollbookError as error:
        fail(error.problems)
    except BrokenPipeError:
        # Whoever reads has seen enough.
        _discard_output()
        raise typer.Exit(0) from None
    except FileNotFoundError as error:
        fail((Problem(str(error.filename or "file"), "it does not exist", "check the name and the folder"),))
    except (OSError, duckdb.Error) as error:
        _discard_output()
        words = " ".join(str(error).split())[:300]
        fail((Problem("rollbook", f"cannot go on: {words}", "look for a full disk or a lack of memory"),))


def _discard_output() -> None:
    """Nothing more is written to standard output, not even what waits to be, at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(problems: tuple[Problem, ...]) -> NoReturn:
    """Says what is wrong, and ends the run."""
    err = terminal.console(stderr=True)
    for problem in problems[:PROBLEMS_SHOWN]:
        terminal.say(err, str(problem))
    if len(problems) > PROBLEMS_SHOWN:
        terminal.say(err, f"and {len(problems) - PROBLEMS_SHOWN:,} more")
    raise typer.Exit(2)


def say_problems(err: Console, result: library.Result, problems_file: str) -> None:
    """Says every problem and note of a result, and writes the problems to their file."""
    say_read(err, result.store, problems_file, result.conflicts, result.notes)


def say_read(
    err: Console,
    store: FactStore,
    problems_file: str,
    conflicts: Sequence[Problem] = (),
    notes: Sequence[Problem] = (),
) -> None:
    """Says every problem and note of what was read, and writes the problems to their file."""
    problems = store.problems
    found = [*problems, *conflicts]
    total = problems.total + len(conflicts)
    for note in (*problems.notes, *notes):
        terminal.say(err, f"note: {note}")
    say_all(found, total, problems_file)
    if problems_file:
        write_problems(problems_file, found)
        if total > len(found):
            terminal.say(err, f"{problems_file} has the first {len(found):,} of {total:,} problems")


def say_all(problems: Sequence[Problem], total: int, problems_file: str) -> None:
    """Says the first problems, and how many more of `total` there are."""
    err = terminal.console(stderr=True)
    for problem in problems[:PROBLEMS_SHOWN]:
        terminal.say(err, str(problem))
    if total > PROBLEMS_SHOWN:
        rest = "" if problems_file else ": --problems FILE writes them all"
        terminal.say(err, f"and {total - PROBLEMS_SHOWN:,} more problems{rest}")


def say_zones(err: Console, zone: str, input_zone: str | None) -> None:
    """Says where times are read in one zone and windows begin in another that nobody chose."""
    if input_zone and input_zone != zone:
        what = f"times are read in {input_zone}, and windows begin at midnight in {zone}"
        terminal.say(err, f"note: {what}; if they begin there too, say --zone {input_zone}")


def say_incomplete(err: Console, result: library.Result) -> None:
    """Says before the figures that they are of a part only; ends the run where nothing at all could be read."""
    store = result.store
    if store.problems.files and not store.rows:
        terminal.say(err, "no result: nothing could be read")
        raise typer.Exit(2)
    if store.rejected:
        terminal.say(
            err, f"INCOMPLETE: {store.rejected:,} of {store.rows:,} rows were rejected, and count nowhere below"
        )
    if store.problems.files:
        terminal.say(err, "INCOMPLETE: not every file could be read to its end")


def refuse_target(
    to: str, inputs: Iterable[str] = (), *, book: str = "", option: str = "--to", new_folders: bool = False
) -> None:
    """Nothing is written over what is read, nor into a book, the one that is named or any other, nor into a ledger.

    new_folders  whether folders that are missing will be made
    """
    if not to:
        return
    target = Path(to).resolve()
    if any(_is_same(target, name) for pattern in inputs if pattern for name in _matching(pattern)):
        raise UsageError(Problem(to, "it would be written over an input", f"name another file with {option}"))
    if (book and target.is_relative_to(Path(book).resolve())) or any(map(_is_book, target.parents)):
        raise UsageError(Problem(to, "this is inside the book", "name a file elsewhere"))
    if any(map(is_ledger, target.parents)):
        raise UsageError(Problem(to, "this is inside a ledger", "name a file elsewhere"))
    if target.is_dir() or not (new_folders or target.parent.is_dir()):
        rule = "this is a folder" if target.is_dir() else "there is no such folder"
        raise UsageError(Problem(to, f"it cannot be written: {rule}", "name a file in a folder that is there"))


def _matching(pattern: str) -> list[str]:
    """The very name, and whatever it means where it is a pattern."""
    return [pattern, *glob.glob(pattern, recursive=True)]  # noqa: PTH207 - it takes absolute ones too


def _is_same(target: Path, name: str) -> bool:
    """Whether both are one file. A device can be read and written; a file may have several names."""
    if target.exists() and not target.is_file():
        return False
    with contextlib.suppress(OSError):
        return target.samefile(name)
    return target == Path(name).resolve()


def _is_book(folder: Path) -> bool:
    """Whether statements are kept there: the first is beside its secret."""
    return all((folder / f"0001.{ending}").exists() for ending in ("json", "secret"))


def write_problems(file: str, problems: Iterable[Problem]) -> None:
    """Writes problems to a CSV file. Raises UsageError where that cannot be done."""
    try:
        with Path(file).open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(("place", "rule", "remedy"))
            writer.writerows([guarded(text) for text in (it.place, it.rule, it.remedy)] for it in problems)
    except OSError as error:
        raise UsageError(Problem(file, f"the problems cannot be written: {error}", "name another file")) from None


def finish(result: library.Result) -> None:
    """Says what became of every row, and ends with the code for it."""
    store = result.store
    err = terminal.console(stderr=True)
    terminal.print_dispositions(err, result.dispositions, store.rejected, store.rows)
    if store.problems.total or result.conflicts:
        raise typer.Exit(3)
