"""Django's backend for SQLite, whose transactions, and writes without one, wait for their turn: see `turns`.

Django finds a backend by the module's name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base as usual

from rollbook.errors import Problem
from rollbook.server.refusals import RefusedError
from rollbook.server.sqlite3 import turns

WAIT_SECONDS = 20.0
"""For one's turn: four senders of the largest batches, two seconds each, and a worker between them take less."""

AGAIN_SECONDS = 5
"""After which it is worth while to try again."""

_READ = ("select", "with", "pragma", "explain", "begin", "savepoint", "release", "commit", "rollback")
"""How statements begin that do not write, or begin no transaction by themselves. No write here begins with `with`."""


class NoTurnError(RefusedError, OperationalError):
    """503: so many write that the turn did not come. For whoever knows the database alone, it is one that is busy."""

    def __init__(self, seconds: float) -> None:
        rule = f"others write to the database, and the turn did not come within {seconds:g} seconds"
        problem = Problem("server", rule, f"try again in {AGAIN_SECONDS} seconds")
        super().__init__(503, "busy", problem, {"Retry-After": str(AGAIN_SECONDS)})


class DatabaseWrapper(usual.DatabaseWrapper):
    """Django's own, with turns.

    wait_seconds  for how long this connection waits for one
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.wait_seconds = WAIT_SECONDS
        self._turns: turns.Turns | None = None
        """Whose turn this connection has, if any."""

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Within, this connection waits for no longer than so for a turn."""
        before, self.wait_seconds = self.wait_seconds, seconds
        try:
            yield
        finally:
            self.wait_seconds = before

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn for one statement that is a transaction of its own; it is given back after it."""
        self._take()
        try:
            yield
        finally:
            self._give()

    def create_cursor(self, name: str | None = None) -> _Cursor:  # noqa: ARG002 - Django's shape
        """A cursor whose writes outside transactions wait for their turn."""
        return _Cursor(self.connection, self)

    def _start_transaction_under_autocommit(self) -> None:
        self._take()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._give()
            raise

    def commit(self) -> None:
        """As its parent does. Where it fails a rollback follows, or the end of the connection."""
        super().commit()
        self._give()

    def rollback(self) -> None:
        """As its parent does."""
        super().rollback()
        self._give()

    def close(self) -> None:
        """As its parent does; whatever was not committed is gone."""
        try:
            super().close()
        finally:
            self._give()

    def _take(self) -> None:
        if self._turns is not None:
            return
        queue = turns.of(Path(self.settings_dict["NAME"]))
        try:
            came = queue.take(self.wait_seconds)
        except OSError as error:
            raise OperationalError(f"the folder of the database cannot be written to: {error.strerror}") from error
        if not came:
            raise NoTurnError(self.wait_seconds)
        self._turns = queue

    def _give(self) -> None:
        if self._turns is not None:
            queue, self._turns = self._turns, None
            queue.give()


class _Cursor(usual.SQLiteCursorWrapper):
    def __init__(self, connection: sqlite3.Connection, wrapper: DatabaseWrapper) -> None:
        super().__init__(connection)
        self._wrapper = wrapper

    def execute(self, query: str, params: Any = None) -> Any:
        if self.connection.in_transaction or query.lstrip()[:9].lower().startswith(_READ):
            return super().execute(query, params)
        with self._wrapper.turn():
            return super().execute(query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        if self.connection.in_transaction:
            return super().executemany(query, param_list)
        with self._wrapper.turn():
            return super().executemany(query, param_list)
