"""Who writes a ledger is alone with it, and what somebody reads is not removed.

Both locks go with the process, however that ends. Neither file is followed where it is a link: a ledger may come from
a stranger.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rollbook.errors import LedgerError, Problem

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such lock
    fcntl = None  # type: ignore[assignment]

LOCK, READERS = "lock", "readers"

_WAIT_SECONDS = 10.0
"""How long a reader waits while a build removes what nothing names; that takes milliseconds."""

_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class Reading:
    """That somebody reads a ledger: until it is closed, no file that its manifest names now is removed."""

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = None
        if fcntl is None:  # pragma: no cover - Windows
            return
        # A copy need not have the file, and some network drives have no locks: then the reader takes its chance.
        with suppress(OSError):
            self._descriptor = os.open(folder / READERS, os.O_RDONLY | _FLAGS)
            _taken(self._descriptor, fcntl.LOCK_SH, time.monotonic() + _WAIT_SECONDS)

    def close(self) -> None:
        """What was read may be removed."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Makes the folder where there is none, and is alone in writing it. Raises LedgerError where that cannot be."""
    if fcntl is None:  # pragma: no cover - Windows
        rule = "this system has no locks on files, without which two builds would damage a ledger"
        raise LedgerError(Problem(str(folder), rule, "build it on Linux or macOS"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
    except OSError as error:
        rule = f"cannot be written ({error.strerror})"
        raise LedgerError(Problem(str(folder), rule, "name a folder in which you may write")) from None
    try:
        if not _taken(descriptor, fcntl.LOCK_EX):
            rule = "another build is writing this ledger"
            raise LedgerError(Problem(str(folder), rule, "wait until it is done"))
        yield
    finally:
        os.close(descriptor)


@contextmanager
def unread(folder: Path) -> Iterator[bool]:
    """Whether nobody reads the ledger, and nobody begins to until this ends. Makes the file that readers lock."""
    descriptor = os.open(folder / READERS, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
    try:
        yield _taken(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int, until: float = 0.0) -> bool:
    """Whether the lock was taken, tried again until an instant of the monotonic clock."""
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        else:
            return True
