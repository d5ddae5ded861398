"""What is said where nobody can sign in yet: on a terminal, the address on which the first operator is made.

That address is a secret. Where standard error is no terminal, such as in a container or under systemd, it may be kept:
then only the command is named that makes an operator, as one line of the log like all others.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer


def say_how_to_begin() -> None:
    """Django is set up. Says nothing where there is somebody, or where the database does not answer: others tell."""
    import structlog  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.db import DatabaseError, connections  # noqa: PLC0415

    from rollbook.server.access import first  # noqa: PLC0415

    database = settings.DATABASES["default"]
    # To ask SQLite would make the file.
    if database["ENGINE"].endswith("sqlite3") and not Path(database["NAME"]).exists():
        return
    try:
        nobody = first.is_open()
    except DatabaseError:
        return
    finally:
        connections.close_all()
    if not nobody:
        return
    if not sys.stderr.isatty():
        structlog.get_logger("rollbook.server.beginning").warning(
            "nobody can sign in yet", remedy="run: rollbook add-operator you@example.org"
        )
        return
    typer.echo("Nobody can sign in yet. Open this within three days to make the first operator:", err=True)
    # As it stands, never broken: it is copied.
    typer.echo(f"\n  {first.address()}\n", err=True)
