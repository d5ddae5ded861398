"""The guide to adding a producer is followed to the letter, in a copy of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation import ROOT, TIMEOUT_SECONDS

GUIDE = (ROOT / "docs/guides/adding-a-producer.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([^`\n]+)`:\n\n```(\w+)\n(.*?)```$", GUIDE, re.MULTILINE | re.DOTALL)
TRANSCRIPTS = re.findall(r"^```text\n\$ (.*?)\n(.*?)```$", GUIDE, re.MULTILINE | re.DOTALL)


def patched(text: str, diff: str) -> str:
    """The text with each added line after the line that stands before it in the diff."""
    before = ""
    for line in diff.splitlines():
        if line.startswith("+"):
            assert text.count(f"{before}\n") == 1
            text = text.replace(f"{before}\n", f"{before}\n{line[1:]}\n")
            before = line[1:]
        else:
            before = line[1:]
    return text


@pytest.fixture
def followed(tmp_path: Path) -> Path:
    """A copy of the sources after every step of the guide."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name, language, content in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert path.exists() == (language == "diff"), name
        path.write_text(patched(path.read_text(encoding="utf-8"), content) if path.exists() else content, "utf-8")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "rollbook").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rollbook.cli "$@"\n')
    (tools / "rollbook").chmod(0o755)
    return tmp_path


def said(folder: Path, command: str) -> str:
    """What a command prints in that folder."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_guide_makes_each_kind_of_file() -> None:
    assert [language for _, language, _ in FILES] == ["csv", "csv", "python", "diff", "python"]
    assert len(TRANSCRIPTS) == 1


def test_the_producer_of_the_guide_passes_its_own_test(followed: Path) -> None:
    [test] = [name for name, _, _ in FILES if Path(name).name.startswith("test_")]
    assert "1 passed" in said(followed, f'"{sys.executable}" -m pytest -q -p no:cacheprovider -p no:django {test}')


@pytest.mark.parametrize(("command", "output"), TRANSCRIPTS)
def test_the_command_of_the_guide_prints_what_it_shows(followed: Path, command: str, output: str) -> None:
    assert said(followed, command) == output


def test_the_code_of_the_guide_is_as_tidy_as_any_other(followed: Path) -> None:
    [source] = [name for name, language, _ in FILES if language == "python" and name.startswith("src/")]
    shutil.copy(ROOT / "pyproject.toml", followed)
    assert "All checks passed" in said(followed, f'"{sys.executable}" -m ruff check --no-cache {source}')
    assert "1 file already formatted" in said(
        followed, f'"{sys.executable}" -m ruff format --no-cache --check {source}'
    )
