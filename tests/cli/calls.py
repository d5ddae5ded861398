"""Calls of the command line, in this process or in one of its own, and how to read what they print."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

import rollbook
from rollbook import cli
from rollbook.metering.outcome import DISPOSITIONS

SAMPLE = str(Path(rollbook.__file__).parent / "samples" / "academy.csv")
SOURCES = Path(rollbook.__file__).parent.parent

PLAIN: Mapping[str, str | None] = dict.fromkeys(
    ("FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "PYTHONIOENCODING")
)
"""What the surroundings may say about output is unset: a pipe is a pipe."""

HEADER = "id,occurred_at,organisation,learner,type,role,object,source"
JANUARY = ("--plan", "monthly-login", "--start", "2026-01-01", "--end", "2026-02-01", "--as-of", "2026-07-01")
QUARTER = ("--plan", "monthly-login", "--start", "2026-01-01", "--end", "2026-04-01", "--as-of", "2026-07-01")
HALF_YEAR = ("--start", "2026-01-01", "--end", "2026-07-01", "--as-of", "2026-07-01")

LEDGER = (
    "1,2026-01-05T10:00:00Z,north,ann,login,,,lms",
    "2,2026-01-06T10:00:00Z,north,ann,login,,,lms",
    "3,2026-01-31T23:59:59Z,south,bob,login,,,lms",
    "4,2026-03-01T00:00:00Z,north,ann,login,,,lms",
    "5,2026-03-02T08:00:00.25Z,north,carl,course.viewed,,welding,lms",
)
"""Ann and Bob in January, nobody in February, Ann again in March; Carl only looks."""

_DISPOSITION = re.compile(r"^ *([0-9,]+)  (\S.*?)(?:  .*)?$")
_FIRST_CONTROLS, _DELETE, _LAST_CONTROLS = 0x20, 0x7F, 0x9F
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Ran:
    """What came of a call."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        """Standard output as CSV."""
        return list(csv.DictReader(self.out.splitlines()))

    @property
    def active(self) -> list[int]:
        """The figures of each window, from CSV."""
        return [int(row["active"]) for row in self.rows]

    @property
    def dispositions(self) -> dict[str, int]:
        """The closing account on standard error, `rejected` and `rows in` included."""
        found = (_DISPOSITION.match(line) for line in self.err.splitlines())
        known = {*DISPOSITIONS, "rejected", "rows in"}
        return {match[2]: int(match[1].replace(",", "")) for match in found if match and match[2] in known}

    @property
    def adds_up(self) -> bool:
        """Whether every row that came in is accounted for, once, and the account comes last."""
        counts = self.dispositions
        last = self.err.rstrip().splitlines()[-1]
        return sum(counts.values()) == 2 * counts["rows in"] and "rows in" in last


def call(*arguments: str, stdin: str | None = None) -> Ran:
    """One call in this process. Anything but a result or an exit code fails the test."""
    result = CliRunner().invoke(cli.app, list(arguments), env=PLAIN, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def meter(facts: str | Path, *arguments: str) -> Ran:
    """`rollbook meter` with CSV on standard output."""
    return call("meter", str(facts), *arguments, "--format", "csv")


def environment(**changed: str) -> dict[str, str]:
    """The surroundings of a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in PLAIN}
    return {**kept, "PYTHONPATH": str(SOURCES), **changed}


def process(*arguments: str, **changed: str) -> Ran:
    """One call in a process of its own, as the console script makes it; `changed` are environment variables."""
    script = "import sys; from rollbook.cli import main; sys.argv[0] = 'rollbook'; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(**changed),
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def shell(line: str) -> Ran:
    """A line of bash in which `rollbook` is the command; its code is that of `rollbook`, not of what reads it."""
    script = f'rollbook() {{ "{sys.executable}" -m rollbook.cli "$@"; }}; {line.rstrip()}; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def write_facts(path: Path, *rows: str) -> str:
    """A CSV of facts under `HEADER`."""
    path.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
    return str(path)


def raw_controls(text: str) -> set[str]:
    """Characters that would act on a terminal instead of standing on it."""
    return {
        character
        for character in text
        if character != "\n" and (ord(character) < _FIRST_CONTROLS or _DELETE <= ord(character) <= _LAST_CONTROLS)
    }
