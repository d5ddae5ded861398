"""The console command as a process of its own: streams, pipes and exit codes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from .calls import HALF_YEAR, JANUARY, SAMPLE, environment, meter, process, raw_controls, shell, write_facts


def test_the_console_command_prints_the_result_alone_and_is_quiet_in_a_pipe() -> None:
    ran = process("meter", SAMPLE, "--plan", "monthly-login", *HALF_YEAR, "--by", "learner", "--format", "csv")
    assert ran.code == 0
    assert ran.rows[0]["window"] == "1"
    assert raw_controls(ran.out + ran.err) == set()
    assert "reading" not in ran.err
    assert ran.adds_up


def test_what_draws_charts_and_what_serves_is_loaded_by_no_command_that_does_neither() -> None:
    """They take a quarter of a second each, for which no other command should wait."""
    asked = (
        "import sys, rollbook.cli; print(*{'altair', 'vl_convert', 'django', 'pandas', 'polars'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", asked], env=environment(), check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == ""


def test_the_version_is_that_of_what_is_installed() -> None:
    ran = process("--version")
    assert (ran.code, ran.out) == (0, f"rollbook {version('rollbook')}\n")


def test_the_console_command_ends_with_two_for_a_wrong_call_and_three_for_rejected_rows(tmp_path: Path) -> None:
    wrong = process("meter", SAMPLE, "--plan", "nothing", "--start", "2026-01-01")
    assert (wrong.code, wrong.out) == (2, "")
    facts = write_facts(tmp_path / "bad.csv", "1,never,o,ann,login,,,lms")
    rejected = process("meter", facts, *JANUARY, "--format", "csv")
    assert (rejected.code, rejected.active) == (3, [0])
    assert "Traceback" not in wrong.err + rejected.err


@pytest.mark.parametrize("output", ["csv", "table"])
def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path, output: str) -> None:
    facts = write_facts(tmp_path / "many.csv", *(f"{n},2026-01-05T10:00:00Z,o,l{n},login,,,lms" for n in range(3000)))
    ran = shell(f"rollbook meter {facts} {' '.join(JANUARY)} --by learner --format {output} | head -1")
    assert len(ran.out.splitlines()) == 1
    assert all(line.startswith("source lms: 3,000 ") for line in ran.err.splitlines())


def test_a_reader_who_has_seen_enough_leaves_the_code_for_success(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "many.csv", *(f"{n},2026-01-05T10:00:00Z,o,l{n},login,,,lms" for n in range(3000)))
    assert shell(f"rollbook meter {facts} {' '.join(JANUARY)} --by learner --format csv | head -1").code == 0


def test_a_full_disk_is_said_in_words() -> None:
    ran = shell(f"rollbook meter {SAMPLE} {' '.join(JANUARY)} --format csv > /dev/full")
    assert ran.code != 0
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_names_are_written_whatever_the_encoding_of_the_terminal(tmp_path: Path, encoding: str) -> None:
    facts = write_facts(tmp_path / "names.csv", "1,2026-01-05T10:00:00Z,o,Łucja,login,,,lms")
    for output in ("csv", "table"):
        ran = process("meter", facts, *JANUARY, "--by", "learner", "--format", output, PYTHONIOENCODING=encoding)
        assert ran.code == 0
        assert "Traceback" not in ran.err


def test_facts_may_come_through_a_pipe() -> None:
    ran = shell(f"rollbook meter <(cat {SAMPLE}) --plan monthly-login {' '.join(HALF_YEAR)} --format csv")
    assert ran.code == 0
    assert ran.out == meter(SAMPLE, "--plan", "monthly-login", *HALF_YEAR).out
