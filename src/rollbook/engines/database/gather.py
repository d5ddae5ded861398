"""Gathers the facts of who was touched, and runs the query over them.

What is found lies in `live_new`, `live_holdings` and `live_opening` then, and beside each what was there (`…_old`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from rollbook.engines.database import difference, schema, sql
from rollbook.engines.database.dialects import Database, Dialect, Parameter, Row
from rollbook.engines.database.subscriptions import BEFORE_ALL, BEGINNING_US, LiveSubscription
from rollbook.engines.database.touch import Touched, corrections, organisations, with_linked
from rollbook.metering import inputs, query
from rollbook.metering.identities import accept
from rollbook.metering.query_spans import IN_TERM, span_activations
from rollbook.metering.steps import Step, quoted_list
from rollbook.model.fact import LINKED, VOIDED, Fact, is_status
from rollbook.model.plan import Meter

GIVEN_ROWS = 50_000
"""Archived facts that are given to the database at once."""

WORKING = tuple(schema.TEMPORARY)
"""What is emptied before each run: several subscriptions may be metered in one transaction."""


def meter(database: Database, live: LiveSubscription, found: Touched) -> tuple[difference.Table, ...]:
    """Meters again who was touched; the tables whose new and old rows are ready to be compared."""
    database.clear(*WORKING)
    within = organisations(live, found)
    corrected = corrections(database, within)
    linked = LINKED in corrected and bool(found.learners) and with_linked(database, live, found)
    least, least_us = _fill(database, live, found)
    values = {"key": live.key, "as_of_us": live.as_of_us, "least": least, "least_us": least_us}
    covered = [(name,) for name in within]
    database.run(_gather(database.dialect, live.meter, linked=linked), {**values, "within": covered})
    _gather_archived(database, live, found)
    voids = VOIDED in corrected
    if voids:
        database.run(_gather_voids(database.dialect), values)
    first_us = _first_us(database) if least < 1 else live.subscription.start_us
    given: dict[str, Sequence[Row]] = {**live.inputs(least, first_us, within), "identities": []}
    if linked:
        given["identities"] = _identities(database, live, given)
    _old(database, live, values)
    if live.meter.holds:
        return _spans(database, live, given, voids=voids)
    return _instants(database, live, given, values, voids=voids)


def _fill(database: Database, live: LiveSubscription, found: Touched) -> tuple[int, int]:
    """Fills the tables of who was touched; the lowest window to meter, and its start."""
    begins = {at_us: live.begins(at_us) for at_us in {*found.learners.values()}}
    for guest in found.guests.values():
        at_us = max(guest.at_us, live.subscription.start_us)
        begins[at_us] = live.begins(at_us)
    least_us, least = min(begins.values())
    learners = [
        (scope, learner, *(begins[at_us] if not live.meter.holds else (least_us, least)))
        for (scope, learner), at_us in found.learners.items()
    ]
    guests = [tuple(getattr(guest, name) for name in schema.GUESTS) for guest in found.guests.values()]
    for table, columns, rows in (
        ("live_touched", schema.TOUCHED, learners),
        ("live_guests", schema.GUESTS, guests),
    ):
        if rows:
            given = database.dialect.rows("given", columns)
            database.run(f"insert into {table} ({', '.join(columns)}) {given}", {"given": rows})
    return least, least_us


def _gather_archived(database: Database, live: LiveSubscription, found: Touched) -> None:
    """Adds to `live_facts` the deeds of who was touched that lie in the archive, as `_gather` does those stored."""
    if live.archive is None:
        return
    meter = live.meter
    states = meter.holds or meter.member_while
    switching = frozenset(type_ for type_ in (states.types if states else ()) if not schema.is_kept_for_ever(type_))
    within = live.organisations if meter.dedupe == "customer" else ()
    asked = [
        (organisation, learner, live.begins(at_us)[0])
        for (scope, learner), at_us in found.learners.items()
        for organisation in within or (scope,)
    ]
    counting = frozenset(type_ for type_ in meter.counts if not schema.is_kept_for_ever(type_)) - switching
    since = [row for row in asked if row[2] < live.archive.until_us]
    always = [(*row[:2], BEGINNING_US) for row in asked]
    columns, given = ", ".join(schema.METERED), database.dialect.rows("given", schema.METERED)
    for learners, types in ((since, counting), (always, switching)):
        rows = live.archive.deeds(learners, types, live.as_of_us) if learners and types else iter(())
        while some := list(islice(rows, GIVEN_ROWS)):
            database.run(f"insert into live_facts ({columns}) {given}", {"given": some})


@lru_cache
def _gather(dialect: Dialect, meter: Meter, *, linked: bool) -> str:
    """SQL that fills `live_facts`."""
    across = meter.dedupe == "customer"
    within = f"cross join ({dialect.rows('within', {'organisation': 'text'})}) as of" if across else ""
    organisation = "of.organisation" if across else "live_touched.scope"
    columns = ", ".join(f"fact.{name}" for name in schema.METERED)
    state = meter.holds or meter.member_while
    states = state.types if state else ()
    since = f"and fact.at_us >= live_touched.from_us and fact.at_us >= {dialect.value('least_us')}"
    parts = [("role <> 'guest'", types, since if types is meter.counts else "") for types in (states, meter.counts)]
    if linked:
        parts.append(("true", (LINKED,), ""))
    selects = []
    for who, types, from_ in parts:
        for status in (True, False):
            if some := [type_ for type_ in types if (type_ == LINKED or is_status(type_)) is status]:
                where = f"""
                    fact.organisation = {organisation} and fact.learner = live_touched.learner
                    and fact.status = {"true" if status else "false"} and {who}
                    and fact.type in ({dialect.text(quoted_list(some))})
                    and fact.at_us < {dialect.value("as_of_us")} {from_}"""
                selects.append(f"select {columns} from live_touched {within} {dialect.find('fact', where)}")
    if meter.guests == "each-entry":
        selects.append(_guests(dialect, meter, columns))
    return f"insert into live_facts ({', '.join(schema.METERED)}) {' union all '.join(selects)}"


def _guests(dialect: Dialect, meter: Meter, columns: str) -> str:
    """SQL of guests' entries: those touched, or all of the same connection where coming back does not count."""
    same = """fact.learner = live_guests.learner and fact.at_us = live_guests.at_us
              and fact.source = live_guests.source and fact.id = live_guests.id"""
    if meter.reconnect_grace_seconds:
        same = f"""live_guests.session = '' and {same}"""
    rest = f"""fact.role = 'guest' and fact.organisation = live_guests.organisation
               and fact.type in ({dialect.text(quoted_list(meter.counts))})
               and fact.at_us < {dialect.value("as_of_us")}"""
    found = [f"{same} and {rest}"]
    if meter.reconnect_grace_seconds:
        found.append(f"""
            live_guests.session <> '' and fact.session <> '' and fact.object = live_guests.object
            and fact.session = live_guests.session and {rest}""")
    return " union all ".join(
        f"select distinct {columns} from live_guests {dialect.find('fact', where)}" for where in found
    )


@lru_cache
def _gather_voids(dialect: Dialect) -> str:
    """SQL that adds the voids which name a fact that was gathered."""
    columns = ", ".join(f"fact.{name}" for name in schema.METERED)
    where = f"""
        fact.status = true and fact.type = '{VOIDED}' and fact.organisation = live_facts.organisation
        and fact.source = live_facts.source and fact.voids = live_facts.id
        and fact.at_us < {dialect.value("as_of_us")}"""
    return f"""
        insert into live_facts ({", ".join(schema.METERED)})
        select distinct {columns} from live_facts {dialect.find("fact", where)}"""


def _first_us(database: Database) -> int:
    [[first_us]] = database.rows("select coalesce(min(at_us), 0) from live_facts")
    return int(first_us)


def _identities(database: Database, live: LiveSubscription, given: dict[str, Sequence[Row]]) -> list[Row]:
    """Who is whom, from the links that stand among what was gathered."""
    steps = (*sql.given(database.dialect), *query.corrections(live.meter))
    select = "select scope, source, id, at_us, learner, object from links"
    by_scope: dict[str, list[Fact]] = {}
    for scope, source, id_, at_us, learner, object_ in database.rows(sql.chain(database.dialect, steps, select), given):
        link = Fact(id=id_, source=source, at_us=at_us, type=LINKED, learner=learner, object=object_)
        by_scope.setdefault(scope, []).append(link)
    return [row for scope, links in by_scope.items() for row in inputs.identity_rows(0, scope, accept(links)[0])]


def _old(database: Database, live: LiveSubscription, values: dict[str, int]) -> None:
    """What is live of who was touched, in the windows that are metered again."""
    dialect = database.dialect
    key = dialect.value("key")
    of = f"activation.subscription = {key} and activation.scope = live_touched.scope"
    where = f"""{of} and activation.unit = live_touched.learner and not activation.guest
                and activation.window_number >= live_touched.first_window"""
    columns = ", ".join(f"activation.{name}" for name in schema.ACTIVATION)
    select = f"select {columns} from live_touched {dialect.find('activation', where)}"
    if live.meter.guests == "each-entry":
        scope = "''" if live.meter.dedupe == "customer" else "live_facts.organisation"
        where = f"""
            activation.subscription = {key} and activation.scope = {scope} and activation.unit = live_facts.id
            and activation.part = live_facts.source || '{sql.SEPARATOR}' || live_facts.id and activation.guest
            and activation.window_number >= {dialect.value("least", "integer")} and live_facts.role = 'guest'"""
        select += f" union all select {columns} from live_facts {dialect.find('activation', where)}"
    database.run(f"insert into live_old ({', '.join(schema.ACTIVATION)}) {select}", values)
    if live.meter.holds:
        _fill_old(database, difference.HOLDING, "holding.unit = live_touched.learner", values)
    elif values["least"] == BEFORE_ALL:
        where = f"opening.cluster = live_touched.learner and live_touched.from_us = {BEGINNING_US}"
        _fill_old(database, difference.OPENING, where, values)


def _fill_old(database: Database, table: difference.Table, where: str, values: dict[str, int]) -> None:
    """Fills the old rows of a table whose rows are all of one learner."""
    key = database.dialect.value("key")
    find = database.dialect.find(
        table.name, f"{table.name}.subscription = {key} and {table.name}.scope = live_touched.scope and {where}"
    )
    columns = ", ".join(f"{table.name}.{name}" for name in table.columns)
    database.run(
        f"insert into {table.old} ({', '.join(table.columns)}) select {columns} from live_touched {find}", values
    )


# Facts that count when they happen.


def _instants(
    database: Database,
    live: LiveSubscription,
    given: dict[str, Sequence[Row]],
    values: dict[str, int],
    *,
    voids: bool,
) -> tuple[difference.Table, ...]:
    parameters: dict[str, Parameter] = {**given, "key": live.key}
    database.run(_activate(database.dialect, live.meter, voids=voids), parameters)
    if values["least"] > BEFORE_ALL or live.meter.unit == "entry":
        return (difference.ACTIVATION,)
    database.run(_open(database.dialect, live.meter, voids=voids), parameters)
    return (difference.ACTIVATION, difference.OPENING)


def _corrected(meter: Meter, *, voids: bool) -> tuple[Step, ...]:
    """To look for what voids take back costs a quarter of the query, and most organisations never had one."""
    return query.corrections(meter) if voids else query.uncorrected(meter)


def _instant_steps(dialect: Dialect, meter: Meter, *, voids: bool) -> tuple[Step, ...]:
    resumed = meter.unit != "entry"
    return (
        *sql.given(dialect),
        *(_before(dialect, meter) if resumed else ()),
        *_corrected(meter, voids=voids),
        *query.steps(meter, sql.FRAGMENTS, resumed=resumed),
    )


@lru_cache
def _activate(dialect: Dialect, meter: Meter, *, voids: bool) -> str:
    """SQL that fills `live_new`."""
    select = sql.chain(dialect, _instant_steps(dialect, meter, voids=voids), sql.activations(meter))
    return f"insert into live_new ({', '.join(schema.ACTIVATION)}) {select}"


@lru_cache
def _open(dialect: Dialect, meter: Meter, *, voids: bool) -> str:
    """SQL that fills `live_opening` with the clusters that were metered from the beginning."""
    select = sql.chain(dialect, _instant_steps(dialect, meter, voids=voids), sql.openings(meter))
    return f"insert into live_opening ({', '.join(schema.OPENING)}) {select}"


def _before(dialect: Dialect, meter: Meter) -> tuple[Step, ...]:
    """The input `before`: when a cluster was last active, the newest window of each of its ids."""
    key = dialect.value("key")
    touched = """
        (select live_touched.*, coalesce(identities.cluster, live_touched.learner) as cluster
         from live_touched left join identities
              on identities.scope = live_touched.scope and identities.learner = live_touched.learner
             and identities.from_us = -1
         where first_window >= 1) as touched"""
    active = f"""activation.subscription = {key} and activation.scope = touched.scope
                 and activation.unit = touched.learner and activation.window_number < touched.first_window
                 and not activation.guest"""
    opened = f"""opening.subscription = {key} and opening.scope = touched.scope
                 and opening.cluster = touched.learner"""
    if meter.unit == "enrolment":
        select = f"""
            select 0 as subscription, touched.scope, touched.cluster, activation.organisation, activation.object,
                   window_number
            from {touched} {dialect.find("activation", active)}
            union all
            select 0, touched.scope, touched.cluster, opening.organisation, opening.object, last_window
            from {touched} {dialect.find("opening", opened)}"""
    else:
        select = f"""
            select 0 as subscription, touched.scope, touched.cluster, touched.scope as organisation, '' as object,
                   coalesce((select max(window_number) from activation where {active}),
                            (select max(last_window) from opening where {opened})) as window_number
            from {touched}"""
    before = "select * from last_active where window_number is not null"
    return (Step("last_active", select, keep=True), Step("before", before))


# States that last.


def _spans(
    database: Database, live: LiveSubscription, given: dict[str, Sequence[Row]], *, voids: bool
) -> tuple[difference.Table, ...]:
    """Holdings from all statuses, and from them who is active."""
    database.run(_hold(database.dialect, live.meter, voids=voids), given)
    database.run(_present(database.dialect, live.meter), given)
    dialect = database.dialect
    subscription = dialect.rows("subscriptions", inputs.COLUMNS["subscriptions"])
    database.run(
        f"""delete from live_holdings
            where not exists (select 1 from ({subscription}) as subscriptions where {IN_TERM})""",
        {"subscriptions": given["subscriptions"]},
    )
    return (difference.HOLDING, difference.ACTIVATION)


@lru_cache
def _hold(dialect: Dialect, meter: Meter, *, voids: bool) -> str:
    """SQL that fills `live_holdings`, with those from before the term."""
    steps = (*sql.given(dialect), *_corrected(meter, voids=voids), *query.steps(meter, sql.FRAGMENTS))
    columns = ", ".join(schema.HOLDING)
    return f"insert into live_holdings ({columns}) {sql.chain(dialect, steps, f'select {columns} from holdings')}"


@lru_cache
def _present(dialect: Dialect, meter: Meter) -> str:
    """SQL that fills `live_new` from `live_holdings`."""
    holdings = Step("holdings", "select 0 as subscription, live_holdings.* from live_holdings")
    steps = (*sql.given(dialect), holdings, span_activations(meter))
    select = sql.chain(dialect, steps, sql.activations(meter))
    return f"insert into live_new ({', '.join(schema.ACTIVATION)}) {select}"


def carry_over(database: Database, live: LiveSubscription, units: Sequence[Row]) -> None:
    """Fills `live_new` with these units, (scope, unit), in the last window that has begun: they hold something open."""
    database.clear(*WORKING)
    dialect = database.dialect
    window = live.begun[-1]
    touched = [(*unit, window.start_us, window.number) for unit in units]
    database.run(
        f"insert into live_touched ({', '.join(schema.TOUCHED)}) {dialect.rows('given', schema.TOUCHED)}",
        {"given": touched},
    )
    columns = ", ".join(f"holding.{name}" for name in schema.HOLDING)
    where = f"""holding.subscription = {dialect.value("key")} and holding.scope = live_touched.scope
                and holding.unit = live_touched.learner and holding.until_us > live_touched.from_us"""
    database.run(
        f"""insert into live_holdings ({", ".join(schema.HOLDING)})
            select {columns} from live_touched {dialect.find("holding", where)}""",
        {"key": live.key},
    )
    given = {**live.inputs(window.number, window.start_us, ()), "identities": []}
    database.run(_carry(dialect, live.meter), given)


@lru_cache
def _carry(dialect: Dialect, meter: Meter) -> str:
    """SQL that fills `live_new` from holdings that are stored, with the clusters that they have."""
    holdings = Step("holdings", "select 0 as subscription, live_holdings.* from live_holdings")
    steps = (*sql.given(dialect), holdings, span_activations(meter))
    computed = {
        "part": sql.part(meter, "a"),
        "cluster": "(select max(cluster) from live_holdings as h where h.scope = a.scope and h.unit = a.unit)",
    }
    columns = ", ".join(computed.get(column, f"a.{column}") for column in schema.ACTIVATION)
    select = sql.chain(dialect, steps, f"select {columns} from activations as a")
    return f"insert into live_new ({', '.join(schema.ACTIVATION)}) {select}"
