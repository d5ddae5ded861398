"""The Open University's enrolments of two years: every row is accounted for, and every month is counted again here.

The facts are not part of the project. `ROLLBOOK_REAL_DATA` names the directory that has `oulad/enrolment_facts.csv`;
`ROLLBOOK_REQUIRE` makes their absence a failure.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.calls import meter
from tests.real_data import open_university

TERM = (
    "--plan",
    "wisenet-elearning",
    "--start",
    "2012-03-01",
    "--end",
    "2015-07-01",
    "--zone",
    "UTC",
    "--as-of",
    "2026-01-01",
)


class Spell(NamedTuple):
    """An enrolment from its registration until its end, as dates; the facts are all at midnight UTC."""

    on: str
    off: str


@pytest.fixture(scope="module")
def path() -> Path:
    return open_university()


@cache
def rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return [(reader.line_num, row) for row in reader]


def months() -> list[tuple[str, str]]:
    """First days of each month and of the next, March 2012 to June 2015."""
    firsts = [f"{n // 12}-{n % 12 + 1:02}-01" for n in range(2012 * 12 + 2, 2015 * 12 + 7)]
    return list(pairwise(firsts))


def spells(path: Path) -> dict[str, list[Spell]]:
    """By learner, each time that some enrolment was on, in order and without overlaps."""
    changes: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for _, row in rows(path):
        if row["occurred_at"]:
            changes[row["learner"], row["object"]][row["type"]] = row["occurred_at"][:10]
    by_learner: dict[str, list[Spell]] = defaultdict(list)
    for (learner, _), dates in changes.items():
        on, off = dates.get("enrolment.enabled"), dates.get("enrolment.disabled", "9999-12-31")
        if on and on <= off:
            by_learner[learner].append(Spell(on, off))
        elif on:
            by_learner[learner].append(Spell(on, "9999-12-31"))  # An end before the beginning ends nothing.
    return {learner: merged(sorted(found)) for learner, found in by_learner.items()}


def merged(found: list[Spell]) -> list[Spell]:
    """Spells that touch or overlap are one."""
    result: list[Spell] = []
    for spell in found:
        if result and spell.on <= result[-1].off:
            result[-1] = Spell(result[-1].on, max(result[-1].off, spell.off))
        else:
            result.append(spell)
    return result


def recount(path: Path) -> list[tuple[str, int, int, int, int]]:
    """(month, active, new, continuing, reactivated) of each month."""
    figures = []
    everybody = spells(path)
    for start, end in months():
        new = continuing = reactivated = 0
        for found in everybody.values():
            if not any(on < end and (off > start or on >= start) for on, off in found):
                continue
            if any(on < start < off for on, off in found):
                continuing += 1
            elif any(on < start for on, _ in found):
                reactivated += 1
            else:
                new += 1
        figures.append((start, new + continuing + reactivated, new, continuing, reactivated))
    return figures


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
def test_every_month_of_two_years_of_enrolments_is_what_a_few_lines_of_python_count(
    path: Path, engine: str, tmp_path: Path
) -> None:
    problems = tmp_path / "problems.csv"
    ran = meter(path, *TERM, "--engine", engine, "--problems", str(problems))
    assert ran.code == 3
    assert ran.adds_up
    assert (ran.dispositions["rows in"], ran.dispositions["rejected"]) == (65_186, 45)

    undated = [f"{path}:{line}" for line, row in rows(path) if not row["occurred_at"]]
    assert len(undated) == 45
    with problems.open(encoding="utf-8", newline="") as file:
        assert [row["place"] for row in csv.DictReader(file)] == undated
    for place in undated:
        assert f"{place}: occurred_at is missing; " in ran.err

    counted = [
        (row["start"][:10], *(int(row[name]) for name in ("active", "new", "continuing", "reactivated")))
        for row in ran.rows
    ]
    assert len(counted) == 40
    assert counted == recount(path)


def test_the_data_is_what_it_was(path: Path) -> None:
    """Figures of the facts themselves, so that another file of this name is not taken for it."""
    assert len(rows(path)) == 65_186
    assert len({row["learner"] for _, row in rows(path)}) == 28_785
    assert len({row["object"] for _, row in rows(path)}) == 22
