"""One plan in small: the same figure as on its page, from the same function (A-29, W-17)."""

from __future__ import annotations

from dataclasses import dataclass

from rollbook.reports.standing import Standing, standing
from rollbook.server.live import contracts
from rollbook.server.live.usage import counted
from rollbook.server.models import Subscription
from rollbook.server.pages import charts
from rollbook.server.pages.kept import kept, version_of


@dataclass(frozen=True, slots=True)
class Tile:
    """A subscription and how it stands; `now` is None before its term."""

    row: Subscription
    plan: str
    now: Standing | None

    @property
    def meter(self) -> charts.Meter | None:
        """Its bar, where anything is included."""
        return charts.meter(self.now.figure, self.now.included) if self.now and self.now.included else None

    @property
    def level(self) -> str:
        """See `level_of`."""
        return level_of(self.now)


def tile(row: Subscription) -> Tile:
    """The tile of a subscription, counted now. `row` has its plan and customer at hand."""
    now = kept("tile", row, version_of(row), lambda now_us: standing(counted(row, now_us)))
    return Tile(row, contracts.plan_of(row.plan).title, now)


def level_of(now: Standing | None) -> str:
    """How near the limit is, as a class of colours: nothing, near, full."""
    if now is None or not now.reached:
        return ""
    return "full" if now.beyond else "near"
