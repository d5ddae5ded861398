"""What is measured: statements of the promised size and shape, read within the promised memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.intake import bytes_of, generate, main

from benchmarks import intake
from rollbook.intake import read_facts

SIZE = 2 * 2**20


def test_statements_are_the_same_every_time_and_about_a_kilobyte_each(tmp_path: Path) -> None:
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    count = generate(first, SIZE)
    generate(second, SIZE)
    assert first.read_bytes() == second.read_bytes()
    assert SIZE <= first.stat().st_size < SIZE + 8192
    assert 800 < first.stat().st_size / count < 1500


def test_statements_are_of_many_senders_with_repeats_and_a_void(tmp_path: Path) -> None:
    path = tmp_path / "statements.ndjson"
    generate(path, 7 * 2**20)
    with read_facts([path]) as store:
        assert store.duplicates == store.facts // intake.REPEATED_EVERY
        [types] = [source.types for source in store.sources]
        assert types["fact.voided"] == 1
        assert {"material.accessed", "lesson.started", "lesson.resumed", "lesson.completed"} <= types.keys()
        voided = "SELECT count(*) FROM facts WHERE id IN (SELECT voids FROM facts WHERE type = 'fact.voided')"
        assert store.connection.execute(voided).fetchall() == [(1,)]


def test_the_short_form_prints_memory_and_a_ratio_and_keeps_the_bound() -> None:
    command = [sys.executable, str(Path(intake.__file__)), "--size", "20MiB", "--check"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "statements/s" in done.stdout
    assert "times as many a second as json.loads parses" in done.stdout


def test_more_memory_than_the_bound_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(intake, "MEMORY_MOST", 2**20)
    monkeypatch.setattr(sys, "argv", ["intake.py", "--size", "100KiB", "--folder", str(tmp_path), "--check"])
    assert main() == 1
    assert "more than 1" in capsys.readouterr().err


def test_sizes_are_read_as_written() -> None:
    assert (bytes_of("20MiB"), bytes_of("1GiB"), bytes_of("512")) == (20 * 2**20, 2**30, 512)
