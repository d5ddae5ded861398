"""What accounting asks of metered activations and holdings, as SQL over the relations that `engines` provides.

Answers are small: numbers by class, ranks of those beyond the allowance. Who is beyond follows from one order, the
first instant, then source and id of the proving fact, the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollbook.accounting.consumption import Consumption
from rollbook.metering.steps import quoted

IN_ORDER = "first_us, source, id, organisation, unit, object"
"""Who comes first within a window: nobody shares a rank."""

HELD_SQL = """
    select on_us, on_source, on_id, organisation, unit, object, off_us from held
"""
"""The columns of `seats.Held`, the key as three."""


def tallies_sql(cuts: Mapping[int, tuple[int, ...]]) -> str:
    """The rows of `consumption.Tally`: window, organisation, segment, class, guest, units."""
    rows = ", ".join(f"({number}, {cut})" for number, instants in cuts.items() for cut in instants)
    if not rows:
        return """
            select window_number, organisation, 0 as segment, class, guest, count(*)
            from activations group by all order by all
            """
    # Cuts and units in one order, a cut before the units of its instant: a unit's segment is how many came before it.
    return f"""
        select window_number, organisation, segment, class, guest, count(*)
        from (select *, sum(cut) over (partition by window_number order by first_us, cut desc
                                       rows between unbounded preceding and current row)::bigint as segment
              from (select window_number, organisation, class, guest, first_us, 0 as cut from activations
                    union all
                    select number, '', '', false, at_us, 1 from (values {rows}) as cuts(number, at_us)) as placed_cuts)
        where cut = 0 group by all order by all
        """


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
        select * from ({ranked_sql("organisation" if by_organisation else "''")})
        where {" or ".join(ranges) or "false"}
        order by window_number, {IN_ORDER}
        """
