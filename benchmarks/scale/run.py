"""Measures Rollbook and its alternatives on the same facts, each in a process of its own, in turn.

    python -m benchmarks.scale.run 1000000 10000000 [--runs 3] [--folder FOLDER] [--ledger DIR] [--write]

Their answers are compared; where two differ, the measurement is void. `--write` keeps the figures and writes
docs/benchmarks.md anew from all that are kept. Facts and ledgers are made where the folder has none yet.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from benchmarks.count import folder_of, machine, made_facts
from benchmarks.scale import record, report
from benchmarks.scale.record import BRIEF_RUNS, BRIEF_SECONDS, Figures, Measurement
from benchmarks.scale.sides import FACTS, LEDGER, SIDES, Side, folder
from benchmarks.scale.workload import LIMIT, Task, write_calendar
from rich.console import Console

BLOCK_BYTES = 1 << 24

TOO_LARGE = re.compile(r"Resources exhausted|[Oo]ut ?[Oo]f ?[Mm]emory|MemoryError|MEMORY_LIMIT_EXCEEDED")
"""How engines say that their memory did not suffice."""

SECONDS_MOST = 3600
"""A run that takes longer is stopped, and its side not asked again."""

BUILD = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from benchmarks.count import two_threads
from rollbook.intake import ReadOptions
from rollbook.ledger import build
two_threads()
began = time.perf_counter()
build(Path(sys.argv[2]), [sys.argv[1]], ReadOptions(memory_limit="4GB"), at=datetime.now(UTC))
print(time.perf_counter() - began)
"""

CHECKSUMS = {
    FACTS: "subscription::integer, window_number::integer, learner::varchar, first_us::bigint, id::varchar",
    LEDGER: "subscription::integer, window_number::integer, learner_number::bigint, first_us::bigint, fact_row::bigint",
}
"""What is compared, beside the number of facts."""


class FailedError(Exception):
    """A side did not come to its end; the words say how."""


def measure(rows: int, runs: int, kept: Path, ledger: Path | None, left_out: set[str]) -> Measurement:
    """The runs of each side in turn, so that whatever else the machine does falls on all alike."""
    facts = made_facts(kept, rows)
    built = ledger or kept / f"ledger-{rows}"
    seconds = made_ledger(facts, built)
    found = {side: Figures(side.input, side.name, side.title, side.version or "", side.answer) for side in SIDES}
    for side, figures in found.items():
        if side.name in left_out:
            figures.note = "left out of this run"
        elif side.version is None:
            figures.note = "not installed"
        elif rows > side.rows_most:
            figures.note = f"not asked beyond {side.rows_most:,} facts"
    with tempfile.TemporaryDirectory(prefix="rollbook-scale-", dir=kept) as scratch:
        calendar = Path(scratch) / "calendar.parquet"
        write_calendar(calendar)
        for number in range(1, max(runs, BRIEF_RUNS) + 1):
            for side, figures in found.items():
                if not figures.note and (number <= runs or max(figures.seconds) < BRIEF_SECONDS):
                    _one_run(side, figures, facts, calendar, built, Path(scratch))
                    said = figures.note or f"{figures.seconds[-1]:.2f} s"
                    print(f"run {number}, {side.title}, {side.input}: {said}", file=sys.stderr, flush=True)
    return Measurement(
        rows=rows,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=machine(),
        facts_bytes=facts.stat().st_size,
        ledger_bytes=sum(path.stat().st_size for path in built.rglob("*") if path.is_file()),
        build_seconds=seconds,
        figures=list(found.values()),
    )


def _one_run(side: Side, figures: Figures, facts: Path, calendar: Path, ledger: Path, scratch: Path) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as held:
        answer = Path(held) / "answer.parquet"
        task = Task(facts, calendar, ledger if side.input == LEDGER else None, answer, Path(held))
        warm(facts if side.input == FACTS else ledger)
        try:
            taken = in_fresh_process(side, task)
        except FailedError as error:
            figures.note = str(error)
            return
        figures.add(taken["seconds"], taken["busy"], taken["memory"])
        if side.answer:
            figures.answers.append(checksum(answer, side.answer))


def warm(input_: Path) -> None:
    """Reads an input once, so that whoever comes next does not wait for a disk that another has crowded out."""
    for path in [input_] if input_.is_file() else sorted(input_.rglob("*.parquet")):
        with path.open("rb") as file:
            while file.read(BLOCK_BYTES):
                pass


def in_fresh_process(side: Side, task: Task) -> dict[str, Any]:
    """One run of one side, where nothing is warm but the files. Raises FailedError."""
    said = task.scratch / "task.json"
    said.write_text(json.dumps({name: str(path) if path else None for name, path in asdict(task).items()}))
    command = [sys.executable, "-m", "benchmarks.scale.side", side.module, side.function, str(said)]
    try:
        done = subprocess.run(command, cwd=folder(), check=True, capture_output=True, text=True, timeout=SECONDS_MOST)
    except subprocess.TimeoutExpired:
        raise FailedError(f"stopped after {SECONDS_MOST} s") from None
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        said = [line for line in error.stderr.splitlines() if re.match(r"[\w.]*(Error|Exception|Exit)\b", line)]
        last = said[-1] if said else f"it ended with {error.returncode}"
        if TOO_LARGE.search(last):
            last = f"it needs more memory than the {LIMIT >> 30} GiB that it may use"
        raise FailedError(f"failed: {last[:200]}") from None
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def checksum(answer: Path, kind: str) -> str:
    """A sum over the rows of an answer, in whatever order they are; Spark writes a folder of files."""
    files = f"{answer}/*.parquet" if answer.is_dir() else str(answer)
    with duckdb.connect(config={"threads": 2}) as connection:
        [(rows, facts, total)] = connection.execute(
            f"select count(*), sum(facts), sum(hash({CHECKSUMS[kind]}, facts::bigint)::hugeint)"
            " from read_parquet($files)",
            {"files": files},
        ).fetchall()
    return f"{rows} activations, {facts} facts, {total:x}"


def differences(found: Measurement) -> list[str]:
    """What the sides do not agree on, in words."""
    wrong = []
    for kind in (FACTS, LEDGER):
        given: dict[str, list[str]] = {}
        for figures in found.figures:
            for answer in figures.answers if figures.answer == kind else ():
                given.setdefault(answer, []).append(f"{figures.title} ({figures.input})")
        if len(given) > 1:
            wrong.append("; against ".join(f"{answer}: {', '.join(sorted(set(who)))}" for answer, who in given.items()))
    return wrong


def made_ledger(facts: Path, ledger: Path) -> float | None:
    """Builds the ledger where it is not there yet; how many seconds that took, when it was done here."""
    noted = ledger.with_suffix(".seconds")
    if not (ledger / "manifest.json").exists():
        command = [sys.executable, "-c", BUILD, str(facts), str(ledger)]
        done = subprocess.run(command, cwd=folder(), check=True, stdout=subprocess.PIPE, text=True)
        noted.write_text(done.stdout.strip(), encoding="utf-8")
        print(f"built {ledger} in {float(done.stdout):.1f} s", file=sys.stderr)
    return float(noted.read_text(encoding="utf-8")) if noted.exists() else None


def main() -> int:
    """Measures and prints; 1 where answers differ or a side failed."""
    parser = argparse.ArgumentParser(description="Measure Rollbook and its alternatives on the same facts.")
    parser.add_argument("rows", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where facts and ledgers are kept and found again")
    parser.add_argument("--ledger", type=Path, help="a ledger of the same facts, built already")
    names = sorted({side.name for side in SIDES})
    parser.add_argument("--only", nargs="+", default=names, choices=names)
    parser.add_argument("--without", nargs="+", default=[], choices=names)
    parser.add_argument("--write", action="store_true", help="keep the figures, and write docs/benchmarks.md anew")
    given = parser.parse_args()
    if given.ledger and len(given.rows) > 1:
        parser.error("--ledger is the ledger of one size")
    left_out = set(names) - set(given.only) | set(given.without)
    failed = False
    with folder_of(given.folder) as kept:
        for rows in given.rows:
            found = measure(rows, given.runs, kept.resolve(), given.ledger and given.ledger.resolve(), left_out)
            report.show(found, Console(width=120))
            wrong = differences(found)
            for words in wrong:
                print(f"VOID, the answers differ: {words}", file=sys.stderr)
            failed |= bool(wrong) or any(figures.note.startswith("failed") for figures in found.figures)
            if given.write and not wrong:
                record.keep(found)
    if given.write:
        report.write()
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
