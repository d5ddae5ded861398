"""Every problem is counted; the first hundred thousand of them are kept."""

from __future__ import annotations

from collections.abc import Iterator

from rollbook.errors import Problem

KEPT_MAX = 100_000
"""How many problems of rows are kept in full. The total goes on counting."""


class Problems:
    """What was wrong in the exports.

    rows   problems of single rows, in the order of reading, at most `KEPT_MAX`
    files  problems of whole files: cut off, unreadable, without the needed columns; never many
    notes  nothing is wrong, but somebody may want to know: no rows, a column that is nearly a known one
    total  problems of rows and files, kept or not
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self.rows: list[Problem] = []
        self.files: list[Problem] = []
        self.notes: list[Problem] = []
        self.total = 0

    def add_row(self, problem: Problem) -> None:
        """A problem of one row."""
        self.total += 1
        if len(self.rows) < self._kept_max:
            self.rows.append(problem)

    def add_file(self, problem: Problem) -> None:
        """A problem of a whole file, or of the rest of one."""
        self.total += 1
        self.files.append(problem)

    def note(self, problem: Problem) -> None:
        """Something to know that is not wrong."""
        self.notes.append(problem)

    def count(self, number: int) -> None:
        """Problems of rows that are known by number only, because there is no room to keep them."""
        self.total += number

    @property
    def room(self) -> int:
        """How many more problems of rows would be kept."""
        return max(0, self._kept_max - len(self.rows))

    def __iter__(self) -> Iterator[Problem]:
        yield from self.files
        yield from self.rows

    def __len__(self) -> int:
        return len(self.files) + len(self.rows)

    def __bool__(self) -> bool:
        return self.total > 0
