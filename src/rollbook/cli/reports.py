"""The commands about reports: options in, a named table out, in the format that is asked for."""

from __future__ import annotations

import inspect
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import pyarrow as pa
import typer
from rich.console import Console

from rollbook import library
from rollbook.cli.metering import Inputs, over_facts
from rollbook.cli.options import names
from rollbook.cli.said import finish, in_words_or_end, refuse_target
from rollbook.errors import Problem, UsageError
from rollbook.model.instants import to_us
from rollbook.render import terminal
from rollbook.render.about import About
from rollbook.render.arrow import with_names
from rollbook.render.data import write_csv, write_json, write_parquet
from rollbook.render.listing import print_report, print_reports
from rollbook.render.xlsx import write_xlsx
from rollbook.reports.named import REPORTS, find
from rollbook.reports.outline import figures


class Level(StrEnum):
    """What a row is about."""

    company = "company"
    learner = "learner"


class ReportFormat(StrEnum):
    """How a report is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"
    xlsx = "xlsx"
    html = "html"


BINARY = (ReportFormat.parquet, ReportFormat.xlsx)
"""Formats that are no text."""


def _named_first(command: Callable[..., None]) -> Callable[..., None]:
    """`report NAME FACTS…`: the name says what is asked of the facts, and stands before them."""
    signature = inspect.signature(command)
    ordered = sorted(signature.parameters.values(), key=lambda it: it.name != "name")
    vars(command)["__signature__"] = signature.replace(parameters=ordered)
    return command


@_named_first
@over_facts
def report(
    inputs: Inputs,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A report's name: `rollbook reports` lists them.")],
    by: Annotated[
        Level | None, typer.Option(help="What a row is about; each report has a usual level.", show_default=False)
    ] = None,
    output: Annotated[
        ReportFormat | None,
        typer.Option("--format", help="How the report is written; by default as --to ends, or a table."),
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="Writes the report to this file.")] = "",
) -> None:
    """Make a named report: usage, mau, consumption, users, metering-events, status, guests or groups."""
    with in_words_or_end():
        chosen = find(name)
        written = output or _by_suffix(to)
        if written in BINARY and not to:
            raise UsageError(Problem("--format", f"{written.value} is not text", f"name a file: --to report.{written}"))
        level = by.value if by else ""
        chosen.shape(inputs.subscribed().plan, level)
        refuse_target(to, (*inputs.files, inputs.problems))
        named = names(inputs.people) if inputs.people else None
        with inputs.metered() as result:
            about = About(
                chosen.title,
                chosen.purpose,
                result.subscription,
                result.organisations,
                to_us(result.as_of),
                _incomplete(result),
                result.report_notes(name, level),
            )
            _write(result, name, level, written, to, about, named)
            finish(result)


def reports() -> None:
    """List the reports: what each is for, and what its columns mean."""
    with in_words_or_end():
        print_reports(terminal.console(), REPORTS.values())


def _write(
    result: library.Result,
    name: str,
    level: str,
    written: ReportFormat,
    to: str,
    about: About,
    named: Callable[[str], str] | None,
) -> None:
    if written is ReportFormat.html:
        # Charts take a quarter of a second to load, for which no other command should wait.
        from rollbook.render.charts import drawings  # noqa: PLC0415
        from rollbook.render.page import write_page  # noqa: PLC0415

        drawn = drawings(result.account)
        table = _table(result, name, level, named)
        with _text_file(to) as out:
            write_page(table, about, figures(result.account), drawn, out)
        return
    table = _table(result, name, level, named)
    if written is ReportFormat.parquet:
        with _whole_file(to) as part:
            write_parquet(table, about.values, part)
    elif written is ReportFormat.xlsx:
        with _whole_file(to) as part:
            write_xlsx(table, about, part)
    else:
        with _text_file(to) as out:
            if written is ReportFormat.csv:
                write_csv(table, out, for_spreadsheets=True)
            elif written is ReportFormat.json:
                write_json(table, about.values, out)
            else:
                print_report(terminal.console() if not to else Console(file=out, width=terminal.WIDTH), table, about)


def _table(result: library.Result, name: str, level: str, named: Callable[[str], str] | None) -> pa.RecordBatchReader:
    """The report; where people are known, with what learners are called in a last column."""
    table = result.report_batches(name, level)
    if named is None:
        return table

    def called(batch: pa.RecordBatch) -> tuple[list[str], list[str]]:
        ids = batch.column("learner").to_pylist()
        return ids, [named(id_) for id_ in ids]

    return with_names(table, called)


def _incomplete(result: library.Result) -> str:
    if result.store.problems.files:
        return "not every file could be read to its end"
    if result.store.rejected:
        return f"{result.store.rejected:,} of {result.store.rows:,} rows were rejected, and count nowhere"
    return ""


def _by_suffix(to: str) -> ReportFormat:
    suffix = Path(to).suffix.removeprefix(".").lower()
    return ReportFormat(suffix) if suffix in list(ReportFormat) else ReportFormat.table


@contextmanager
def _text_file(to: str) -> Iterator[IO[str]]:
    """Standard output, or a file in UTF-8 that appears when it is whole."""
    if not to:
        yield sys.stdout
        sys.stdout.flush()
        return
    with _whole_file(to) as part, Path(part).open("w", encoding="utf-8", newline="") as out:
        yield out


@contextmanager
def _whole_file(to: str) -> Iterator[str]:
    """The name of a new file beside `to`, which takes its place once it is whole; a failure leaves nothing behind.

    What is no file, such as a pipe, is written straight into; behind a link it is the file that is replaced.
    """
    try:
        if Path(to).exists() and not Path(to).is_file():
            yield to
            return
        target = Path(to).resolve()
        # Not of tempfile: its files are for their owner only, and a report is for whoever may read the folder.
        part = target.with_name(f".{secrets.token_hex(8)}.part")
        part.touch(exist_ok=False)
        try:
            if target.exists():
                shutil.copymode(target, part)
            yield str(part)
            os.replace(part, target)  # noqa: PTH105 - the same on every system, over a file that is there
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        words = error.strerror or error
        raise UsageError(Problem(to, f"the report cannot be written: {words}", "name another file with --to")) from None
