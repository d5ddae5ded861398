"""Reports by window: what was used of what is included (A-25, A-26), and how many were active (D-10, D-16)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal

from rollbook.accounting.account import Account, Ask
from rollbook.accounting.consumption import Consumption
from rollbook.metering.calendar import history
from rollbook.metering.identities import FOREVER_US
from rollbook.model.instants import EARLIEST_US
from rollbook.model.window import Window
from rollbook.reports.columns import PERCENT, POOL, WINDOW, YES, Column, pooled, told_apart_by

COLUMNS = {
    **WINDOW,
    **POOL,
    "active": Column("units that were active; of seats, those that are compared with the quantity"),
    "used": Column("units used in the term so far: the sum of its windows; of seats, this window's"),
    "included": Column("units granted so far: of the term, or usable in this window, as the plan has it"),
    "remaining": Column("units left when the window ended; below 0, how many were used beyond what is included"),
    "people": Column("different learners active in the term so far, without guests: not what is charged"),
    "lifetime": Column("units used in this term and in all terms before it; empty for seats"),
    "open": Column("whether the window still runs", YES),
}

ACTIVE_COLUMNS = {
    **WINDOW,
    **POOL,
    "active": Column("units that were active; of seats, whoever held one at any time"),
    "new": Column("of these, never active in an earlier window"),
    "continuing": Column("of these, active in the window before; for a state: held when this window began"),
    "reactivated": Column("of these, active earlier, but not in the window before"),
    "allowance": Column("units usable in this window"),
    "percent": Column("what is compared with the allowance, of it; empty where nothing is included", PERCENT),
    "reached": Column("the highest threshold of the plan that was reached, in percent; empty below the first"),
    "overage": Column("units beyond the allowance"),
    "open": Column("whether the window still runs", YES),
}


def rows(found: Account, ask: Ask) -> list[tuple[object, ...]]:
    """One row a window and pool, with running sums."""
    held = bool(found.seats)
    people = _people(found, ask)
    before = {} if held else _before(found, ask)
    used: Counter[str] = Counter()
    granted: Counter[str] = Counter()
    met: Counter[str] = Counter()
    table: list[tuple[object, ...]] = []
    for it in found.consumption:
        used[it.pool] += it.active
        granted[it.pool] += it.granted
        met[it.pool] += people[it.window.number, it.pool]
        table.append(
            (
                *(it.window.number, it.window.start, it.window.end, it.pool, it.active),
                it.active if held else used[it.pool],
                granted[it.pool] if it.per_term else it.allowance,
                it.available,
                met[it.pool],
                None if held else before.get(it.pool, 0) + used[it.pool],
                it.is_open,
            )
        )
    return table


def active_rows(found: Account, ask: Ask) -> list[tuple[object, ...]]:
    """One row a window and pool. Classes and numbers are of people: for seats, whoever held one at any time."""
    by_class = _by_class(found, ask)
    return [
        (
            *(it.window.number, it.window.start, it.window.end, it.pool),
            sum(by_class[it.window.number, it.pool, class_] for class_ in ("new", "continuing", "reactivated")),
            *(by_class[it.window.number, it.pool, class_] for class_ in ("new", "continuing", "reactivated")),
            it.allowance,
            percent(it.active, it.allowance),
            _reached(found, it),
            it.overage,
            it.is_open,
        )
        for it in found.consumption
    ]


def percent(part: int, whole: int) -> float | None:
    """`part` of `whole` in percent, to one decimal, half up; None of nothing."""
    if not whole:
        return None
    return float((Decimal(part) * 100 / whole).quantize(Decimal("0.1"), ROUND_HALF_UP))


def _reached(found: Account, used: Consumption) -> int | None:
    thresholds = found.subscription.plan_at(used.window.start_us).limit.thresholds
    return max((it for it in thresholds if used.allowance and used.active * 100 >= it * used.allowance), default=None)


def _by_class(found: Account, ask: Ask) -> Counter[tuple[int, str, str]]:
    sql = f"select window_number, {pooled(found)}, class, count(*) from activations group by all"
    return Counter({(number, pool, class_): units for number, pool, class_, units in ask(sql)})  # type: ignore[misc]


def _people(found: Account, ask: Ask) -> Counter[tuple[int, str]]:
    """How many learners each window met for the first time in the term."""
    person = ", ".join(column for column in told_apart_by(found) if column != "object")
    sql = f"""
        select first_window, pool, count(*)
        from (select {pooled(found)} as pool, {person}, min(window_number) as first_window
              from activations where not guest group by all)
        group by all
        """
    return Counter({(number, pool): learners for number, pool, learners in ask(sql)})  # type: ignore[misc]


def _before(found: Account, ask: Ask) -> dict[str, int]:
    """Units that were active in the windows of earlier terms, by pool (A-d)."""
    meter = found.subscription.plan.meter
    if meter.holds:
        return _held_before(found, ask)
    once = "and window_number = first_window" if meter.first_ever else ""
    first = f"min(window_number) over (partition by {', '.join((*_cluster(found), 'cluster'))}) as first_window"
    sql = f"""
        select {pooled(found)}, count(*)
        from (select *, {first} from clustered where window_number < 1) where true {once} group by all
        """
    found_before: Counter[str] = Counter(dict(ask(sql)))  # type: ignore[arg-type]
    if meter.unit == "entry" or meter.guests == "each-entry":
        single = f"select {pooled(found)}, count(*) from placed where single and window_number < 1 group by all"
        found_before.update(dict(ask(single)))  # type: ignore[arg-type]
    return dict(found_before)


def _cluster(found: Account) -> tuple[str, ...]:
    return ("scope", *(("organisation", "object") if found.subscription.plan.meter.unit == "enrolment" else ()))


def _held_before(found: Account, ask: Ask) -> dict[str, int]:
    """The same for a state: its spans in the windows of earlier terms."""
    [(first,)] = ask("select min(on_us) from holdings")
    earlier = history(found.subscription, int(str(first))) if first is not None else ()
    values = ", ".join(_values(earlier)) or f"(0, {FOREVER_US}, {EARLIEST_US})"
    unit = ", ".join(told_apart_by(found))
    sql = f"""
        with windows(number, start_us, end_us) as (values {values})
        select pool, count(*)
        from (select distinct number, {pooled(found)} as pool, {unit}
              from holdings
              join windows on on_us < end_us and (until_us > start_us or on_us >= start_us))
        group by all
        """
    return dict(ask(sql))  # type: ignore[arg-type]


def _values(windows: Iterable[Window]) -> Iterator[str]:
    return (f"({window.number}, {window.start_us}, {window.end_us})" for window in windows)
