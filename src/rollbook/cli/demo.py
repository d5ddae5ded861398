"""`rollbook serve --demo`: the sample is loaded, and when everything runs, who can sign in is told.

Secrets go to the terminal alone. Where standard output is none, such as in a container or under systemd, it may be
kept: then they go to a file that is its owner's alone, and its name is told.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rollbook.cli import beginning
from rollbook.errors import RollbookError
from rollbook.render import terminal


def load() -> None:
    """Makes the tables and the sample customers, or adds the days since. Django is set up."""
    from django.db import connections  # noqa: PLC0415

    from rollbook.server.clock import now_us  # noqa: PLC0415
    from rollbook.server.operation import demo, migrating  # noqa: PLC0415

    err = terminal.console(stderr=True)
    terminal.say(err, "customers are made up, with what their learners do: half a minute ...")
    migrating.migrate(quietly=True)
    loaded = demo.load(now_us())
    words = f"{loaded.customers} customers, {loaded.facts:,} facts, {loaded.new:,} of them new"
    terminal.say(err, f"{words}; the server begins, and who can sign in is told in a moment ...")
    connections.close_all()


@contextmanager
def welcome(host: str, port: int, folder: Path) -> Iterator[None]:
    """Tells how to begin when the server has answered and the worker has come round, so that it is told last."""
    over = threading.Event()
    began = datetime.now(UTC)
    waiting = threading.Thread(target=_tell_when_running, args=(host, port, folder, began, over), daemon=True)
    waiting.start()
    try:
        yield
    finally:
        over.set()


def _tell_when_running(host: str, port: int, folder: Path, began: datetime, over: threading.Event) -> None:
    from django.db import DatabaseError, connections  # noqa: PLC0415

    from rollbook.server.clock import now_us  # noqa: PLC0415
    from rollbook.server.operation import serving, welcome  # noqa: PLC0415

    try:
        if not serving.runs(host, port, began, over):
            return
        url, now = f"http://localhost:{port}", now_us()
        made = welcome.make(now)
        if not made:
            _print(welcome.later_lines(url, folder, beginning.command()))
        elif sys.stdout.isatty():
            _print(welcome.first_lines(made, url, now))
        else:
            note = folder / welcome.NOTE
            _keep(note, welcome.first_lines(made, url, now))
            _print(("", f"  Rollbook runs at {url}", f"  Passwords and an API key stand in {note}, for you alone"))
    except (RollbookError, DatabaseError, OSError) as error:
        # Whatever else it says may quote what was to be told.
        words = f"who can sign in could not be told ({type(error).__name__}); stop it, and start it again"
        terminal.say(terminal.console(stderr=True), words)
    finally:
        connections.close_all()


def _print(lines: Iterable[str]) -> None:
    out = terminal.console()
    for line in lines:
        terminal.say(out, line)


def _keep(note: Path, lines: Iterable[str]) -> None:
    with open(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as kept:  # noqa: PTH123
        kept.write("".join(f"{line}\n" for line in lines))
