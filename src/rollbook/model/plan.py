"""A plan says which facts count and how time is cut into windows.

A plan is read from the text of its `plan.toml`. Layers stand one above the other and none depends on a
later one: the meter (what counts), the window (when), the allowance and its limit (what is included, and what
happens beyond), the tariff (what it costs), governance (when it is final). Every choice a vendor leaves open is a
key here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date

from rollbook.errors import PlanError, Problem
from rollbook.model.allowance import Allowance, Governance, Limit, read_allowance, read_governance, read_limit
from rollbook.model.fact import CORRECTIONS, DESCRIBING, MODES, ROLES, TYPES
from rollbook.model.keys import Keys, nearest, parse_toml
from rollbook.model.tariff import Tariff, read_tariff, report_misfits

UNITS = ("learner", "enrolment", "entry")
"""What one counted thing is: a learner; a learner in one object (a course); each counted fact by itself."""

GUESTS = ("free", "each-entry")
"""Guests are not counted, or every entry of a guest is a unit of its own (F-14)."""

DEDUPES = ("organisation", "customer")
"""Whether the same learner id in two organisations is two units or one."""

OPENS = ("before-term", "in-term")
"""Whether a span opened before the term carries in (W-04), or a new start within the term is needed (S-04)."""

KINDS = ("calendar-month", "anniversary-month", "days", "term")
"""How a term is cut: at the first of each month; a month from the anchor day; blocks of days; not at all."""

REMAINDERS = ("merge-last", "short-last")
"""Where blocks of days leave some over: they extend the last block (A-06), or form a shorter one."""


NOTHING_INCLUDED, BILLED, AT_ONCE = Allowance(), Limit(), Governance()
"""What a plan says without [allowance], [limit] and [governance]."""


@dataclass(frozen=True, slots=True)
class State:
    """Facts that switch something on and off. An off without an object switches off all of the learner's objects."""

    on: tuple[str, ...]
    off: tuple[str, ...]

    @property
    def types(self) -> tuple[str, ...]:
        """All the types that switch."""
        return self.on + self.off


@dataclass(frozen=True, slots=True)
class Exemption:
    """Facts in this role do not count, unless the session was held in one of these modes (F-10, F-11)."""

    role: str
    unless_modes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Which facts count. Exactly one of `counts` and `holds` is set.

    counts                   instants: these types count when they happen
    holds                    spans: a unit is present from on to off
    opens                    for spans, see `OPENS`
    unit, guests, dedupe     see `UNITS`, `GUESTS`, `DEDUPES`
    reconnect_grace_seconds  a guest who re-enters the same object over the same session within this time of the
                             last entry is not counted again (F-e); 0 is the literal reading
    exempt                   roles that do not count
    member_while             instants count only while this state holds (D-02, A-30)
    minimum                  facts a unit needs within a window; the n-th decides
    first_ever               a unit counts in the first window it is ever active in, and never again
    """

    counts: tuple[str, ...] = ()
    holds: State | None = None
    opens: str = "before-term"
    unit: str = "learner"
    guests: str = "free"
    reconnect_grace_seconds: int = 0
    exempt: tuple[Exemption, ...] = ()
    member_while: State | None = None
    minimum: int = 1
    first_ever: bool = False
    dedupe: str = "organisation"

    @property
    def types(self) -> tuple[str, ...]:
        """Every type that has a meaning under this meter."""
        states = (self.holds, self.member_while)
        return self.counts + tuple(type_ for state in states if state for type_ in state.types)

    @property
    def across(self) -> bool:
        """Whether a unit is one in all organisations: a learner told apart from others across them, in no object."""
        return self.dedupe == "customer" and self.unit != "enrolment"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """How a term is cut into windows.

    kind         see `KINDS`; an anniversary anchor on the 29th to 31st falls on the last day of a shorter month,
                 reckoned each time from the original day (F-k)
    length_days  for kind days
    remainder    for kind days, see `REMAINDERS`
    term_months  the term's length where the subscription states no end
    zone         whose midnights, where the subscription states none
    """

    kind: str
    length_days: int = 0
    remainder: str = "merge-last"
    term_months: int = 12
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rules on offer, immutable once used. `digest` is over `text`, from which it was read.

    Without [allowance] nothing is included: every unit is beyond it. Without [tariff] nothing has a price.
    """

    id: str
    title: str
    vendor: str
    summary: str
    sources: tuple[str, ...]
    read_on: date | None
    meter: Meter
    window: WindowRule
    allowance: Allowance = NOTHING_INCLUDED
    limit: Limit = BILLED
    tariff: Tariff | None = None
    governance: Governance = AT_ONCE
    digest: str
    text: str = field(default="", repr=False, compare=False)


def parse_plan(text: str, name: str = "plan.toml") -> Plan:
    """The plan in `text`; `name` is the place that problems name.

    Raises PlanError with every problem found: unknown keys with the nearest known one, wrong kinds of values,
    and combinations that contradict each other.
    """
    problems: list[Problem] = []
    document = parse_toml(text, name, problems)
    if problems:
        raise PlanError(problems)
    keys = Keys(document, name, "", problems)
    identity = keys.text("id")
    title = keys.text("title")
    vendor = keys.text("vendor", "")
    summary = keys.text("summary", "")
    sources = keys.texts("sources", [])
    read_on = keys.date("read_on", None)
    meter_keys, window_keys = keys.table("meter"), keys.table("window")
    allowance_keys, limit_keys = keys.table("allowance"), keys.table("limit")
    tariff_keys, governance_keys = keys.table("tariff"), keys.table("governance")
    keys.close()
    meter, window = Meter(), WindowRule(kind="calendar-month")
    if meter_keys is None:
        keys.report("meter", "the table [meter] is missing", "say which facts count: [meter] and counts or holds")
    else:
        meter = _meter(meter_keys)
    if window_keys is None:
        keys.report("window", "the table [window] is missing", "say how time is cut: [window] and kind")
    else:
        window = _window(window_keys)
    allowance = read_allowance(allowance_keys) if allowance_keys else NOTHING_INCLUDED
    if allowance.per == "held" and not meter.holds:
        keys.report("allowance.per", "nothing is held: this meter counts facts", 'use per = "window" or per = "term"')
    limit = read_limit(limit_keys) if limit_keys else BILLED
    tariff = read_tariff(tariff_keys) if tariff_keys else None
    if tariff and tariff_keys:
        report_misfits(tariff_keys, tariff, allowance.per, allowance.rollover_windows)
    governance = read_governance(governance_keys) if governance_keys else AT_ONCE
    if problems:
        raise PlanError(problems)
    return Plan(
        id=identity,
        title=title,
        vendor=vendor,
        summary=summary,
        sources=sources,
        read_on=read_on,
        meter=meter,
        window=window,
        allowance=allowance,
        limit=limit,
        tariff=tariff,
        governance=governance,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
    )


def unknown_types(plan: Plan, name: str) -> tuple[Problem, ...]:
    """Advice on types the plan names that have no meaning of their own; they are allowed, and often misspelt."""
    return tuple(
        Problem(
            f"{name}: meter", f'"{type_}" is not one of the known types{nearest(type_, TYPES)}', "check the spelling"
        )
        for type_ in plan.meter.types
        if type_ not in TYPES
    )


def _meter(keys: Keys) -> Meter:
    opens = "before-term"
    holds = None
    if holds_keys := keys.table("holds"):
        opens = holds_keys.choice("opens", OPENS, "before-term")
        holds = _state(holds_keys)
    while_keys = keys.table("while")
    meter = Meter(
        counts=keys.texts("counts", []),
        holds=holds,
        opens=opens,
        unit=keys.choice("unit", UNITS, "learner"),
        guests=keys.choice("guests", GUESTS, "free"),
        reconnect_grace_seconds=keys.integer("reconnect_grace_seconds", 0, most=86_400),
        exempt=tuple(_exemption(item) for item in keys.tables("exempt")),
        member_while=_state(while_keys) if while_keys else None,
        minimum=keys.integer("minimum", 1, least=1, most=1000),
        first_ever=keys.boolean("first_ever", default=False),
        dedupe=keys.choice("dedupe", DEDUPES, "organisation"),
    )
    keys.close()
    _contradictions(keys, meter)
    return meter


def _contradictions(keys: Keys, meter: Meter) -> None:
    """What each key may say, the others may forbid."""
    if bool(meter.counts) == bool(meter.holds):
        keys.report("", "a meter either counts facts or holds spans", "give counts or holds, not both, not neither")
    if meter.holds:
        for key, stated, only in (
            ("guests", meter.guests != "free", "guests have no status that could last"),
            ("reconnect_grace_seconds", meter.reconnect_grace_seconds > 0, "it is about guests' entries"),
            ("while", meter.member_while is not None, "it restricts facts that count at an instant"),
            ("minimum", meter.minimum > 1, "it counts facts within a window"),
            ("first_ever", meter.first_ever, "it is about facts that count at an instant"),
            ("unit", meter.unit == "entry", "a span is not an entry"),
        ):
            if stated:
                keys.report(key, f"{key} does not go with holds: {only}", f"leave {key} out, or use counts")
    if meter.reconnect_grace_seconds and meter.guests != "each-entry":
        keys.report(
            "reconnect_grace_seconds", "it needs guests that count", 'set guests = "each-entry", or leave it out'
        )
    if meter.unit == "entry" and (meter.minimum > 1 or meter.first_ever):
        keys.report("unit", "an entry happens once: minimum and first_ever do not apply", "leave them out")
    for type_ in sorted({type_ for type_ in meter.types if meter.types.count(type_) > 1}):
        keys.report("", f'"{type_}" is named for two purposes', "a type either counts, switches on, or switches off")
    for type_ in (*CORRECTIONS, *DESCRIBING):
        if type_ in meter.types:
            does = f"only describes {DESCRIBING[type_]}" if type_ in DESCRIBING else "corrects other facts"
            keys.report("", f'"{type_}" {does} and cannot count', "leave it out")


def _state(keys: Keys) -> State:
    state = State(on=keys.texts("on"), off=keys.texts("off", []))
    if not state.on:
        keys.report("on", "nothing would ever switch on", "name at least one type")
    keys.close()
    return state


def _exemption(keys: Keys) -> Exemption:
    exemption = Exemption(role=keys.choice("role", ROLES), unless_modes=keys.texts("unless_modes", []))
    for mode in exemption.unless_modes:
        if mode not in MODES:
            keys.report("unless_modes", f'"{mode}" is not a mode{nearest(mode, MODES)}', "use " + ", ".join(MODES))
    keys.close()
    return exemption


def _window(keys: Keys) -> WindowRule:
    kind = keys.choice("kind", KINDS)
    by_days = kind == "days"
    for key in ("length_days", "remainder"):
        if keys.has(key) and not by_days:
            keys.report(key, f'{key} goes with kind = "days" only', f"leave {key} out")
    rule = WindowRule(
        kind=kind,
        length_days=keys.integer(
            "length_days", **({} if by_days else {"default": 0}), least=1 if by_days else 0, most=3660
        ),
        remainder=keys.choice("remainder", REMAINDERS, "merge-last"),
        term_months=keys.integer("term_months", 12, least=1, most=600),
        zone=keys.zone("zone", "UTC"),
    )
    keys.close()
    return rule
