"""What accounting asks of metered activations and holdings, as SQL over the relations that `engines` provides.

Answers are small: numbers by class, ranks of those beyond the allowance. Who is beyond follows from one order, the
first instant, then source and id of the proving fact, the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from rollbook.accounting.consumption import Consumption
from rollbook.metering.steps import quoted

IN_ORDER = "first_us, source, id, organisation, unit, object"
"""Who comes first within a window: nobody shares a rank."""

HELD_SQL = """
    select on_us, on_source, on_id, organisation, unit, object, off_us from held
"""
"""The rows of `seats.Held`."""


class Tallies(str):
    """The SQL that counts activations for `consumption.Tally`, with the cuts that it was asked for.

    An engine that keeps such counts as activations change answers from them, and need not read the SQL.
    """

    __slots__ = ("cuts",)

    cuts: Mapping[int, tuple[int, ...]]

    def __new__(cls, sql: str, cuts: Mapping[int, tuple[int, ...]]) -> Self:
        """The question, about these cuts by window."""
        made = super().__new__(cls, sql)
        made.cuts = cuts
        return made


def tallies_sql(cuts: Mapping[int, tuple[int, ...]]) -> Tallies:
    """The rows of `consumption.Tally`: window, organisation, segment, class, guest, units."""
    columns = "window_number, organisation, segment, class, guest"
    counted = f"group by {columns} order by {columns}"
    placed = "select window_number, organisation, 0 as segment, class, guest from activations"
    rows = [f"select {number} as number, {cut} as at_us" for number, instants in cuts.items() for cut in instants]
    if rows:
        # Cuts and units in one order, a cut before the units of its instant: a unit's segment is how many came before.
        placed = f"""
            select window_number, organisation, segment, class, guest
            from (select every.*, cast(sum(cut) over (
                             partition by window_number order by first_us, cut desc
                             rows between unbounded preceding and current row) as bigint) as segment
                  from (select window_number, organisation, class, guest, first_us, 0 as cut from activations
                        union all
                        select number, '', '', false, at_us, 1 from ({" union all ".join(rows)}) as cuts) as every
                 ) as placed_cuts
            where cut = 0
            """
    return Tallies(f"select {columns}, count(*) as units from ({placed}) as placed {counted}", cuts)


def ranked_sql(pooled: str) -> str:
    """Every activation with its rank within window and pool. `pooled` is the SQL of the pool's name."""
    return f"""
        select activations.*, row_number() over (partition by window_number, {pooled} order by {IN_ORDER}) as rank
        from activations
        """


def beyond_sql(used: Iterable[Consumption], *, by_organisation: bool) -> str:
    """The activations that are beyond the allowance, in order."""
    ranges = [
        f"(window_number = {it.window.number} and rank between {first} and {last}"
        + (f" and organisation = {quoted(it.pool)}" if by_organisation else "")
        + ")"
        for it in used
        for first, last in it.beyond
    ]
    return f"""
        select * from ({ranked_sql("organisation" if by_organisation else "''")}) as ranked
        where {" or ".join(ranges) or "false"}
        order by window_number, {IN_ORDER}
        """
