"""Random rates, allowances and seats that are hard on purpose: few instants, few units, so that things coincide often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import accumulate

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollbook.accounting.consumption import Consumption, Tally, consumption, cuts
from rollbook.accounting.seats import Held
from rollbook.metering.calendar import windows
from rollbook.metering.outcome import CLASSES
from rollbook.model.allowance import Allowance
from rollbook.model.instants import DAY_US, LATEST_US
from rollbook.model.plan import WindowRule
from rollbook.model.subscription import Approval, Change, Quantity, Subscription
from rollbook.model.tariff import Rate, Tariff, Tier
from tests.accounting.made import plan
from tests.accounting.naive import Use
from tests.metering.written import us

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))

ORGANISATIONS = ("north", "süd")
TERM = date(2026, 1, 1), date(2026, 5, 1)
STARTS = [us(f"2026-0{month}-01T00:00Z") for month in range(1, 6)]
MIDDLES = [start + 10 * DAY_US for start in STARTS[:-1]]
INSTANTS = sorted({*MIDDLES, *STARTS[:-1], *(start - 1 for start in STARTS[1:]), *(middle + 1 for middle in MIDDLES)})
"""Where windows begin and end, and two neighbours inside each: four months, so that things coincide often."""

AS_OF = st.sampled_from((LATEST_US, LATEST_US, *STARTS[1:], *MIDDLES))


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    """Every shape, with rates that rise or fall."""
    shape = draw(st.sampled_from(("flat", "volume", "graduated", "package")))
    amount = st.decimals(0, 100, places=draw(st.sampled_from((0, 2, 12))))
    if shape in ("flat", "package"):
        return Rate(
            shape=shape, tiers=(Tier(1, draw(amount)),), size=draw(st.integers(1, 7)) if shape == "package" else 1
        )
    firsts = [1, *sorted(draw(st.sets(st.integers(2, 30), max_size=3)))]
    fee = st.one_of(st.just(Decimal(0)), amount)
    tier_by = draw(st.sampled_from(("charged", "active", "nominated"))) if shape == "volume" else "charged"
    return Rate(shape=shape, tiers=tuple(Tier(first, draw(amount), draw(fee)) for first in firsts), tier_by=tier_by)


@dataclass(frozen=True)
class Story:
    """A subscription and what happened."""

    to: Subscription
    uses: tuple[Use, ...]
    as_of_us: int

    @property
    def tallies(self) -> list[Tally]:
        """As metering would count them: by window, organisation, segment and class."""
        between = cuts(self.to, windows(self.to), ORGANISATIONS, self.as_of_us)
        found: Counter[tuple[int, str, int, str, bool]] = Counter()
        for use in (it for it in self.uses if it.at_us < self.as_of_us):
            [window] = [it.number for it in windows(self.to) if it.contains(use.at_us)]
            segment = sum(use.at_us >= cut for cut in between.get(window, ()))
            found[window, use.organisation, segment, CLASSES[use.at_us // DAY_US % len(CLASSES)], False] += 1
        return [Tally(*key, units) for key, units in found.items()]

    def consumption(self, tallies: list[Tally] | None = None) -> tuple[Consumption, ...]:
        given = self.tallies if tallies is None else tallies
        return consumption(self.to, windows(self.to), given, ORGANISATIONS, self.as_of_us)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff | None:
    if draw(st.integers(0, 4)) == 0:
        return None
    return Tariff(
        currency=draw(st.sampled_from(("EUR", "JPY", "BHD"))),
        base=draw(st.one_of(st.none(), rates())),
        base_timing=draw(st.sampled_from(("advance", "arrears"))),
        base_every=draw(st.sampled_from(("allowance", "window", "term"))),
        overage=draw(rates()),
    )


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Four months of some allowance."""
    per = draw(st.sampled_from(("window", "term", "term")))
    scope, each = draw(st.sampled_from((("customer", False), ("customer", True), ("organisation", True))))
    rollover = draw(st.sampled_from((0, 1, 2, 600))) if per == "window" else 0
    own = Allowance(
        quantity=draw(st.sampled_from((0, 0, 0, 1, 3))),
        per=per,
        pool_scope=scope,
        per_organisation=each,
        rollover_windows=rollover,
    )
    tariff = draw(tariffs())
    quantities = []
    for pool in ORGANISATIONS if scope == "organisation" else ("",):
        at = sorted(draw(st.sets(st.sampled_from(draw(st.sampled_from((INSTANTS, MIDDLES)))), max_size=3)))
        units = [draw(st.integers(0, 5)) for _ in at]
        units = [*accumulate(number // 2 for number in units)] if per == "term" else units
        quantities += [Quantity(from_us, number, pool) for from_us, number in zip(at, units, strict=True)]
    changes = tuple(
        Change(at_us, plan(replace(own, quantity=draw(st.integers(0, 6))), tariff))
        for at_us in sorted(draw(st.sets(st.sampled_from(INSTANTS[1:]), max_size=1)))
    )
    to = Subscription(
        plan=plan(own, tariff), start=TERM[0], end=TERM[1], quantities=tuple(sorted(quantities)), changes=changes
    )
    use = st.builds(
        Use, st.sampled_from(draw(st.sampled_from((INSTANTS, INSTANTS[:6])))), st.sampled_from(ORGANISATIONS)
    )
    return Story(to, tuple(draw(st.lists(use, min_size=draw(st.sampled_from((0, 15))), max_size=30))), draw(AS_OF))


@dataclass(frozen=True)
class Sitting:
    """A subscription and who held a seat."""

    to: Subscription
    spans: tuple[Held, ...]
    as_of_us: int


@st.composite
def sittings(draw: st.DrawFn) -> Sitting:
    """Few units, few instants: seats change hands where windows begin, and at once. Spans of one unit never touch."""
    basis = draw(st.sampled_from(("peak", "end", "ever")))
    approval = draw(st.booleans())
    allowance = Allowance(per="held", quantity=draw(st.integers(0, 2)), basis=basis, reuse_requires_approval=approval)
    at = st.sampled_from(INSTANTS)
    quantities = tuple(Quantity(from_us, draw(st.integers(0, 3))) for from_us in sorted(draw(st.sets(at, max_size=3))))
    approvals = tuple(
        Approval(from_us, draw(st.integers(1, 2)))
        for from_us in (sorted(draw(st.sets(at, max_size=2))) if approval else ())
    )
    to = Subscription(
        plan=plan(allowance, rule=WindowRule(kind=draw(st.sampled_from(("calendar-month", "term"))))),
        start=TERM[0],
        end=TERM[1],
        quantities=quantities,
        approvals=approvals,
    )
    spans = []
    for unit in ("ana", "bo", "cy", "zoë")[: draw(st.integers(1, 4))]:
        instants = sorted(draw(st.sets(st.sampled_from([STARTS[0] - DAY_US, *INSTANTS]), max_size=6)))
        while instants:
            on_us = instants.pop(0)
            off_us: int | None = on_us
            if on_us < STARTS[0] or draw(st.integers(0, 3)):
                off_us = instants.pop(0) if instants else None
            source, id_ = draw(st.sampled_from(("a", "é"))), f"{draw(st.integers(0, 9))} {unit} {on_us}"
            spans.append(Held(on_us, source, id_, "north", unit, "", off_us))
    overlapping = [it for it in spans if it.off_us is None or it.off_us > STARTS[0] or it.on_us >= STARTS[0]]
    return Sitting(to, tuple(draw(st.permutations(overlapping))), draw(AS_OF))


def rare(strategy: st.SearchStrategy[object], hard: dict[str, Callable[..., bool]]) -> dict[str, int]:
    """The hard cases that fewer than one in fifty examples show."""
    seen: Counter[str] = Counter()

    @settings(relaxed, max_examples=300, derandomize=True, database=None, phases=[Phase.generate])
    @given(strategy)
    def look(example: object) -> None:
        seen["all"] += 1
        seen.update(name for name, holds in hard.items() if holds(example))

    look()
    return {name: seen[name] for name in hard if seen[name] < seen["all"] / 50}
