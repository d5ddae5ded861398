"""The commands of a server. Django and all that comes with it are loaded when one of them runs, and not before."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rollbook.cli import beginning
from rollbook.cli import demo as demonstration
from rollbook.cli.said import in_words_or_end
from rollbook.errors import Problem, RollbookError, UsageError
from rollbook.render import terminal

DATA = "rollbook-data"
"""Where `serve --demo` keeps everything."""

Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 is everywhere.")]
Port = Annotated[int, typer.Option(metavar="NUMBER", min=1, max=65_535, help="On which port.")]
Workers = Annotated[int, typer.Option(metavar="NUMBER", min=1, max=64, help="Processes that answer.")]
Threads = Annotated[
    int,
    typer.Option(
        metavar="NUMBER", min=1, max=64, help="Requests each of them answers at once, each with a connection."
    ),
]
Demo = Annotated[
    bool, typer.Option("--demo", help=f"Keep everything in ./{DATA}, with made-up customers, and run a worker too.")
]
OneSubscription = Annotated[
    int | None, typer.Option("--subscription", metavar="NUMBER", min=1, help="Only this one. All, by default.")
]
File = Annotated[str, typer.Argument(metavar="FILE", help="The backup.")]


@contextmanager
def server_set_up(*, configured: bool = True) -> Iterator[None]:
    """Django, set up; whatever goes wrong within ends the run in words. Without `configured`, its libraries only."""
    with in_words_or_end():
        try:
            import django  # noqa: PLC0415
            import granian  # noqa: F401, PLC0415
            import structlog  # noqa: F401, PLC0415
            from django.db import DatabaseError  # noqa: PLC0415
        except ImportError as error:
            rule = f"the server's libraries are not installed ({error.name} is missing)"
            raise UsageError(Problem("rollbook", rule, 'run: pip install "rollbook[server]"')) from None
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rollbook.server.settings")
        # Databases, mail kept as files, and whatever stands beside them hold learners: they are their owner's alone.
        before = os.umask(0o077)
        try:
            if configured:
                django.setup()
            yield
        except DatabaseError as error:
            # Of the database's words the first line: others may quote a row.
            words = str(error).strip().partition("\n")[0][:200]
            remedy = "see that it runs, that DATABASE_URL is right, and that rollbook migrate was run"
            raise RollbookError(Problem("database", words or type(error).__name__, remedy)) from None
        finally:
            os.umask(before)


def refuse_other_key() -> None:
    """Nothing is done to a database with another's ROLLBOOK_DIGEST_KEY. Where it does not answer, others tell."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    from rollbook.server.live import digest_key  # noqa: PLC0415

    database = settings.DATABASES["default"]
    # To ask SQLite would make the file.
    if database["ENGINE"].endswith("sqlite3") and not Path(database["NAME"]).exists():
        return
    digest_key.refuse_other()
    connections.close_all()


def serve(
    host: Host = "127.0.0.1", port: Port = 8000, workers: Workers = 1, threads: Threads = 4, demo: Demo = False
) -> None:
    """Answer HTTP: the API, and pages to sign in. Ctrl-C or SIGTERM end it when requests under way are answered."""
    with server_set_up(configured=False):
        from rollbook.server.operation import serving  # noqa: PLC0415

        with serving.figures_shared():
            if demo:
                serving.embed(Path(DATA), port)
            else:
                beginning.say_what_to_set_up()
                os.environ.setdefault("ROLLBOOK_BASE_URL", f"http://localhost:{port}")
            with server_set_up():
                from django.conf import settings  # noqa: PLC0415

                style = settings.CONFIGURATION["ROLLBOOK_LOG_FORMAT"]
                unlikely = serving.unlikely(settings.CONFIGURATION.values)
                refuse_other_key()
            if not demo:
                if unlikely:
                    terminal.say(terminal.console(stderr=True), unlikely)
                with server_set_up():
                    beginning.say_how_to_begin(serving=True)
                serving.serve(host, port, workers, threads, style)
                return
            with server_set_up():
                demonstration.load()
            # The folder is the current one by now.
            with serving.worker(), demonstration.welcome(host, port, Path.cwd()):
                serving.serve(host, port, workers, threads, style)


def worker() -> None:
    """Do what time triggers: close windows, send messages and reports. Several may run."""
    stop = threading.Event()
    # From the first moment on: an end that came while everything is loaded would interrupt just anything.
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with server_set_up():
        from rollbook.server.operation import worker as loop  # noqa: PLC0415

        refuse_other_key()
        loop.run(stop)


def migrate() -> None:
    """Bring the database to this version. Safe to start more than once at the same time."""
    with server_set_up():
        from rollbook.server.operation import migrating  # noqa: PLC0415

        migrating.migrate()
        _say_what_is_away()
        beginning.say_how_to_begin()


def _say_what_is_away() -> None:
    """Names archives that are not there: whoever brought back a database may have forgotten them, or their setting."""
    from rollbook.server.live import archive as archives  # noqa: PLC0415

    err = terminal.console(stderr=True)
    for customer, folder in archives.away():
        rule = "facts of closed windows were moved there, and it is not there"
        remedy = "bring it back and set ROLLBOOK_ARCHIVE; nothing that needs them is counted meanwhile"
        terminal.say(err, str(Problem(f"customer {customer}: {folder}", rule, remedy)))


def recount(subscription: OneSubscription = None) -> None:
    """Count everything again beside the live counts. Exit code 1 where they differ, which must never be."""
    with server_set_up():
        from rollbook.server.operation import recounting  # noqa: PLC0415

        refuse_other_key()
        out = terminal.console()
        found = recounting.recount(subscription)
        for difference in found.differences:
            terminal.say(out, difference)
        words = (
            f"{_counted(found.subscriptions, 'subscription')} counted again: "
            f"{_counted(len(found.differences), 'difference')}"
        )
        terminal.say(terminal.console(stderr=True), words)
        if found.differences:
            raise typer.Exit(1)


def archive() -> None:
    """Move facts of closed windows to the archive, as far as they are due. The worker does so once a day."""
    with server_set_up():
        from datetime import UTC, datetime  # noqa: PLC0415

        from rollbook.server.billing import archiving  # noqa: PLC0415

        refuse_other_key()
        if not archiving.folder_is_set():
            remedy = "name a folder in it that all servers and workers see, and that is backed up"
            raise UsageError(Problem("ROLLBOOK_ARCHIVE", "it is not set, so there is no archive", remedy))
        err = terminal.console(stderr=True)
        moved = 0
        for customer in archiving.due():
            while facts := archiving.move(customer, datetime.now(UTC)):
                moved += facts
                terminal.say(
                    err, f"customer {customer}: {_counted(facts, 'fact')} moved to {archiving.place_of(customer)}"
                )
        terminal.say(err, f"{_counted(moved, 'fact')} moved in all")


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def backup(file: File) -> None:
    """Write the whole database to a new file, while the server runs."""
    with server_set_up():
        from django.conf import settings  # noqa: PLC0415

        from rollbook.server.operation import backup as backups  # noqa: PLC0415

        database = settings.DATABASES["default"]
        if database["ENGINE"].endswith("sqlite3") and not Path(database["NAME"]).exists():
            rule = "there is no database, so nothing to back up"
            raise UsageError(Problem(database["NAME"], rule, "is DATABASE_URL set, and is this the server's folder?"))
        size = backups.backup(settings.DATABASES["default"], file)
        err = terminal.console(stderr=True)
        terminal.say(err, f"{file}: {size:,} bytes; keep ROLLBOOK_DIGEST_KEY elsewhere, the backup needs the same one")


def restore(file: File) -> None:
    """Bring a backup into an empty database."""
    with server_set_up():
        from django.conf import settings  # noqa: PLC0415

        from rollbook.server.operation import backup as backups  # noqa: PLC0415

        backups.restore(settings.DATABASES["default"], file)
        try:
            refuse_other_key()
        except RollbookError:
            terminal.say(terminal.console(stderr=True), "restored, but it cannot be used with this ROLLBOOK_DIGEST_KEY")
            raise
        terminal.say(terminal.console(stderr=True), "restored; now run rollbook migrate, then rollbook recount")


def server_secrets() -> None:
    """Print new secrets as lines of an environment file."""
    with server_set_up(configured=False):
        from rollbook.server import secrets  # noqa: PLC0415

        sys.stdout.write(secrets.lines())
