"""Figures, and where they are kept: the last measurement of each size."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.scale.sides import folder

KEPT = folder() / "docs" / "benchmarks" / "scale.json"

BRIEF_SECONDS, BRIEF_RUNS = 2, 5
"""Whoever takes less than so many seconds is asked so often at the least: on a shared machine one run says little."""


@dataclass(slots=True)
class Figures:
    """What the runs of one side took.

    answer    whose answer it gives, see `sides.Side`
    seconds   of each run
    busy      seconds of processors of each run; empty where they are not known
    memory    the most bytes of any run; None where they are not known
    note      why there is no figure, or no further one; empty else
    answers   of each run, as a checksum
    """

    input: str
    name: str
    title: str
    version: str
    answer: str
    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    memory: int | None = None
    note: str = ""
    answers: list[str] = field(default_factory=list)

    def add(self, seconds: float, busy: float | None, memory: int | None) -> None:
        """Takes a run in."""
        self.seconds.append(seconds)
        if busy is not None:
            self.busy.append(busy)
        if memory is not None:
            self.memory = max(self.memory or 0, memory)

    @property
    def median(self) -> float | None:
        """Of the seconds by the clock; None where no run came to its end."""
        return median(self.seconds) if self.seconds else None

    @property
    def busy_median(self) -> float | None:
        """Of the seconds of processors."""
        return median(self.busy) if self.busy else None


@dataclass(slots=True)
class Measurement:
    """One size, measured once."""

    rows: int
    date: str
    machine: str
    facts_bytes: int
    ledger_bytes: int
    build_seconds: float | None
    figures: list[Figures]

    def of(self, name: str, input_: str) -> Figures | None:
        """The figures of a side that came to its end at least once."""
        return next((it for it in self.figures if (it.name, it.input) == (name, input_) and it.seconds), None)

    def ratio(self, figures: Figures, *, busy: bool = False) -> float | None:
        """How many times Rollbook's time a side takes, from the same input."""
        own = self.of("rollbook", figures.input)
        if own is None:
            return None
        of, to = (figures.busy_median, own.busy_median) if busy else (figures.median, own.median)
        return of / to if of and to else None

    @property
    def pays_after(self) -> float | None:
        """After how many runs a ledger has saved what building it took, for the same answer by name."""
        from_facts, from_ledger = self.of("rollbook", "facts"), self.of("named", "ledger")
        if not (self.build_seconds and from_facts and from_ledger):
            return None
        saved = (from_facts.median or 0) - (from_ledger.median or 0)
        return self.build_seconds / saved if saved > 0 else None


def keep(measurement: Measurement, path: Path = KEPT) -> None:
    """Keeps a measurement in the place of the last one of its size."""
    kept = {it.rows: it for it in load(path)} | {measurement.rows: measurement}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(kept[rows]) for rows in sorted(kept)], indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path = KEPT) -> list[Measurement]:
    """What is kept, the smallest size first."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Measurement(**it | {"figures": [Figures(**figures) for figures in it["figures"]]}) for it in found]
