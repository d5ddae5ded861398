"""A report of a million learners passes through: it is never in memory as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb

from tests.cli.calls import SOURCES

LEARNERS = 1_000_000

CHILD = """
import os, resource, sys
from datetime import UTC, date, datetime
import rollbook
from rollbook.render.data import write_csv

made = rollbook.Subscription(plan=rollbook.find_plan("monthly-login"), start=date(2026, 1, 1), end=date(2026, 2, 1))
with rollbook.meter(sys.argv[1], made, as_of=datetime(2026, 7, 1, tzinfo=UTC)) as result:
    reader = result.report_batches("mau", "learner")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(sys.argv[2], "w", encoding="utf-8", newline="") as out:
        write_csv(reader, out, for_spreadsheets=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_million_learners_are_written_in_bounded_memory(tmp_path: Path) -> None:
    """As Python objects the rows would need more than a kilobyte each, a gigabyte in all; sorting them needs some."""
    facts, out = tmp_path / "facts.parquet", tmp_path / "report.csv"
    duckdb.connect().execute(
        f"""copy (select 'f' || n as id, timestamptz '2026-01-05 08:00:00+00' + to_seconds(n) as occurred_at,
                         'learner-' || n as learner, 'login' as type, 'north' as organisation, 'lms' as source
                  from range({LEARNERS}) as numbers(n)) to '{facts}' (format parquet)"""
    )
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(facts), str(out)],
        env={"PYTHONPATH": str(SOURCES), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    grown_kilobytes = int(done.stdout)
    with out.open(encoding="utf-8") as file:
        assert sum(1 for _ in file) == 1 + LEARNERS
    assert grown_kilobytes < 600_000
