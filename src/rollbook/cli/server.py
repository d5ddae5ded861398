"""The commands of a server. Django and all that comes with it are loaded when one of them runs, and not before."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from rollbook.cli.metering import Exports, over_facts
from rollbook.cli.said import PROBLEMS_SHOWN, in_words_or_end, refuse_target, say_read
from rollbook.errors import Problem, RollbookError, UsageError
from rollbook.intake import FactStore, read_facts
from rollbook.render import terminal

DATA = "rollbook-data"
"""Where `serve --demo` keeps everything."""

BATCH_FACTS = 10_000
"""Facts of one transaction of `rollbook import`."""

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
Customer = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Take facts for this customer alone. By default, for whoever has the organisation."
    ),
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
        if configured:
            django.setup()
        try:
            yield
        except DatabaseError as error:
            # Of the database's words the first line: others may quote a row.
            words = str(error).strip().partition("\n")[0][:200]
            remedy = "see that it runs, that DATABASE_URL is right, and that rollbook migrate was run"
            raise RollbookError(Problem("database", words or type(error).__name__, remedy)) from None


def serve(
    host: Host = "127.0.0.1", port: Port = 8000, workers: Workers = 1, threads: Threads = 4, demo: Demo = False
) -> None:
    """Answer HTTP: the API and the pages. Ctrl-C or SIGTERM end it when requests under way are answered."""
    with server_set_up(configured=False):
        from rollbook.server import serving  # noqa: PLC0415

        with serving.figures_shared():
            if demo:
                serving.embed(Path(DATA), port)
            with server_set_up():
                from django.conf import settings  # noqa: PLC0415

                style = settings.CONFIGURATION["ROLLBOOK_LOG_FORMAT"]
            if not demo:
                serving.serve(host, port, workers, threads, style)
                return
            _load_demo(port)
            with serving.worker():
                serving.serve(host, port, workers, threads, style)


def _load_demo(port: int) -> None:
    from django.db import connections  # noqa: PLC0415

    from rollbook.server import demo, migrating  # noqa: PLC0415
    from rollbook.server.clock import now_us  # noqa: PLC0415

    with server_set_up():
        err = terminal.console(stderr=True)
        migrating.migrate(quietly=True)
        loaded = demo.load(now_us())
        terminal.say(err, f"{loaded.customers} customers, {loaded.facts:,} facts, {loaded.new:,} of them new")
        for person in loaded.people:
            terminal.say(err, f"sign in as {person.email} ({person.role}) with the password {person.password}")
        if not loaded.people:
            terminal.say(err, f"passwords were shown when ./{DATA} was made; without that folder they are made anew")
        terminal.say(err, f"open http://localhost:{port}")
        connections.close_all()


def worker() -> None:
    """Do what time triggers: close windows, send messages and reports. Several may run."""
    stop = threading.Event()
    # From the first moment on: an end that came while everything is loaded would interrupt just anything.
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with server_set_up():
        from rollbook.server import worker as loop  # noqa: PLC0415

        loop.run(stop)


def migrate() -> None:
    """Bring the database to this version. Safe to start more than once at the same time."""
    with server_set_up():
        from rollbook.server import migrating  # noqa: PLC0415

        migrating.migrate()


@over_facts
def import_(exports: Exports, customer: Customer = "") -> None:
    """Take history in: exports that any command reads. Interrupt and repeat it freely, repeats change nothing."""
    with server_set_up():
        refuse_target(exports.problems, exports.files, option="--problems")
        sender = _sender(customer)
        err = terminal.console(stderr=True)
        with read_facts(exports.facts, exports.options()) as store:
            terminal.print_sources(err, store.sources)
            say_read(err, store, exports.problems)
            rejected = _take_in(store, sender)
        if rejected or store.problems.total:
            raise typer.Exit(3)


def _sender(customer: str) -> Any:
    from rollbook.server.ingest import Sender  # noqa: PLC0415
    from rollbook.server.models import Customer as CustomerRow  # noqa: PLC0415

    if not customer:
        return Sender("import")
    row = CustomerRow.objects.filter(name=customer).first()
    if row is None:
        raise UsageError(Problem("--customer", "there is no customer of this name", "write it as the server has it"))
    return Sender("import", row.pk)


def _take_in(store: FactStore, sender: Any) -> int:
    """Stores the facts, batch by batch, and prints what became of them; how many were not taken."""
    from rollbook.server.clock import now_us  # noqa: PLC0415
    from rollbook.server.ingest import ingest  # noqa: PLC0415

    err = terminal.console(stderr=True)
    totals = dict.fromkeys(("received", "new", "repeats", "held", "rejected"), 0)
    told = 0
    for batch in _batches(store):
        receipt = ingest(batch, sender, now_us())
        totals["received"] += receipt.received
        totals["new"] += receipt.new
        totals["repeats"] += receipt.repeats
        totals["held"] += receipt.held
        totals["rejected"] += len({it.index for it in receipt.rejected})
        for it in receipt.rejected[: PROBLEMS_SHOWN - told]:
            fact = batch[it.index]
            terminal.say(err, str(Problem(store.place(fact.source, fact.id), it.rule, it.remedy)))
            told += 1
        terminal.say(err, f"{totals['received']:,} of {store.facts:,} facts are stored or told")
    if totals["rejected"] > told:
        terminal.say(err, f"and more: {totals['rejected']:,} were rejected in all")
    out = terminal.console()
    for name, facts in totals.items():
        terminal.say(out, f"{facts:>12,}  {name}")
    return totals["rejected"]


def _batches(store: FactStore) -> Iterator[list[Any]]:
    batch = []
    for fact in store.iterate():
        batch.append(fact)
        if len(batch) == BATCH_FACTS:
            yield batch
            batch = []
    if batch:
        yield batch


def recount(subscription: OneSubscription = None) -> None:
    """Count everything again beside the live counts. Exit code 1 where they differ, which must never be."""
    with server_set_up():
        from rollbook.server import recounting  # noqa: PLC0415

        out = terminal.console()
        found = recounting.recount(subscription)
        for difference in found.differences:
            terminal.say(out, difference)
        words = f"{found.subscriptions:,} subscriptions counted again: {len(found.differences):,} differences"
        terminal.say(terminal.console(stderr=True), words)
        if found.differences:
            raise typer.Exit(1)


def backup(file: File) -> None:
    """Write the whole database to a new file, while the server runs."""
    with server_set_up():
        from django.conf import settings  # noqa: PLC0415

        from rollbook.server import backup as backups  # noqa: PLC0415

        size = backups.backup(settings.DATABASES["default"], file)
        err = terminal.console(stderr=True)
        terminal.say(err, f"{file}: {size:,} bytes; keep ROLLBOOK_DIGEST_KEY elsewhere, the backup needs the same one")


def restore(file: File) -> None:
    """Bring a backup into an empty database."""
    with server_set_up():
        from django.conf import settings  # noqa: PLC0415

        from rollbook.server import backup as backups  # noqa: PLC0415

        backups.restore(settings.DATABASES["default"], file)
        terminal.say(terminal.console(stderr=True), "restored; now run rollbook migrate, then rollbook recount")


def server_secrets() -> None:
    """Print new secrets as lines of an environment file."""
    with server_set_up(configured=False):
        from rollbook.server import secrets  # noqa: PLC0415

        sys.stdout.write(secrets.lines())
