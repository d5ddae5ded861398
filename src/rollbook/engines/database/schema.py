"""The tables, as statements for each dialect. Text compares as UTF-8 bytes everywhere.

`fact_key` holds what may never come twice of one owner, and outlives the facts. `fact` is two tables in one: statuses
and corrections are few and needed for ever, deeds are many and needed for their windows only. On PostgreSQL deeds lie
in partitions by year, which are made when the first fact of a year comes.

`activation` finds a unit's windows by one descent of its index, the newest last. No index has `facts`, and the only
one with `first_us` is that of lists of learners (`server.live.called`): so one more fact of somebody active changes a
row in its page and no index (fillfactor leaves the room).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rollbook.model.fact import CORRECTIONS, is_status
from rollbook.model.instants import DAY_US

FACT: Mapping[str, str] = {
    "number": "bigint",
    "source": "text",
    "id": "text",
    "at_us": "bigint",
    "day": "integer",
    "recorded_us": "bigint",
    "organisation": "text",
    "learner": "text",
    "type": "text",
    "role": "text",
    "mode": "text",
    "object": "text",
    "session": "text",
    "actor": "text",
    "impersonator": "text",
    "voids": "text",
    "attributes": "text",
    "status": "boolean",
}
"""The columns of `fact`. `status`: a status or a correction, see `is_kept_for_ever`."""

METERED: Mapping[str, str] = {
    name: kind for name, kind in FACT.items() if name not in ("recorded_us", "actor", "attributes", "status")
}
"""The columns that the query reads."""

ACTIVATION: Mapping[str, str] = {
    "scope": "text",
    "unit": "text",
    "window_number": "integer",
    "part": "text",
    "organisation": "text",
    "object": "text",
    "guest": "boolean",
    "class": "text",
    "first_us": "bigint",
    "source": "text",
    "id": "text",
    "facts": "bigint",
    "cluster": "text",
}
"""Who is active in a window from 1 on. `part` tells rows of one unit apart: organisation and object, or a fact."""

HOLDING: Mapping[str, str] = {
    "scope": "text",
    "unit": "text",
    "on_us": "bigint",
    "organisation": "text",
    "object": "text",
    "cluster": "text",
    "until_us": "bigint",
    "on_source": "text",
    "on_id": "text",
    "off_source": "text",
    "off_id": "text",
}
"""Spans that overlap the term, of plans that hold; `until_us` is `identities.FOREVER_US` while one goes on."""

OPENING: Mapping[str, str] = {
    "scope": "text",
    "cluster": "text",
    "part": "text",
    "organisation": "text",
    "object": "text",
    "first_window": "integer",
    "last_window": "integer",
}
"""Activity before the term, in windows up to 0: what the classes of the term begin with."""

TALLY: Mapping[str, str] = {
    "window_number": "integer",
    "organisation": "text",
    "segment": "integer",
    "class": "text",
    "guest": "boolean",
    "units": "bigint",
}
"""How many activations there are, counted as they come. `segment`: how many cuts lie at or before `first_us`."""

TOUCHED: Mapping[str, str] = {"scope": "text", "learner": "text", "from_us": "bigint", "first_window": "integer"}
"""Learners to meter again from the start of a window; -1 and a window below all: from the beginning."""

GUESTS: Mapping[str, str] = {
    "organisation": "text",
    "object": "text",
    "session": "text",
    "learner": "text",
    "at_us": "bigint",
    "source": "text",
    "id": "text",
}

TEMPORARY: Mapping[str, Mapping[str, str]] = {
    "live_touched": TOUCHED,
    "live_guests": GUESTS,
    "live_facts": METERED,
    "live_new": ACTIVATION,
    "live_old": ACTIVATION,
    "live_holdings": HOLDING,
    "live_holdings_old": HOLDING,
    "live_opening": OPENING,
    "live_opening_old": OPENING,
}
"""What a connection works with. No indexes: emptying one at commit would throw away every plan that was prepared."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "activation": ("scope", "unit", "window_number", "part"),
    "holding": ("scope", "unit", "on_us", "organisation", "object"),
    "opening": ("scope", "cluster", "part"),
    "tally": ("window_number", "organisation", "segment", "class", "guest"),
}
"""What a row is found by, within its subscription."""

LIVE: Mapping[str, Mapping[str, str]] = {
    "activation": ACTIVATION,
    "holding": HOLDING,
    "opening": OPENING,
    "tally": TALLY,
}

FIRST_YEAR = 2015
"""Facts before it lie in one partition."""

_GUEST = "where role = 'guest' and session <> ''"
_VOIDS = "where type = 'fact.voided'"
_LINKS = "where type = 'identity.linked'"


@lru_cache(maxsize=1000)
def is_kept_for_ever(type_: str) -> bool:
    """Whether facts of this type are needed for ever: statuses and corrections. Deeds are, for their windows only."""
    return type_ in CORRECTIONS or is_status(type_)


def columns(table: Mapping[str, str], dialect: str) -> str:
    """The column definitions, as a CREATE TABLE has them."""
    return ", ".join(f"{name} {_type(kind, dialect)}" for name, kind in table.items())


def _type(kind: str, dialect: str) -> str:
    if dialect == "postgresql":
        return 'text collate "C"' if kind == "text" else kind
    return {"bigint": "integer", "boolean": "integer"}.get(kind, kind)


def _required(table: Mapping[str, str], dialect: str) -> str:
    """Nothing is null but when a fact was received."""
    return ", ".join(
        f"{name} {_type(kind, dialect)}" + ("" if name == "recorded_us" else " not null")
        for name, kind in table.items()
    )


def _live(dialect: str) -> list[str]:
    """The tables of what is live."""
    options = {"activation": " with (fillfactor = 80)", "tally": " with (fillfactor = 50)"}
    return [
        f"create table {name} (subscription bigint not null, {_required(table, dialect)}, "
        f"primary key (subscription, {', '.join(KEYS[name])}))"
        + (options.get(name, "") if dialect == "postgresql" else " without rowid")
        for name, table in LIVE.items()
    ]


def statements(dialect: str) -> list[str]:
    """The statements that make all tables; 'postgresql' or 'sqlite'."""
    return _postgresql() if dialect == "postgresql" else _sqlite()


def drop(dialect: str) -> list[str]:
    """The statements that remove them."""
    return [f"drop table {name}" for name in (*LIVE, "fact", "fact_key")] if dialect else []


def _postgresql() -> list[str]:
    until = year_us(FIRST_YEAR)
    return [
        (
            'create table fact_key (owner bigint not null, source text collate "C" not null, '
            'id text collate "C" not null, '
            "number bigint generated always as identity, digest bytea not null, primary key (owner, source, id))"
        ),
        f"create table fact ({_required(FACT, 'postgresql')}) partition by list (status)",
        "create table fact_status partition of fact for values in (true)",
        "create table fact_deed partition of fact for values in (false) partition by range (at_us)",
        f"create table fact_deed_before partition of fact_deed for values from (minvalue) to ({until})",
        "create index fact_learner on fact (organisation, learner, at_us)",
        f"create index fact_guest on fact (organisation, object, session) {_GUEST}",
        "create index fact_number on fact (number)",
        f"create index fact_voids on fact_status (organisation, source, voids) {_VOIDS}",
        f"create index fact_links on fact_status (organisation, learner) {_LINKS}",
        f"create index fact_links_back on fact_status (organisation, object) {_LINKS}",
        *_live("postgresql"),
    ]


def _sqlite() -> list[str]:
    fact = _required({name: kind for name, kind in FACT.items() if name != "number"}, "sqlite")
    return [
        (
            "create table fact_key (number integer primary key, owner integer not null, source text not null, "
            "id text not null, digest blob not null, unique (owner, source, id))"
        ),
        f"create table fact (number integer primary key, {fact})",
        "create index fact_learner on fact (organisation, learner, status, at_us)",
        f"create index fact_guest on fact (organisation, object, session) {_GUEST}",
        f"create index fact_voids on fact (organisation, source, voids) {_VOIDS}",
        f"create index fact_links on fact (organisation, learner) {_LINKS}",
        f"create index fact_links_back on fact (organisation, object) {_LINKS}",
        *_live("sqlite"),
    ]


def year_us(year: int) -> int:
    """The first instant of a UTC year."""
    days = 365 * (year - 1970) + (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400
    return days * DAY_US


def year_of(at_us: int) -> int:
    """The UTC year of an instant, as far as partitions tell years apart."""
    year = 1970 + int(at_us // DAY_US / 365.2425)
    while year_us(year) > at_us:
        year -= 1
    while year_us(year + 1) <= at_us:
        year += 1
    return max(year, FIRST_YEAR - 1)


def partition(year: int) -> list[str]:
    """Makes the partition of a year. Attached, not created in place: that would wait for everybody who reads."""
    name = f"fact_deed_{year}"
    return [
        f"create table {name} (like fact_deed including defaults including constraints)",
        f"alter table fact_deed attach partition {name} for values from ({year_us(year)}) to ({year_us(year + 1)})",
    ]


def temporary(dialect: str) -> list[str]:
    """The statements that make a connection's temporary tables.

    In PostgreSQL their texts are stored plainly, which a table can have from its beginning only where it is made like
    another: it has no TOAST table then, whose index would be built anew for each table at the end of each transaction,
    in half of the time that a commit takes. No fact is as long as a page, see `rollbook.server.models.lengths`.
    """
    made = {name: f"create temporary table {name} ({columns(table, dialect)})" for name, table in TEMPORARY.items()}
    if dialect != "postgresql":
        return list(made.values())
    found = []
    for name, table in TEMPORARY.items():
        plain = ", ".join(f"alter {column} set storage plain" for column, kind in table.items() if kind == "text")
        found += [
            made[name].replace(name, f"{name}_shape", 1),
            f"alter table {name}_shape {plain}",
            f"create temporary table {name} (like {name}_shape including storage) on commit delete rows",
            f"drop table {name}_shape",
        ]
    return found
