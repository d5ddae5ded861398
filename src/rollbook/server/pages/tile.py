"""One plan in small: the same figures as on its page, from the same functions (A-29, W-17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollbook.accounting.account import Account
from rollbook.model.money import Money
from rollbook.reports.standing import Standing, standing
from rollbook.server.live import contracts
from rollbook.server.live.usage import counted
from rollbook.server.models import Subscription
from rollbook.server.pages import charts, usage_shapes
from rollbook.server.pages.kept import kept, versions_of


@dataclass(frozen=True, slots=True)
class Tile:
    """A subscription and how it stands.

    plan, summary  what its plan is called, and what counts in the vendor's own sentence
    monthly        whether its windows are months
    now            None before its term
    shape          see `usage_shapes`
    costs          see `costs_of`
    """

    row: Subscription
    plan: str
    summary: str
    monthly: bool
    now: Standing | None
    shape: str
    costs: Money | None

    @property
    def meter(self) -> charts.Meter | None:
        """Its bar, where anything is included."""
        return charts.meter(self.now.figure, self.now.included) if self.now and self.now.included else None

    @property
    def level(self) -> str:
        """See `level_of`."""
        return level_of(self.now)


def tiles(rows: Sequence[Subscription]) -> list[Tile]:
    """The tiles of subscriptions, counted now. Rows have their plans and customers at hand."""
    seen = versions_of(rows)
    return [_tile(row, seen[row.pk]) for row in rows]


def _tile(row: Subscription, seen: str) -> Tile:
    plan = contracts.plan_of(row.plan)
    now, shape, costs = kept("tile", row, seen, lambda now_us: _made(row, now_us))
    return Tile(row, plan.title, plan.summary, plan.window.kind.endswith("month"), now, shape, costs)


def _made(row: Subscription, now_us: int) -> tuple[Standing | None, str, Money | None]:
    found = counted(row, now_us)
    now = standing(found)
    return now, usage_shapes.shape_of(found), costs_of(found, now)


def costs_of(found: Account, now: Standing | None) -> Money | None:
    """What the figure that is shown first costs so far: of its window, or of the term where the pool is the term's."""
    if now is None or not found.currency:
        return None
    return found.total(None if now.per == "term" else now.window.number)


def level_of(now: Standing | None) -> str:
    """How near the limit is, as a class of colours: nothing, near, full."""
    if now is None or not now.reached:
        return ""
    return "full" if now.beyond else "near"
