"""The short form: a few kills on each database. `make faults` kills a hundred times."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.postgres import HOW_TO_GET_IT, SYSTEM

KILLS = "5"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("what", ["kills", "disk_full"])
def test_whatever_is_killed_or_full_no_acknowledged_fact_statement_or_message_is_lost(database: str, what: str) -> None:
    if database == "postgresql" and not list(SYSTEM.glob("*/bin/postgres")):
        (pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip)(HOW_TO_GET_IT)
    command = [sys.executable, "-m", f"tests.faults.{what}", "--database", database]
    command += ["--kills", KILLS] if what == "kills" else []
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "; 0 faults" in done.stdout
