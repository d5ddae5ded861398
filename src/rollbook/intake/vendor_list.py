"""A vendor's list of those it counted: a CSV with a column of ids, e-mails or names, and perhaps one of windows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollbook.errors import Problem, UsageError
from rollbook.intake.batches import Refused
from rollbook.intake.csv_rows import CsvRecords, CsvRows
from rollbook.intake.lines import Lines
from rollbook.intake.problems import Problems
from rollbook.intake.streams import FileFaultError, Stream

WHO = (
    "id",
    "learner",
    "learner_id",
    "learner id",
    "user",
    "user_id",
    "user id",
    "userid",
    "username",
    "user name",
    "login",
    "email",
    "e-mail",
    "email address",
    "mail",
    "name",
    "full name",
)
"""Headers of columns that say who somebody is, the best first; in any case."""

WHEN = ("window", "month", "period", "billing period")
"""Headers of columns that say which window a row is of."""


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One row: its line, what it calls somebody (the best first), and the text of its window, or ''."""

    line: int
    names: tuple[str, ...]
    window: str


@dataclass(slots=True)
class VendorList:
    """What the file says.

    rows      all but blank ones
    columns   the headers that say who
    blank     rows that name nobody
    problems  rows that cannot be read
    """

    rows: list[ListedRow] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    blank: int = 0
    problems: Problems = field(default_factory=Problems)


def read_vendor_list(path: str | os.PathLike[str], column: str = "") -> VendorList:
    """The list in a CSV file; `column` says who, instead of every column that `WHO` names.

    Raises UsageError where the file cannot be read to its end, or has no such column.
    """
    name = os.fspath(path)
    who = (column,) if column else WHO
    # The reader knows columns by names of its own; the mapping says what the file may call them.
    mapping = {f"who:{n}": header for n, header in enumerate(who)} | {f"when:{n}": it for n, it in enumerate(WHEN)}
    found = VendorList()
    try:
        stream = Stream(Path(path))
        try:
            if stream.kind != "csv":
                raise FileFaultError(f"is {stream.kind}, not CSV", "give a CSV file with a header")
            lines = Lines(stream)
            records = CsvRecords(lines, mapping, tuple(mapping))
            rows = CsvRows(records, mapping, tuple(mapping), ())
            if rows.header.faults:
                raise FileFaultError(*rows.header.faults[0])
            _read(rows, found, mapping, name, column)
            if lines.fault:
                raise lines.fault
        finally:
            stream.close()
    except FileFaultError as fault:
        raise UsageError(Problem(name, fault.rule, fault.remedy)) from None
    return found


def _read(rows: CsvRows, found: VendorList, mapping: Mapping[str, str], name: str, column: str) -> None:
    keys = tuple(rows.header.positions)
    who = [place for place, key in enumerate(keys) if key.startswith("who:")]
    when = next((place for place, key in enumerate(keys) if key.startswith("when:")), None)
    if not who:
        wanted = column or ", ".join(WHO)
        raise FileFaultError(f"no column says who somebody is: {wanted}", "name it with --vendor-column")
    found.columns = tuple(mapping[keys[place]] for place in who)
    for batch in rows.batches():
        for line, refused in batch.odd:
            if isinstance(refused, Refused):
                found.problems.add_row(Problem(f"{name}:{line}", refused.rule, refused.remedy))
        for line, texts in zip(batch.lines, batch.rows, strict=True):
            names = tuple(filter(None, (texts[place].strip() for place in who)))
            if names:
                window = texts[when].strip() if when is not None else ""
                found.rows.append(ListedRow(line, names, window))
            else:
                found.blank += 1
