"""What a side took, until its answer was there."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took.

    seconds  by the clock
    busy     seconds of all processors; None where the work was done in processes that are not ours
    memory   the most bytes that the process and its children held, likewise
    """

    seconds: float
    busy: float | None
    memory: int | None


class Clock:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._busy = self._processors()
        self._began = time.perf_counter()

    def stop(self, *, elsewhere: bool = False) -> Taken:
        """What was taken so far. `elsewhere`: by processes of which this one knows nothing."""
        seconds = time.perf_counter() - self._began
        if elsewhere:
            return Taken(seconds, None, None)
        return Taken(seconds, self._processors() - self._busy, sum(_most(it) for it in self._family()))

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _processors(self) -> float:
        total = 0.0
        for process in self._family():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def _most(process: psutil.Process) -> int:
    """The most bytes a process ever held: its high-water mark where there is one, else what it holds now."""
    with suppress(OSError):
        if sys.platform == "linux":
            for line in Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0
