"""The account of a subscription: what was used, and what that costs, up to one instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from rollbook.accounting.charges import Charge, charges
from rollbook.accounting.consumption import Consumption, Tally, consumption, cuts
from rollbook.accounting.questions import HELD_SQL, beyond_sql, tallies_sql
from rollbook.accounting.seats import Held, Seats, Timeline, as_consumption, timeline
from rollbook.metering.calendar import windows
from rollbook.model.money import Money, total
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window

Ask = Callable[[str], Sequence[tuple[object, ...]]]
"""Answers SQL over the relations of a metered subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was used and what it costs.

    organisations  all that belong to it, whether or not they have facts
    windows        all of the term
    as_of_us       nothing at or after this instant is known
    consumption    of each pool in each window that has begun
    seats          of each such window, where the allowance is of what is held; else none
    charges        of each such window, what is due and what will be
    timeline       of seats, everything that happened to them
    """

    subscription: Subscription
    organisations: tuple[str, ...]
    windows: tuple[Window, ...]
    as_of_us: int
    consumption: tuple[Consumption, ...]
    seats: tuple[Seats, ...]
    charges: tuple[Charge, ...]
    timeline: Timeline | None = field(default=None, repr=False, compare=False)

    @property
    def currency(self) -> str:
        """Of all charges; '' where nothing has a price."""
        return self.subscription.currency_until(self.as_of_us)

    def of(self, window: int) -> tuple[Consumption, ...]:
        """What each pool used in one window."""
        return tuple(used for used in self.consumption if used.window.number == window)

    def compared(self, used: Consumption) -> tuple[int, int]:
        """(units used, units included) as thresholds compare them: of the term so far where it shares one pool."""
        if not used.per_term:
            return used.active, used.allowance
        so_far = [it for it in self.consumption if it.pool == used.pool and it.window.number <= used.window.number]
        return sum(it.active for it in so_far), sum(it.granted for it in so_far)

    def charges_of(self, window: int) -> tuple[Charge, ...]:
        """What one window costs."""
        return tuple(charge for charge in self.charges if charge.window == window)

    def total(self, window: int | None = None) -> Money | None:
        """What one window costs, or all of them; None where a price is not known."""
        return total((it.amount for it in self.charges if window in (None, it.window)), self.currency)


def account(subscription: Subscription, organisations: Sequence[str], as_of_us: int, ask: Ask) -> Account:
    """The account of a metered subscription."""
    term = windows(subscription)
    used_seats: tuple[Seats, ...] = ()
    there: Timeline | None = None
    if subscription.plan.allowance.per == "held":
        there = timeline(subscription, term, cast("Sequence[Held]", ask(HELD_SQL)), as_of_us)
        used_seats = there.seats(subscription, term)
        used = tuple(as_consumption(subscription, it) for it in used_seats)
    else:
        rows = ask(tallies_sql(cuts(subscription, term, organisations, as_of_us)))
        tallies = (Tally(*row) for row in rows)  # type: ignore[arg-type]
        used = consumption(subscription, term, tallies, organisations, as_of_us)
    return Account(
        subscription=subscription,
        organisations=tuple(organisations),
        windows=term,
        as_of_us=as_of_us,
        consumption=used,
        seats=used_seats,
        charges=charges(subscription, used),
        timeline=there,
    )


def beyond(found: Account, ask: Ask) -> list[tuple[int, str, str, str]]:
    """(window, organisation, unit, object) of everyone beyond the allowance, in order, the same every time.

    For what is held the organisation is '' where a unit is one in all of them, see `seats.UnitKey`.
    """
    if found.seats:
        return [(used.window.number, *key) for used in found.seats for key in used.beyond]
    by_organisation = found.subscription.plan.allowance.pool_scope == "organisation"
    rows = ask(
        f"""select window_number, organisation, unit, object
            from ({beyond_sql(found.consumption, by_organisation=by_organisation)}) as beyond"""
    )
    return [(int(str(window)), str(name), str(unit), str(object_)) for window, name, unit, object_ in rows]
