"""Writes docs/cli.md from the command line itself: `python docs/generate_cli.py`."""

from __future__ import annotations

import inspect
from pathlib import Path

import typer
from click import Command, Context

from rollbook.cli import app

FILE = Path(__file__).parent / "cli.md"
HEAD = """# The command line

Written by `make docs` from the commands themselves; a test fails where it is stale.

Results go to standard output, everything said about them to standard error. Exit codes: 0 done; 1 something
differs (`verify`, `recount`), or a budget stopped it (`roster run`); 2 the call, the plan or the subscription is wrong,
or nothing could be read; 3 done, and rows were rejected or links refused (`--strict`: nothing was printed).
"""


def reference() -> str:
    """The text of docs/cli.md."""
    return HEAD + "".join(
        _section(name, command) for name, command in _commands("rollbook", typer.main.get_command(app))
    )


def _commands(name: str, command: Command) -> list[tuple[str, Command]]:
    found = [(name, command)]
    for child, below in getattr(command, "commands", {}).items():
        found += _commands(f"{name} {child}", below)
    return found


def _section(name: str, command: Command) -> str:
    context = Context(command, info_name=name, max_content_width=100, terminal_width=100)
    return f"\n## {name}\n\n```text\n{inspect.cleandoc(command.get_help(context))}\n```\n"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
