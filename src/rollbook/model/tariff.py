"""What units cost. A tier includes its first unit and ends before the first unit of the next.

Published plans carry only published rates; without a tariff nothing has a price and money stays blank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from rollbook.errors import Problem
from rollbook.model.keys import Keys, parse_toml
from rollbook.model.money import is_currency

SHAPES = ("flat", "volume", "graduated", "package")
"""One rate; all units at the rate of the tier reached; each unit at the rate of its own tier; whole packages."""

TIER_BY = ("charged", "active", "nominated")
"""Which number chooses the tier: the units of the line itself, all that were active, or what was bought (W-39)."""

TIMINGS = ("advance", "arrears")
"""Due at the start of what it is for, or at its end."""

EVERIES = ("allowance", "window", "term")
"""Whether a base rate is the price of a unit for a window, for the whole term, or for what the allowance is of."""

CHARGED = ("committed", "used")
"""Whether the base is charged for what was bought, used or not (W-43), or only for what was used of it."""


@dataclass(frozen=True, slots=True)
class Tier:
    """From the unit `first` on: `rate` a unit, and `flat` once for the tier itself."""

    first: int
    rate: Decimal
    flat: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A price for a number of units.

    shape    see `SHAPES`; a flat rate is one tier
    tiers    rising, from the unit 1
    size     units in a package; any begun package is paid
    tier_by  see `TIER_BY`
    """

    shape: str
    tiers: tuple[Tier, ...]
    size: int = 1
    tier_by: str = "charged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a plan costs.

    currency      ISO 4217
    floor         units that are charged in each window at least
    base          the price of what was bought; None where that is free, or has been paid elsewhere
    base_timing, base_every, base_charged    see `TIMINGS`, `EVERIES`, `CHARGED`
    overage       the price of each unit beyond the allowance, due at the end of its window
    """

    currency: str
    floor: int = 0
    base: Rate | None = None
    base_timing: str = "advance"
    base_every: str = "allowance"
    base_charged: str = "committed"
    overage: Rate | None = None


def read_tariff(keys: Keys) -> Tariff | None:
    """The table [tariff]; None where it is not valid, with the reasons reported."""
    currency = keys.text("currency")
    if currency and not is_currency(currency):
        keys.report("currency", f'"{currency}" is not a currency of ISO 4217', "give three letters, such as EUR")
    floor = keys.integer("floor", 0)
    base_keys, overage_keys = keys.table("base"), keys.table("overage")
    timing, every, charged = "advance", "allowance", "committed"
    base = overage = None
    if base_keys:
        timing = base_keys.choice("timing", TIMINGS, "advance")
        every = base_keys.choice("every", EVERIES, "allowance")
        charged = base_keys.choice("charged", CHARGED, "committed")
        base = _read_rate(base_keys)
        if charged == "used" and (every == "term" or timing == "advance"):
            base_keys.report("charged", "what was used is known at a window's end only", _ARREARS)
    if overage_keys:
        overage = _read_rate(overage_keys)
    if base is None and overage is None:
        keys.report("", "nothing has a rate", "give [tariff.base], [tariff.overage] or both")
    if base and base.tier_by == "active" and charged == "committed":
        keys.report("base.tier_by", "what is bought does not depend on who is active", _BOUGHT)
    if floor and base and charged == "committed":
        keys.report("floor", "what is bought is charged in any case", 'leave floor out, or set charged = "used"')
    keys.close()
    if not is_currency(currency):
        return None
    return Tariff(
        currency=currency,
        floor=floor,
        base=base,
        base_timing=timing,
        base_every=every,
        base_charged=charged,
        overage=overage,
    )


def report_misfits(keys: Keys, tariff: Tariff, per: str, rollover_windows: int) -> None:
    """What [tariff] may not say beside an allowance: that of windows which have no quantity of their own."""
    if tariff.floor and per != "window":
        keys.report("floor", f'floor does not go with per = "{per}": it is about each window', "leave floor out")
    if tariff.base_charged == "used" and (per != "window" or rollover_windows):
        rule = "a part of what was bought may be used in another window than it was bought for"
        keys.report("base.charged", rule, 'set charged = "committed", or per = "window" without rollover_windows')


_ARREARS = 'set timing = "arrears" and leave every out, or charged = "committed"'


_BOUGHT = 'set tier_by = "nominated" or leave it out, or charged = "used"'


def parse_tariff(text: str, name: str, raising: Callable[[list[Problem]], Exception]) -> Tariff:
    """The tariff in a file of its own (`--rates FILE`): one table [tariff]. Raises what `raising` makes of problems."""
    problems: list[Problem] = []
    keys = Keys(parse_toml(text, name, problems), name, "", problems)
    table = keys.table("tariff")
    keys.close()
    tariff = read_tariff(table) if table else None
    if table is None and not problems:
        keys.report("tariff", "the table [tariff] is missing", "give currency, and base or overage")
    if problems or tariff is None:
        raise raising(problems)
    return tariff


def _read_rate(keys: Keys) -> Rate:
    """A table [tariff.base] or [tariff.overage], but for the keys that were read already."""
    shape = keys.choice("shape", SHAPES, "flat")
    tiered = shape in ("volume", "graduated")
    if tiered:
        tiers = tuple(_read_tier(item) for item in keys.tables("tiers"))
        if not tiers:
            keys.report("tiers", f'shape = "{shape}" needs tiers', "write tiers = [{ first = 1, rate = 4.50 }, …]")
        elif tiers[0].first != 1 or any(one.first >= other.first for one, other in pairwise(tiers)):
            keys.report("tiers", "tiers begin at first = 1 and rise", "put them in order, each first once")
    else:
        tiers = (Tier(1, keys.decimal("rate")),)
    size = keys.integer("size", least=1) if shape == "package" else 1
    rate = Rate(shape=shape, tiers=tiers, size=size, tier_by=keys.choice("tier_by", TIER_BY, "charged"))
    if rate.tier_by != "charged" and shape != "volume":
        keys.report("tier_by", f'with shape = "{shape}" the units of the line choose', "leave tier_by out")
    keys.close()
    return rate


def _read_tier(keys: Keys) -> Tier:
    tier = Tier(keys.integer("first", least=1), keys.decimal("rate"), keys.decimal("flat", Decimal(0)))
    keys.close()
    return tier
