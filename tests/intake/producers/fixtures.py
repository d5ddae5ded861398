"""Fixtures of producers: an export, and beside it what a person expects of it.

A line of `.expected` is a fact, its columns by name but for the time and the type; role learner and the source go
without saying. A line that begins with a number is a problem of that line. The first line may state options.
"""

from __future__ import annotations

import re
from pathlib import Path

from rollbook.model.fact import Fact
from rollbook.model.instants import iso
from tests.intake.reading import Read

SHOWN = ("learner", "role", "mode", "object", "actor", "impersonator", "session", "attributes")


def line_of_fact(fact: Fact) -> str:
    """A fact as `.expected` writes it."""
    columns = [(name, getattr(fact, name)) for name in SHOWN]
    told = [f"{name}={value}" for name, value in columns if value and (name, value) != ("role", "learner")]
    return " ".join((iso(fact.at_us), fact.type, *told))


def expected(path: Path) -> tuple[dict[str, str], list[str], list[str]]:
    """(options, facts, problems) of the file beside an export."""
    lines = path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    options = dict(re.findall(r"(\S+)=(\S+)", lines.pop(0))) if lines and lines[0].startswith("options: ") else {}
    problems = [line for line in lines if re.match(r"\d+: ", line)]
    return options, sorted(line for line in lines if line not in problems), problems


def found(path: Path, **options: object) -> tuple[list[str], list[str]]:
    """(facts, problems) as `.expected` writes them. Asserts that no row is lost."""
    read = Read(path, **options)
    assert read.adds_up()
    assert not read.files
    return sorted(map(line_of_fact, read.facts)), [line.removeprefix(f"{path}:") for line in read.messages]
