"""Backups of the whole database in one file, and their return into an empty one.

A backup is of one instant, while the server runs. It is readable by its owner alone, never written over a file, and
either whole or absent. A restore goes into a database that holds nothing, whole or not at all. Passwords of databases
go to PostgreSQL's programs in their environment, where `ps` does not show them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rollbook.errors import Problem, RollbookError
from rollbook.server.configuration import CONNECTION

SQLITE_MAGIC = b"SQLite format 3\0"
POSTGRESQL_MAGIC = b"PGDMP"

STDERR_CHARACTERS_MAX = 400


class BackupError(RollbookError):
    """A backup cannot be made or brought back."""

    code = "backup"


def backup(database: Mapping[str, Any], file: str) -> int:
    """Writes everything to a new file; its size in bytes. `database` is as in Django's DATABASES."""
    target = Path(file)
    if target.exists():
        raise BackupError(Problem(file, "it exists already", "name a new file: a backup never replaces another"))
    if not target.parent.is_dir():
        raise BackupError(Problem(file, "there is no such folder", "name a file in a folder that is there"))
    with _whole_or_absent(target) as partial:
        if _is_sqlite(database):
            _copy_sqlite(Path(database["NAME"]), partial)
        else:
            _run(
                database,
                "pg_dump",
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                "--file",
                str(partial),
            )
    return target.stat().st_size


def restore(database: Mapping[str, Any], file: str) -> None:
    """Brings a backup into an empty database. Raises BackupError where anything is in it, or the file is none."""
    source = Path(file)
    magic = SQLITE_MAGIC if _is_sqlite(database) else POSTGRESQL_MAGIC
    try:
        with source.open("rb") as opened:
            begins = opened.read(len(magic))
    except OSError as error:
        raise BackupError(Problem(file, f"it cannot be read: {error.strerror}", "name a backup")) from error
    if begins != magic:
        kind = "SQLite" if _is_sqlite(database) else "PostgreSQL"
        remedy = "name a file that rollbook backup wrote from the same kind of database"
        raise BackupError(Problem(file, f"it is no backup of a {kind} database", remedy))
    if _is_sqlite(database):
        target = Path(database["NAME"])
        _refuse_filled(target)
        with _whole_or_absent(target) as partial:
            _copy_sqlite(source, partial)
    else:
        _refuse_filled_server(database)
        _run(
            database,
            "pg_restore",
            "--single-transaction",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            f"--dbname={database['NAME']}",
            str(source),
        )


def _is_sqlite(database: Mapping[str, Any]) -> bool:
    return str(database["ENGINE"]).endswith("sqlite3")


@contextmanager
def _whole_or_absent(target: Path) -> Iterator[Path]:
    """A file beside the target, which becomes it when all of it is on the disk."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        # Made before anybody writes: with permissions of its own, and not if somebody else is at it.
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        rule = f"{partial.name} is there: another run writes it, or was killed"
        raise BackupError(Problem(str(target), rule, "remove it if no other run is at work")) from None
    except OSError as error:
        raise BackupError(
            Problem(str(target), f"it cannot be written: {error.strerror}", "look at the disk")
        ) from error
    try:
        yield partial
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        if target.exists():
            raise BackupError(Problem(str(target), "it appeared meanwhile", "name another file"))
        partial.rename(target)
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except FileExistsError:
        raise BackupError(Problem(str(target), "it appeared meanwhile", "name another file")) from None
    except OSError as error:
        raise BackupError(
            Problem(str(target), f"it cannot be written: {error.strerror}", "look at the disk")
        ) from error
    finally:
        _clear(partial)


def _clear(path: Path) -> None:
    """Removes a file, and what SQLite keeps beside it."""
    for name in (path.name, *(path.name + ending for ending in ("-wal", "-shm", "-journal"))):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink()


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's online backup: what was committed when it began, and a file that passes its own check."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as from_,
            closing(sqlite3.connect(target, timeout=30)) as to,
        ):
            from_.backup(to)
            to.execute("pragma journal_mode=delete")
            found = to.execute("pragma integrity_check(1)").fetchall()
    except sqlite3.Error as error:
        raise BackupError(
            Problem(str(source), f"it cannot be copied: {error}", "look at the disk, and try again")
        ) from error
    if found != [("ok",)]:
        raise BackupError(Problem(str(source), f"it is damaged: {found[0][0]}", "use an earlier backup"))


def _refuse_filled(target: Path) -> None:
    if not target.exists():
        return
    try:
        with closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as there:
            [(tables,)] = there.execute("select count(*) from sqlite_master").fetchall()
    except sqlite3.Error as error:
        rule = f"this file is there, and is no database: {error}"
        raise BackupError(Problem(str(target), rule, "name another in DATABASE_URL")) from error
    if tables:
        raise _filled(str(target))
    # A database of no bytes or no tables, as opening one leaves it: the whole one takes its place.
    _clear(target)


def _refuse_filled_server(database: Mapping[str, Any]) -> None:
    import psycopg  # noqa: PLC0415 - SQLite needs no driver

    where = {
        "dbname": database["NAME"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "host": database["HOST"],
        "port": database["PORT"],
    }
    given = {name: value for name, value in where.items() if value} | {"connect_timeout": 10, **_connection(database)}
    asked = (
        "select count(*) from pg_class join pg_namespace on pg_namespace.oid = relnamespace "
        "where relkind in ('r', 'p', 'v', 'm', 'S', 'f') "
        "and nspname <> 'information_schema' and nspname not like 'pg\\_%'"
    )
    try:
        with psycopg.connect(**given) as connection:
            row = connection.execute(asked).fetchone()
    except psycopg.OperationalError as error:
        remedy = "look at the server, and at DATABASE_URL"
        raise BackupError(Problem("DATABASE_URL", "the database does not answer", remedy)) from error
    if row and row[0]:
        raise _filled(str(database["NAME"]))


def _filled(name: str) -> BackupError:
    remedy = "name a new, empty database in DATABASE_URL: nothing is ever restored over anything"
    return BackupError(Problem(name, "this database holds something already", remedy))


def _run(database: Mapping[str, Any], program: str, *arguments: str) -> None:
    """Runs one of PostgreSQL's programs to its end, however long it takes: how much there is nobody knows here."""
    path = shutil.which(program)
    if path is None:
        remedy = (
            "install PostgreSQL's client programs, of the server's version or newer: apt-get install postgresql-client"
        )
        raise BackupError(Problem(program, "there is no such program here", remedy))
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL with arguments of ours
        [path, *arguments],
        env={**os.environ, **_environment(database)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[-STDERR_CHARACTERS_MAX:]
        raise BackupError(Problem(program, f"it failed: {said}", "put that right, and try again; nothing was changed"))


_VARIABLES = {name: f"PG{name.replace('_', '').upper()}" for name in CONNECTION} | {
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "application_name": "PGAPPNAME",
}
"""Options of a connection as PostgreSQL's programs read them from the environment."""


def _connection(database: Mapping[str, Any]) -> dict[str, Any]:
    """How DATABASE_URL wants the server to be connected to."""
    return {name: value for name, value in database["OPTIONS"].items() if name in CONNECTION}


def _environment(database: Mapping[str, Any]) -> dict[str, str]:
    given = {
        "PGHOST": database["HOST"],
        "PGPORT": database["PORT"],
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "PGDATABASE": database["NAME"],
        **{_VARIABLES[name]: value for name, value in _connection(database).items()},
    }
    return {name: str(value) for name, value in given.items() if value}
