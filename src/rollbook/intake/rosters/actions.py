"""Actions on a roster in a CSV file: a row for each thing that is to be done, by whom it is done to."""

from __future__ import annotations

import os
from pathlib import Path

from rollbook.intake.problems import Problems
from rollbook.intake.rosters.taking import Taking
from rollbook.intake.streams import Source
from rollbook.roster.changes import Row

COLUMNS = ("action", "organisation", "learner", "course", "unit", "id")
"""What a file of actions may have: `action` is enable, disable, activate or deactivate; `id` is the enrolment's own."""


def read_actions(path: str | os.PathLike[str], organisation: str = "") -> tuple[tuple[Row, ...], Problems]:
    """The rows of a file of actions, and what could not be read of it.

    organisation  whose learners they are, where a row does not say
    """
    taking = Taking(None)
    name = os.fspath(path)
    rows = tuple(
        Row(
            place=place,
            action=row["action"].casefold(),
            organisation=row.get("organisation") or organisation,
            learner=row["learner"],
            object=row.get("id", ""),
            course=row.get("course", ""),
            unit=row.get("unit", ""),
        )
        for place, row in taking.table(Source(name, Path(name)), COLUMNS, ("action", "learner"))
    )
    return rows, taking.problems
