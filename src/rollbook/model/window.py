"""Windows include their start and exclude their end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rollbook.model.instants import from_us


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """One counted period: [start_us, end_us), UTC microseconds.

    number counts from 1 within the term; 0, -1, … are the windows of the time before it, which inform
    classes and count nothing.
    """

    number: int
    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.start_us >= self.end_us:
            raise ValueError(f"window {self.number} would end before it starts")

    @property
    def start(self) -> datetime:
        """The first instant inside, in UTC."""
        return from_us(self.start_us)

    @property
    def end(self) -> datetime:
        """The first instant no longer inside, in UTC."""
        return from_us(self.end_us)

    def contains(self, at_us: int) -> bool:
        """An instant overlaps the window that contains it."""
        return self.start_us <= at_us < self.end_us
