"""Migrations, safe to be started on several machines at once: one runs them, the others wait and find nothing to do."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from rollbook.server.live import digest_key

LOCK = 0x726F6C6C626F6F6B
"""The number of PostgreSQL's advisory lock: the letters `rollbook`."""


def migrate(*, quietly: bool = False) -> None:
    """Brings the tables to this version, and says what it does.

    Raises django.db.Error as the database does, and DigestKeyError where the key is not this database's.
    """
    with _alone():
        call_command("migrate", interactive=False, verbosity=0 if quietly else 1)
        digest_key.keep()


@contextmanager
def _alone() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", [LOCK])
            try:
                yield
            finally:
                cursor.execute("select pg_advisory_unlock(%s)", [LOCK])
        return
    # SQLite knows no such lock, so a file beside the database is one.
    database = Path(str(connection.settings_dict["NAME"]))
    with database.with_name(f"{database.name}.migrating").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
