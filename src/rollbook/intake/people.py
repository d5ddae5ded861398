"""Names for learners' ids, for showing only: they never enter facts, counts or digests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollbook.errors import Problem
from rollbook.intake.batches import Refused
from rollbook.intake.csv_rows import CsvRecords, CsvRows
from rollbook.intake.lines import Lines
from rollbook.intake.problems import Problems
from rollbook.intake.streams import FileFaultError, Stream
from rollbook.intake.times import shown

COLUMNS = ("id", "name", "email")
"""The columns of a file of people; only `id` is needed."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who a learner is, as far as the file says."""

    name: str = ""
    email: str = ""


class People(dict[str, Person]):
    """Learner id → person, and what was wrong with the file."""

    def __init__(self) -> None:
        super().__init__()
        self.problems = Problems()


def read_people(path: str | os.PathLike[str], mapping: Mapping[str, str] | None = None) -> People:
    """The people of a CSV file with a header `id,name,email`; an id that names two persons keeps the first."""
    people = People()
    name = os.fspath(path)
    try:
        stream = Stream(Path(path))
        try:
            if stream.kind != "csv":
                raise FileFaultError(f"is {stream.kind}, not CSV", "give a CSV file with columns id, name and email")
            lines = Lines(stream)
            for line, row in _rows(
                CsvRows(CsvRecords(lines, mapping or {}, COLUMNS), mapping or {}, COLUMNS, ("id",)),
                people.problems,
                name,
            ):
                _add(people, f"{name}:{line}", row)
            if lines.fault:
                raise lines.fault
        finally:
            stream.close()
    except FileFaultError as fault:
        people.problems.add_file(Problem(name, fault.rule, fault.remedy))
    return people


def _rows(rows: CsvRows, problems: Problems, name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    for rule, remedy in rows.header.faults:
        problems.add_file(Problem(name, rule, remedy))
    for rule, remedy in rows.header.notes:
        problems.note(Problem(name, rule, remedy))
    for batch in rows.batches() if not rows.header.faults else ():
        for line, refused in batch.odd:
            if isinstance(refused, Refused):
                problems.add_row(Problem(f"{name}:{line}", refused.rule, refused.remedy))
        for line, texts in zip(batch.lines, batch.rows, strict=True):
            yield line, dict(zip(batch.names, (text.strip() for text in texts), strict=True))


def _add(people: People, place: str, row: Mapping[str, str]) -> None:
    person = Person(row.get("name", ""), row.get("email", ""))
    id_ = row["id"]
    if not id_:
        people.problems.add_row(Problem(place, "id is empty", "give the learner's id, as the facts write it"))
    elif people.setdefault(id_, person) != person:
        rule = f"id {shown(id_)} already names {shown(people[id_].name or people[id_].email)}"
        people.problems.add_row(Problem(place, rule, "keep one line for each learner; the first is shown"))
