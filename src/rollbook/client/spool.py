"""Facts that wait for the server: a folder of append-only files, one JSON object a line, oldest first.

- What `append` returned for is on the disk, whatever happens to the process or the machine afterwards.
- A segment leaves only through `remove`, or is renamed by `set_aside`; nothing else deletes or changes a fact.
- A segment that was handed out for sending, or that another process wrote, is never written to again. So a line that
  a kill cut off stands at the end of its file, was never acknowledged, and is not read.
- No segment holds more than a batch, so one segment is one call.
- One process at a time has the folder. It holds learner data: the folder is 0700, its files 0600.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rollbook.client.errors import SpoolBusyError, SpoolError, SpoolFullError
from rollbook.errors import Problem

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such lock
    fcntl = None  # type: ignore[assignment]

_SEGMENT = re.compile(r"(\d{12})\.(ndjson|refused)")


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of whole lines, ready to be sent: `body` as it stands on the disk, and how many facts it holds."""

    path: Path
    body: bytes
    facts: int


class Spool:
    """The folder. Safe to use from several threads.

    facts_max, bytes_max   of one segment
    total_bytes_max        of the whole folder, segments set aside included
    """

    def __init__(self, folder: str | os.PathLike[str], *, facts_max: int, bytes_max: int, total_bytes_max: int) -> None:
        self.folder = Path(folder)
        self._facts_max, self._bytes_max, self._total_bytes_max = facts_max, bytes_max, total_bytes_max
        self._lock = threading.Lock()
        self._open: int | None = None
        self._writing: Path | None = None
        self._facts: dict[Path, int] = {}
        self._sizes: dict[Path, int] = {}
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._claim = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._take()
            self._look()
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def _take(self) -> None:
        if fcntl is None:  # pragma: no cover - Windows
            return
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._claim)
            rule = "another process keeps its facts here"
            raise SpoolBusyError(Problem(str(self.folder), rule, "give each process a folder of its own")) from None

    def _look(self) -> None:
        """What an earlier process left. Lines are counted once; a line that was cut off is none."""
        self._next = 1
        for path in sorted(self.folder.iterdir()):
            if match := _SEGMENT.fullmatch(path.name):
                self._next = max(self._next, int(match[1]) + 1)
                self._sizes[path] = path.stat().st_size
                if match[2] == "ndjson":
                    self._facts[path] = _whole(path.read_bytes()).count(b"\n")

    @property
    def facts(self) -> int:
        """How many wait, without those set aside."""
        return sum(self._facts.values())

    def __bool__(self) -> bool:
        return bool(self._facts)

    def append(self, lines: Sequence[bytes]) -> None:
        """Keeps a batch, lines without their end. On the disk when it returns; all of it or, with an error, none.

        Raises SpoolFullError when there is no room, and SpoolError when the disk refuses.
        """
        body = b"".join(line + b"\n" for line in lines)
        with self._lock:
            used = sum(self._sizes.values())
            if used + len(body) > self._total_bytes_max:
                raise _full(self.folder, used, self._total_bytes_max)
            try:
                path, handle = self._segment_for(len(lines), len(body))
                self._write(path, handle, body)
            except OSError as error:
                raise _unusable(self.folder, error) from error
            self._sizes[path] = self._sizes.get(path, 0) + len(body)
            self._facts[path] = self._facts.get(path, 0) + len(lines)

    def _segment_for(self, facts: int, size: int) -> tuple[Path, int]:
        """The segment that is being written, or a new one where the batch does not fit."""
        if self._writing is not None and self._open is not None:
            fits = (
                self._facts.get(self._writing, 0) + facts <= self._facts_max
                and self._sizes.get(self._writing, 0) + size <= self._bytes_max
            )
            if fits:
                return self._writing, self._open
            self._seal()
        path = self.folder / f"{self._next:012d}.ndjson"
        self._next += 1
        self._open = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._writing = path
        # The name of a new file is on the disk only when its folder is.
        _sync_folder(self.folder)
        return path, self._open

    def _write(self, path: Path, handle: int, body: bytes) -> None:
        before = os.fstat(handle).st_size
        rest = memoryview(body)
        try:
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            # Nothing of it was promised. What cannot be taken back either would at most be sent without need.
            self._seal()
            with contextlib.suppress(OSError):
                os.truncate(path, before)
                if not before:
                    path.unlink()
            raise

    def _seal(self) -> None:
        if self._open is not None:
            os.close(self._open)
        self._open = self._writing = None

    def oldest(self) -> Segment | None:
        """The segment that is to be sent next, written to no more; None where nothing waits."""
        with self._lock:
            while self._facts:
                path = min(self._facts)
                if path == self._writing:
                    self._seal()
                try:
                    body = _whole(path.read_bytes())
                except OSError as error:
                    raise _unusable(self.folder, error) from error
                if body:
                    return Segment(path, body, self._facts[path])
                self._forget(path)
        return None

    def remove(self, segment: Segment) -> None:
        """Lets go of a segment that the server has answered for with 2xx, and of nothing else."""
        with self._lock:
            self._forget(segment.path)

    def _forget(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        self._facts.pop(path, None)
        self._sizes.pop(path, None)

    def set_aside(self, segment: Segment) -> Path:
        """Renames a segment that the server refuses as a whole, so that those behind it can go; its new path."""
        target = segment.path.with_suffix(".refused")
        with self._lock:
            try:
                segment.path.rename(target)
                _sync_folder(self.folder)
            except OSError as error:
                raise _unusable(self.folder, error) from error
            self._facts.pop(segment.path, None)
            self._sizes[target] = self._sizes.pop(segment.path, len(segment.body))
        return target

    def close(self) -> None:
        """Gives the folder back. What waits in it stays."""
        with self._lock:
            self._seal()
            with contextlib.suppress(OSError):
                os.close(self._claim)


def _whole(content: bytes) -> bytes:
    """The lines that were written to their end."""
    return content[: content.rfind(b"\n") + 1]


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # pragma: no cover - Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _full(folder: Path, used: int, most: int) -> SpoolFullError:
    rule = f"it holds {used:,} bytes, and with these facts would hold more than {most:,}"
    remedy = "bring the server back and call flush(), look at *.refused files, or raise spool_bytes_max"
    return SpoolFullError(Problem(str(folder), rule, remedy))


def _unusable(folder: Path, error: OSError) -> SpoolError:
    words = error.strerror or type(error).__name__
    return SpoolError(Problem(str(folder), f"facts cannot be kept there: {words}", "look at its disk and permissions"))
