"""Guests: how many entries were theirs, and what they would have cost with accounts (F-27, F-28).

Nobody can tell who a guest is, so the saving lies between two bounds. At most, as many people entered as there are
connections: over one connection (`session`) comes one person, and an entry that names none may be anybody's. At
least, it was one person in each organisation. Money is the difference between two accounts of the same term.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from rollbook.accounting.account import Account, Ask
from rollbook.accounting.charges import charges
from rollbook.accounting.consumption import Tally, consumption, cuts
from rollbook.accounting.questions import tallies_sql
from rollbook.model.money import Money, total
from rollbook.reports.columns import AMOUNT, BOUNDS, INSTANT, PERCENT, POOL, TEXT, WINDOW, Column, instant
from rollbook.reports.people import standing_sql
from rollbook.reports.usage import percent

COLUMNS = {
    **WINDOW,
    **POOL,
    "active": Column("units that were active"),
    "guests": Column("of these, entries of guests"),
    "share": Column("guests, of those active", PERCENT),
    "people_at_least": Column("if one person in each organisation made all its entries"),
    "people_at_most": Column("if each connection, and each entry that names none, were somebody else"),
    "saved_at_least": Column("units that would not have counted, had these people had accounts"),
    "saved_at_most": Column("the same, if they were as few as possible; more where they count with an account already"),
    "amount_at_least": Column("what that would have saved; empty where a price is not known", AMOUNT),
    "amount_at_most": Column("the same, if they were as few as possible", AMOUNT),
    "currency": Column("of the amounts, ISO 4217", TEXT),
}

ENTRIES = {
    **WINDOW,
    "organisation": Column("in which they entered", TEXT),
    "entry": Column("id of the fact", TEXT),
    "source": Column("of the fact", TEXT),
    "at": Column("when they entered", INSTANT),
    "object": Column("what they entered", TEXT),
    "connection": Column("over which they came; empty where the fact names none", TEXT),
    "standing": Column("included, or extra: beyond the allowance", TEXT),
}

_ENTERED = """
    activations join facts on facts.source = activations.source and facts.id = activations.id
    """

_People = Counter[tuple[int, str]]
"""How many, by window and organisation."""


def rows(found: Account, ask: Ask) -> list[tuple[object, ...]]:
    """One row a window and pool."""
    if found.seats:
        return []
    entries, most = _People(), _People()
    sql = f"""
        select window_number, activations.organisation, count(*),
               count(distinct session) filter (session <> '') + count(*) filter (session = '')
        from {_ENTERED} where guest group by all
        """
    for number, organisation, counted, people in ask(sql):
        entries[int(str(number)), str(organisation)] = int(str(counted))
        most[int(str(number)), str(organisation)] = int(str(people))
    least = _People(dict.fromkeys(entries, 1))
    shared = found.subscription.plan.allowance.pool_scope == "customer"
    dearer, cheaper = (_saved(found, ask, entries - people) for people in (most, least))
    table: list[tuple[object, ...]] = []
    for it in found.consumption:
        window = it.window

        def of(counts: _People, number: int = window.number, pool: str = it.pool) -> int:
            return sum(n for (at, name), n in counts.items() if at == number and (shared or name == pool))

        table.append(
            (
                *(window.number, window.start, window.end, it.pool, it.active, it.guests),
                percent(it.guests, it.active),
                *(of(least), of(most), it.guests - of(most), it.guests - of(least)),
                *(money[window.number, it.pool] for money in (dearer, cheaper)),
                found.currency,
            )
        )
    return table


def _saved(found: Account, ask: Ask, fewer: _People) -> dict[tuple[int, str], object]:
    """The amounts by which windows would be cheaper with so many guest entries fewer; None where unknown."""
    subscription, organisations = found.subscription, found.organisations
    tallies = [
        Tally(*row)  # type: ignore[arg-type]
        for row in ask(tallies_sql(cuts(subscription, found.windows, organisations, found.as_of_us)))
    ]
    # Those who came last are left out first: the first entry of a person counts, and those after it would not.
    left = _People(fewer)
    kept = []
    for tally in sorted(tallies, key=lambda it: it.segment, reverse=True):
        out = min(tally.units, left[tally.window, tally.organisation]) if tally.guest else 0
        left[tally.window, tally.organisation] -= out
        kept.append(replace(tally, units=tally.units - out))
    used = consumption(subscription, found.windows, kept, organisations, found.as_of_us)
    without = charges(subscription, used)

    def cost(priced: object, number: int, pool: str) -> Money | None:
        amounts = (it.amount for it in priced if (it.window, it.pool) == (number, pool))  # type: ignore[attr-defined]
        return total(amounts, found.currency)

    saved: dict[tuple[int, str], object] = {}
    for it in found.consumption:
        key = (it.window.number, it.pool)
        now, then = cost(found.charges, *key), cost(without, *key)
        saved[key] = (now - then).amount if now and then else None
    return saved


def entries_sql(found: Account, ask: Ask) -> str:
    """Every entry of a guest that counted, in the order in which the allowance is used."""
    return f"""
        select {BOUNDS}, activations.organisation, activations.id as entry, activations.source,
               {instant("first_us")} as at, facts.object, session as connection,
               case when extra then 'extra' else 'included' end as standing
        from ({standing_sql(found, ask)}) as {_ENTERED}
        join windows on windows.window_number = activations.window_number
        where guest
        order by windows.window_number, first_us, activations.source, activations.id
        """
