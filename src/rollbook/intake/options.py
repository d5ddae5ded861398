"""How exports are to be read where they do not say so themselves. Nothing here is guessed from the data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollbook.errors import Problem, UsageError
from rollbook.intake.times import UnreadableTimeError, read_time
from rollbook.model.fact import COLUMNS
from rollbook.model.keys import nearest, zone_exists

DATE_ORDERS = ("ymd", "dmy", "mdy")
"""How days are written where the year does not come first: 03/04/2026 is 3 April (dmy) or 4 March (mdy)."""

TABLES = ("roles", "languages")
"""Further tables that some export has."""

_MEMORY = re.compile(r"\d+(\.\d+)?\s*(KB|MB|GB|TB|KiB|MiB|GiB|TiB)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the caller says about the exports.

    input_zone    the zone of times that carry no offset; None refuses such times
    date_order    one of `DATE_ORDERS`, for days written with the year last; None refuses what could be either
    mapping       canonical column → the column of the export it is read from
    memory_limit  how much memory the store may use before it spills to disk, such as `2GB`
    input         what kind of export each input is (`moodle-log`, …); None recognises it by its content
    vocabularies  files that say what events mean, asked before what is shipped; the last first
    settled       how many of the first inputs hold facts that stand already: no other version displaces them
    tables        further tables of an export, by what they are called: `roles` → path of a CSV file
    snapshot_at   the instant for which exports stand that have no dates; None refuses their rows
    """

    input_zone: str | None = None
    date_order: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    memory_limit: str | None = None
    input: str | None = None
    vocabularies: tuple[str, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    snapshot_at: str | None = None
    settled: int = 0

    def __post_init__(self) -> None:
        problems = [
            Problem(f"--map {column}", f'there is no column "{column}"{nearest(column, COLUMNS)}', _known())
            for column in self.mapping
            if column not in COLUMNS
        ]
        problems += [
            Problem(
                f"--table {name}", f'no export has a table "{name}"{nearest(name, TABLES)}', "use " + ", ".join(TABLES)
            )
            for name in self.tables
            if name not in TABLES
        ]
        if self.input_zone is not None and not zone_exists(self.input_zone):
            rule = f'there is no time zone "{self.input_zone}"'
            problems.append(Problem("--input-zone", rule, "give a name such as Europe/Paris or UTC"))
        if self.date_order is not None and self.date_order not in DATE_ORDERS:
            rule = f'there is no date order "{self.date_order}"'
            problems.append(Problem("--date-order", rule, "use one of " + ", ".join(DATE_ORDERS)))
        if self.snapshot_at is not None:
            problems.extend(_snapshot_problems(self.snapshot_at))
        if self.memory_limit is not None and not _MEMORY.fullmatch(self.memory_limit.strip()):
            rule = f'"{self.memory_limit}" is no amount of memory'
            problems.append(Problem("--memory-limit", rule, "give a number and a unit, such as 2GB"))
        if problems:
            raise UsageError(problems)


def _snapshot_problems(text: str) -> list[Problem]:
    """The instant has to carry an offset: it is said here, and belongs to no zone of an export."""
    try:
        read_time(text)
    except UnreadableTimeError:
        rule = f'"{text}" is no instant with an offset'
        return [Problem("--snapshot-at", rule, "write it as 2026-03-01T00:00:00Z")]
    return []


def _known() -> str:
    return "canonical columns: " + ", ".join(COLUMNS)
