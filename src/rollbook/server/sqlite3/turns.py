"""Turns of whoever writes to one file: first come, first served, and nobody waits for longer than they said.

Within a process the order is exact: a turn is handed to whoever has waited longest. Between processes two bytes of a
file beside the database are locked: one is whose turn it is, the other is who comes next. Whoever comes next is alone
in asking for the turn, and a process asks with the first of its own only, so one that never pauses takes turns with the
others. The kernel takes both locks from a process that is killed.

A turn keeps nobody out who asks for none, such as the command line of SQLite: it is SQLite that locks the database.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from pathlib import Path

NOW, NEXT = 0, 1
"""The bytes that are locked."""

ASK_SECONDS = 0.002
"""How often another process is asked whether it is done: the first in each process alone asks."""


class Turns:
    """The queue for one file. There is one for each file in a process: to close a second would give up its turns.

    file  what is locked, and made where it is not there
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    def take(self, seconds: float) -> bool:
        """Waits for a turn; False where none came in time. Raises OSError where the file cannot be made."""
        until = time.monotonic() + seconds
        if not self._is_first(until):
            return False
        mine = False
        try:
            mine = self._is_ours(until)
        finally:
            if not mine:
                self._call_next()
        return mine

    def give(self) -> None:
        """Ends a turn that was taken."""
        self._unlock(NOW)
        self._call_next()

    def _is_first(self, until: float) -> bool:
        """Waits until nobody of this process is before us."""
        called = threading.Event()
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            self._waiting.append(called)
        if called.wait(max(0.0, until - time.monotonic())):
            return True
        with self._guard:
            if not called.is_set():
                self._waiting.remove(called)
                return False
        # It came at the last moment, and is taken: whoever is next would have to be called otherwise.
        return True

    def _call_next(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False

    def _is_ours(self, until: float) -> bool:
        """Waits until no other process is before us."""
        if self._descriptor is None:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        if not self._locked(NEXT, until):
            return False
        try:
            return self._locked(NOW, until)
        finally:
            self._unlock(NEXT)

    def _locked(self, byte: int, until: float) -> bool:
        assert self._descriptor is not None  # noqa: S101 - see `_is_ours`
        while True:
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            except (BlockingIOError, PermissionError):
                if time.monotonic() >= until:
                    return False
                time.sleep(ASK_SECONDS)
            else:
                return True

    def _unlock(self, byte: int) -> None:
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, byte)


_queues: dict[Path, Turns] = {}
_GUARD = threading.Lock()


def of(database: Path) -> Turns:
    """The queue of a database, one for each in this process."""
    path = database.resolve()
    with _GUARD:
        return _queues.setdefault(path, Turns(path.with_name(f"{path.name}-turns")))
