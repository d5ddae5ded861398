"""Which column of an export is which canonical one. A column that nobody asked for is ignored, never guessed.

Names are compared without regard to case and surrounding white space. `mapping` comes first; where an export has no
column of the mapped name, the canonical name itself is tried, so that one mapping serves several exports.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rollbook.model.fact import COLUMNS

NEEDED = ("occurred_at", "type")
"""Without these columns no row can be a fact."""

_LISTED_MAX = 20
_LISTED_LENGTH = 300


@dataclass(slots=True)
class Header:
    """The columns of one export.

    positions  canonical column → position in the export
    faults     (rule, remedy) of what makes the export unreadable
    notes      (rule, remedy) of columns that are ignored and look like known ones
    mapped     the keys of the mapping that this export served
    """

    positions: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    mapped: set[str] = field(default_factory=set)


def read_header(
    names: Sequence[str],
    mapping: Mapping[str, str],
    columns: Sequence[str] = COLUMNS,
    needed: Sequence[str] = NEEDED,
) -> Header:
    """The columns of an export, with what is missing, and what may have been meant instead."""
    header = find_columns(names, mapping, columns)
    cleaned = [name.strip() for name in names]
    taken = set(header.positions.values())
    spare = [name for position, name in enumerate(cleaned) if position not in taken and name]
    for column in columns:
        if column not in header.positions:
            nearest = _nearest(column, spare)
            if column in needed:
                header.faults.append(_missing(column, nearest, cleaned))
            elif nearest:
                remedy = f'if it is {column}, say --map {column}="{nearest}"'
                header.notes.append((f"the column {nearest} is ignored (nearest: {column})", remedy))
    if "learner" in columns and not header.positions.keys() & {"learner", "role", "voids"}:
        header.faults.append(_missing("learner", _nearest("learner", spare), cleaned))
    return header


def find_columns(names: Sequence[str], mapping: Mapping[str, str], columns: Sequence[str] = COLUMNS) -> Header:
    """Finds each of the columns among the names of an export."""
    header = Header()
    cleaned = [name.strip() for name in names]
    for column in columns:
        for wanted in dict.fromkeys((mapping.get(column, column), column)):
            positions = _positions(cleaned, wanted)
            if not positions:
                continue
            if column in mapping and wanted == mapping[column]:
                header.mapped.add(column)
            if len(positions) > 1:
                header.faults.append((f"the column {wanted} stands there {len(positions)} times", "keep one of them"))
            header.positions[column] = positions[0]
            break
    return header


def _positions(names: Sequence[str], wanted: str) -> list[int]:
    """Where a name stands: exactly as written if it does, otherwise whatever its case."""
    exact = [position for position, name in enumerate(names) if name == wanted.strip()]
    if exact:
        return exact
    return [position for position, name in enumerate(names) if name.casefold() == wanted.strip().casefold()]


def _nearest(column: str, names: Sequence[str]) -> str:
    """The name that looks most like that of a column, or "" where none does."""
    by_folded = {name.casefold().replace(" ", "_"): name for name in names}
    near = difflib.get_close_matches(column, list(by_folded), n=1, cutoff=0.75)
    return by_folded[near[0]] if near else ""


def _missing(column: str, nearest: str, names: Sequence[str]) -> tuple[str, str]:
    """(rule, remedy) of a needed column that is not there."""
    if nearest:
        return f"there is no column {column} (nearest: {nearest})", f'say --map {column}="{nearest}"'
    listed = ", ".join(names[:_LISTED_MAX])[:_LISTED_LENGTH] + (", …" if len(names) > _LISTED_MAX else "")
    return f"there is no column {column} among: {listed}", f"name it: --map {column}=COLUMN"


def find_delimiter(line: str, mapping: Mapping[str, str], columns: Sequence[str] = COLUMNS) -> str:
    """Comma, semicolon or tab: the one that cuts the header into the most known names, then the most names."""

    def score(delimiter: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in line.strip("\r\n").split(delimiter)]
        return len(find_columns(names, mapping, columns).positions), len(names)

    return max((",", ";", "\t"), key=score)
