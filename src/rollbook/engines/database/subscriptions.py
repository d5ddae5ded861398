"""A subscription as it is metered live: as far as its windows have begun."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rollbook.accounting.consumption import cuts
from rollbook.engines.database.archived import Archive
from rollbook.errors import Problem, UsageError
from rollbook.metering import calendar, inputs
from rollbook.model.instants import LATEST_US
from rollbook.model.plan import Meter
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window

BEGINNING_US = -1
"""Before every fact."""

BEFORE_ALL = -(2**31)
"""Lower than every window's number."""


@dataclass(frozen=True, slots=True)
class LiveSubscription:
    """A subscription with what is known of it beyond its text.

    key            its number in the tables
    windows_begun  how many windows of the term have begun. Everything before the end of the last one counts; one more
                   than there are says that the term is over, and that corrections count whenever they happen
    assumed        organisations whose learners all count as members
    owner          whose facts it meters, see `facts.store`
    archive        the deeds of its owner that were moved out of the tables; None where none were
    """

    key: int
    subscription: Subscription
    windows_begun: int = 0
    assumed: frozenset[str] = frozenset()
    owner: int = 0
    archive: Archive | None = None
    windows: tuple[Window, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.subscription.organisations is None:
            rule = "a subscription to everything cannot be metered live"
            raise UsageError(Problem(self.subscription.customer, rule, "name its organisations"))
        object.__setattr__(self, "windows", calendar.windows(self.subscription))

    @property
    def meter(self) -> Meter:
        """What counts."""
        return self.subscription.plan.meter

    @property
    def organisations(self) -> tuple[str, ...]:
        """Whose facts belong to it."""
        return self.subscription.organisations or ()

    @property
    def as_of_us(self) -> int:
        """Nothing at or after this instant is metered."""
        if self.windows_begun > len(self.windows):
            return LATEST_US
        return self.windows[self.windows_begun - 1].end_us if self.windows_begun else self.subscription.start_us

    @property
    def begun(self) -> tuple[Window, ...]:
        """The windows that have begun."""
        return self.windows[: self.windows_begun]

    def scope(self, organisation: str) -> str:
        """Within what learners are told apart."""
        return "" if self.meter.dedupe == "customer" else organisation

    def begins(self, at_us: int) -> tuple[int, int]:
        """(start, number) of the window from which on something at an instant matters; see `schema.TOUCHED`."""
        within = bisect_right(self.windows, at_us, key=lambda window: window.start_us)
        if within:
            return self.windows[within - 1].start_us, within
        # Spans are folded from their first switch in any case, and windows before the term are none of theirs.
        return (self.windows[0].start_us, 1) if self.meter.holds else (BEGINNING_US, BEFORE_ALL)

    def cuts(self) -> list[tuple[int, int]]:
        """(window, instant) of every cut, see `consumption.cuts`."""
        found = cuts(self.subscription, self.windows, self.organisations, LATEST_US)
        return [(number, at_us) for number, instants in found.items() for at_us in instants]

    def inputs(self, least: int, first_us: int, organisations: Sequence[str]) -> dict[str, list[inputs.Row]]:
        """The input tables of the query but `identities`, with windows from number `least` on.

        first_us  the first fact, where windows before the term are wanted
        """
        reset_us = -1
        if self.meter.holds and self.meter.opens == "in-term":
            reset_us = self.subscription.start_us
        term = [window for window in self.begun if window.number >= least]
        days: list[inputs.Row] = []
        if not self.meter.holds:
            days = _days(self.subscription, self.windows_begun, least, first_us)
        return {
            "subscriptions": [(0, self.subscription.start_us, self.subscription.end_us, self.as_of_us, reset_us)],
            "covered": [(0, organisation, ordinal) for ordinal, organisation in enumerate(organisations, 1)],
            "assumed": [(0, organisation) for organisation in organisations if organisation in self.assumed],
            "windows": [(0, window.number, window.start_us, window.end_us) for window in term],
            "calendar": days,
        }


@lru_cache(maxsize=256)
def _days(subscription: Subscription, begun: int, least: int, first_us: int) -> list[inputs.Row]:
    windows = [window for window in calendar.windows(subscription)[:begun] if window.number >= least]
    if least < 1:
        windows = [*calendar.history(subscription, first_us), *windows]
    return [(0, *day) for day in calendar.day_rows(windows)]
