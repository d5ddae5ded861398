"""What the same use would have cost with another quantity, or another use with the same quantity.

Quantities are what is bought from the first day of the term on, beyond what the plan itself includes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rollbook.accounting import charges
from rollbook.accounting.account import Account
from rollbook.accounting.consumption import Consumption, Tally, consumption
from rollbook.metering.outcome import NEW
from rollbook.model.money import Money
from rollbook.model.subscription import Quantity, Subscription
from rollbook.model.tariff import Rate, Tariff

EVERY_MAX = 1000
"""Up to this many quantities are all tried; of more, those at which something turns."""


@dataclass(frozen=True, slots=True)
class Cheapest:
    """The quantity that would have cost least: the fewest of those that cost the same."""

    quantity: int
    cost: Money


def with_quantity(subscription: Subscription, units: int) -> Subscription:
    """The subscription as if so many units had been bought from its first day on, and nothing else."""
    return replace(subscription, quantities=(Quantity(subscription.start_us, units),) if units else ())


def used_with(account: Account, units: int) -> tuple[Subscription, tuple[Consumption, ...]]:
    """The same use, as if so many units had been bought. For one pool."""
    bought = with_quantity(account.subscription, units)
    if account.subscription.plan.allowance.per == "held":
        return bought, tuple(with_allowance(used, used.free + units) for used in account.consumption)
    tallies = [Tally(used.window.number, "", 0, NEW, False, used.active) for used in account.consumption]
    used = consumption(bought, account.windows, tallies, account.organisations, account.as_of_us)
    return bought, used


def with_allowance(used: Consumption, allowance: int) -> Consumption:
    """The same use against another allowance of its window."""
    included = min(used.active, allowance)
    return replace(
        used,
        carried=0,
        granted=allowance,
        included=included,
        overage=used.active - included,
        overage_to_date=used.active - included,
        balance=allowance - included,
    )


def with_active(used: Consumption, active: int) -> Consumption:
    """Another number of active units against the same allowance of the window."""
    return with_allowance(
        replace(used, new=active, continuing=0, reactivated=0),
        used.allowance,
    )


def charges_beyond(account: Account) -> bool:
    """Whether what goes beyond the allowance has a price; where not, only a quantity that fits can be compared."""
    return account.subscription.plan.limit.policy == "bill"


def cost(subscription: Subscription, used: Iterable[Consumption]) -> Money | None:
    """What that costs; None where a rate is not known."""
    tariff = subscription.tariff_at(subscription.start_us)
    return charges.cost(subscription, used, tariff.currency if tariff else "")


def fits(account: Account) -> int:
    """The fewest units to have bought so that nothing would have gone beyond the allowance. For one pool."""
    allowance = account.subscription.plan.allowance
    if not account.consumption:
        return 0
    if allowance.per == "term":
        free = max(used.free for used in account.consumption)
        return max(sum(used.active for used in account.consumption) - free, 0)
    most = max(max(used.active - used.free, 0) for used in account.consumption)
    if not allowance.rollover_windows:
        return most
    return _least(most, lambda units: not any(used.overage for used in used_with(account, units)[1]))


def _least(high: int, holds: Callable[[int], bool]) -> int:
    """The least number up to `high` for which something holds that holds for all above it."""
    low = 0
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def cheapest(account: Account, every_max: int = EVERY_MAX) -> Cheapest | None:
    """The quantity that would have cost least; None where a rate is missing. For one pool.

    Where overage is not charged, only quantities that fit are compared: otherwise nothing would always be best.
    """
    tariff = account.subscription.tariff_at(account.subscription.start_us)
    if tariff is None or tariff.base is None:
        return None
    enough = fits(account)
    least = 0 if charges_beyond(account) else enough
    found: Cheapest | None = None
    for units in _quantities(account, tariff, enough, every_max):
        if units < least:
            continue
        price = cost(*used_with(account, units))
        if price and (found is None or price.amount < found.cost.amount):
            found = Cheapest(units, price)
    return found


def _quantities(account: Account, tariff: Tariff, enough: int, every_max: int) -> Iterable[int]:
    """All quantities worth trying, rising. Beyond `enough` only a cheaper tier could help."""
    base = tariff.base
    tiers = [tier.first for tier in base.tiers] if base else []
    largest = max([enough, tariff.floor, *tiers])
    if largest <= every_max:
        return range(largest + 1)
    uses = {0}
    sums = 0
    for used in account.consumption:
        sums += used.active
        uses.update((used.active - used.free, sums - used.free))
    points = {0, enough, tariff.floor, *uses, *_beyond_turns(tariff.overage, uses)}
    points.update(_bought_turns(tariff.base, points))
    return sorted({near for point in points for near in (point - 1, point, point + 1) if 0 <= near <= largest})


def _beyond_turns(rate: Rate | None, uses: Iterable[int]) -> Iterator[int]:
    """Quantities at which the price of what goes beyond them turns: so many units below each use."""
    if rate is None:
        return
    for use in uses:
        yield from (use - tier.first for tier in rate.tiers)
        if rate.tier_by == "nominated":
            yield from (tier.first for tier in rate.tiers)
        if rate.shape == "package":
            # Whole packages below one use, on either side of every other.
            for other in uses:
                whole = use - (use - other) // rate.size * rate.size
                yield from (whole - rate.size, whole)


def _bought_turns(rate: Rate | None, points: Iterable[int]) -> list[int]:
    """Quantities at which the price of what is bought turns."""
    if rate is None:
        return []
    if rate.shape == "package":
        return [point // rate.size * rate.size + more for point in points for more in (0, rate.size)]
    return [tier.first for tier in rate.tiers]


def steady(account: Account, active: int) -> Money | None:
    """What the whole term would cost with so many active in every window.

    The quantity is what was bought; where overage is not charged, the fewest that fit. Of what is held, the same
    units hold throughout. For one pool.
    """
    subscription = account.subscription
    if not charges_beyond(account):
        windows = len(account.windows) if subscription.plan.allowance.per == "term" else 1
        subscription = with_quantity(subscription, max(active * windows - _free(account), 0))
    return cost(subscription, _steady(account, subscription, active))


def _free(account: Account) -> int:
    """What the plan itself includes: in a window, in the term, or seats. For one pool."""
    allowance = account.subscription.plan.allowance
    return allowance.quantity * (len(account.organisations) if allowance.per_organisation else 1)


def _steady(account: Account, subscription: Subscription, active: int) -> Iterator[Consumption]:
    free = _free(account)
    per_term = subscription.plan.allowance.per == "term"
    left = free + subscription.bought(subscription.end_us - 1)
    for window in account.windows:
        allowance = left if per_term else free + subscription.bought(window.end_us - 1)
        included = min(active, allowance)
        left -= included
        yield Consumption(
            window=window,
            new=active,
            free=free,
            per_term=per_term,
            granted=allowance,
            included=included,
            overage=active - included,
            overage_to_date=active - included,
            balance=allowance - included,
        )


def turning_points(account: Account, most: int) -> Sequence[int]:
    """Numbers of active units per window, from 0 to `most`, between which the cost is a straight line."""
    subscription = account.subscription
    tariff = subscription.tariff_at(subscription.start_us)
    allowance = subscription.plan.allowance
    free = _free(account)
    # Where overage is not charged the quantity follows the use, and what was bought turns nothing.
    included = free + (subscription.bought(subscription.end_us - 1) if charges_beyond(account) else 0)
    # The allowance of a term runs out in one window or another, the later the fewer are active.
    shares = range(1, len(account.windows) + 1) if allowance.per == "term" else (1,)
    points = {0, most, *((included + more) // share for share in shares for more in (0, free - included))}
    for rate in (tariff.base, tariff.overage) if tariff else ():
        steps: Iterable[int] = (tier.first for tier in rate.tiers) if rate else ()
        if rate and rate.shape == "package":
            steps = range(0, most * len(shares) + 1, rate.size)
        points.update(
            point
            for step in steps
            for point in (step, free + step, *((included + step) // share for share in shares))
            if point <= most
        )
    if tariff:
        points.add(tariff.floor)
    return sorted({near for point in points for near in (point - 1, point, point + 1) if 0 <= near <= most})
