"""Runs the commands of a Markdown file and writes what they print below them.

A block ```console holds commands (`$ …`) and their output, in order; ```pycon holds a Python session. The tests
compare; `python -m tests.documentation FILE…` writes the output anew, for somebody to read before committing it.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```(console|pycon)\n(.*?)```", re.DOTALL)
TIMEOUT_SECONDS = 60


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, content) of each block that can be run."""
    for match in BLOCK.finditer(text):
        yield match[1], match[2]


def run(language: str, content: str, folder: Path) -> str:
    """The block with its real output. Files that commands write go to `folder`, in which the sources can be seen."""
    return _console(content, folder) if language == "console" else _session(content)


def _console(content: str, folder: Path) -> str:
    commands = [line[2:] for line in content.splitlines() if line.startswith("$ ")]
    return "".join(f"$ {command}\n{_output(command, folder)}" for command in commands)


def _output(command: str, folder: Path) -> str:
    tools = folder / "bin"
    if not tools.exists():
        tools.mkdir()
        (folder / "src").symlink_to(ROOT / "src")
        script = tools / "rollbook"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rollbook.cli "$@"\n')
        script.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return done.stdout


def _session(content: str) -> str:
    """A Python session, run example by example from the project's root."""
    names: dict[str, object] = {}
    found = []
    for example in doctest.DocTestParser().get_examples(content):
        lines = example.source.rstrip("\n").splitlines()
        found += [f">>> {lines[0]}", *(f"... {line}" for line in lines[1:])]
        shown: list[str] = []
        hook, sys.displayhook = (
            sys.displayhook,
            lambda value, shown=shown: shown.append(repr(value)) if value is not None else None,
        )
        here = Path.cwd()
        os.chdir(ROOT)
        try:
            exec(compile(example.source, "README", "single"), names)  # noqa: S102 - our own documentation
        finally:
            sys.displayhook = hook
            os.chdir(here)
        found += shown
    return "\n".join(found) + "\n"


def rewritten(text: str, folder: Path) -> str:
    """The text with the output of every block as it is now."""
    return BLOCK.sub(lambda match: f"```{match[1]}\n{run(match[1], match[2], folder)}```", text)


if __name__ == "__main__":
    import tempfile

    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(name)
            file.write_text(rewritten(file.read_text(encoding="utf-8"), Path(scratch)), encoding="utf-8")
