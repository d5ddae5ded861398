"""What is said on a terminal where a server is not set up yet: what to run next, and where the first operator is made.

The address on which that is done is a secret. Where standard error is no terminal, such as in a container or under
systemd, it may be kept: then only commands are named, each as one line of the log like all others.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import typer

SECRETS = ("ROLLBOOK_SECRET_KEY", "ROLLBOOK_DIGEST_KEY")

FROM_NOTHING = """Nothing is set up here yet. To look around among made-up customers:

  {rollbook} serve --demo

For a server of your own, in this folder:

  (umask 077; {rollbook} server-secrets > rollbook.env; echo ROLLBOOK_TLS=false >> rollbook.env)
  set -a; . ./rollbook.env; set +a
  {rollbook} migrate
  {rollbook} serve

"""

BESIDE = """Beside it runs a worker, which closes windows and sends messages. In another terminal, with these settings:

  {rollbook} worker

"""


def command() -> str:
    """How a shell calls this Rollbook, wherever it is installed."""
    beside = Path(sys.executable).with_name("rollbook")
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m rollbook.cli"
    found = shutil.which("rollbook")
    return "rollbook" if found and Path(found).samefile(beside) else shlex.quote(str(beside))


def say_what_to_set_up() -> None:
    """Every step, where no secret is given. What is wrong with settings is told by those who read them."""
    if sys.stderr.isatty() and not any(os.environ.get(name) for name in SECRETS):
        typer.echo(FROM_NOTHING.format(rollbook=command()), err=True)


def say_how_to_begin(*, serving: bool = False) -> None:
    """Django is set up. Says nothing where there is somebody, or where the database does not answer: others tell."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import DatabaseError, connection, connections  # noqa: PLC0415

    from rollbook.server.access import first  # noqa: PLC0415

    database = settings.DATABASES["default"]
    # To ask SQLite would make the file.
    missing = database["ENGINE"].endswith("sqlite3") and not Path(database["NAME"]).exists()
    try:
        tables = not missing and bool(connection.introspection.table_names())
        nobody = tables and first.is_open()
    except DatabaseError:
        return
    finally:
        connections.close_all()
    if not tables:
        _say("there are no tables yet, and nothing works without them", f"run: {command()} migrate")
    elif nobody and not sys.stderr.isatty():
        _say("nobody can sign in yet", "run: rollbook add-operator you@example.org")
    elif nobody:
        typer.echo("Nobody can sign in yet. Open this within three days to make the first operator:", err=True)
        # As it stands, never broken: it is copied.
        typer.echo(f"\n  {first.address()}\n", err=True)
        if serving:
            typer.echo(BESIDE.format(rollbook=command()), err=True)


def _say(what: str, remedy: str) -> None:
    import structlog  # noqa: PLC0415

    if sys.stderr.isatty():
        typer.echo(f"{what[:1].upper()}{what[1:]}: {remedy}", err=True)
    else:
        structlog.get_logger("rollbook.server.beginning").warning(what, remedy=remedy)
