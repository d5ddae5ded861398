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
    branches = " ".join(
        f"when window_number = {number} then " + " + ".join(f"(first_us >= {cut})::integer" for cut in instants)
        for number, instants in cuts.items()
    )
    segment = f"case {branches} else 0 end" if branches else "0"
    return f"""
        select window_number, organisation, {segment} as segment, class, guest, count(*)
        from activations group by all order by all
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
