"""What facts would do to counts and money, before they are: what `rollbook roster` and a worker ask before they act.

The facts are metered twice by the same engine, without and with those that are to come, and each count is rated by the
same accounting: there is no second rule. Two windows are shown, the one that runs and the next with whoever is carried
into it at its first instant; nobody knows what else will happen until then, and that is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rollbook import library
from rollbook.accounting.account import Account
from rollbook.intake import ReadOptions
from rollbook.model.fact import Fact
from rollbook.model.instants import from_us, to_us
from rollbook.model.money import Money
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from rollbook.roster.budget import horizon


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One window's count and money, over all pools.

    new, continuing, reactivated  units that count, by class
    allowance                     units that are included
    overage                       those beyond it
    total                         what the window costs; None where nothing has a price
    """

    new: int
    continuing: int
    reactivated: int
    allowance: int
    overage: int
    total: Money | None

    @property
    def active(self) -> int:
        """All that count."""
        return self.new + self.continuing + self.reactivated


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A window without the facts that are to come, and with them."""

    window: Window
    before: Figures
    after: Figures

    @property
    def more_active(self) -> int:
        """How many more count; fewer, where it is below 0."""
        return self.after.active - self.before.active

    @property
    def more_money(self) -> Money | None:
        """How much more it costs; less, where it is below 0. None where nothing has a price."""
        if self.before.total is None or self.after.total is None:
            return None
        return self.after.total - self.before.total


def foresee(
    facts: object,
    more: Sequence[Fact],
    subscription: Subscription,
    *,
    as_of: datetime | None = None,
    engine: str = "duckdb",
    options: ReadOptions | None = None,
    assume_members: bool = False,
) -> tuple[Foreseen, ...]:
    """The window that runs and the next one of the term, without and with `more`; none where the term is over.

    facts  as for `rollbook.meter`: paths, tables, or lists of facts
    more   facts that are not among them yet; where they are, they change nothing
    as_of  now: the window that contains it runs; by default the clock's. Facts in the future count where they are
           in one of the two windows, as they would when their time has come

    Raises like `rollbook.meter`.
    """
    as_of = library.aware(as_of or datetime.now(UTC))
    until = from_us(horizon(subscription, to_us(as_of)))
    given = [list(it) if isinstance(it, Iterator) else it for it in library.inputs(facts)]
    accounts = []
    for inputs in (given, [*given, list(more)] if more else given):
        with library.meter(
            inputs, subscription, as_of=until, engine=engine, options=options, assume_members=assume_members
        ) as result:
            accounts.append(result.account)
    before, after = accounts
    shown = [it for it in before.windows if it.end_us > to_us(as_of) and it.start_us < to_us(until)]
    return tuple(
        Foreseen(window=it, before=figures(before, it.number), after=figures(after, it.number)) for it in shown
    )


def figures(account: Account, window: int) -> Figures:
    """One window of an account, over all pools."""
    used = account.of(window)
    return Figures(
        new=sum(it.new for it in used),
        continuing=sum(it.continuing for it in used),
        reactivated=sum(it.reactivated for it in used),
        allowance=sum(it.allowance for it in used),
        overage=sum(it.overage for it in used),
        total=account.total(window),
    )
