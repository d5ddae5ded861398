"""Random ledgers that are hard on purpose, and both engines run over them.

Few instants, few ids and few objects, so that ties, boundary instants, repeats, voids and links collide often.
`test_laws.py` asserts that they do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
from hypothesis import strategies as st

from rollbook.engines import duckdb as fast
from rollbook.engines.metered import Metered
from rollbook.metering.outcome import Activation, Conflict, Holding, Outcome
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.instants import DAY_US, LATEST_US, start_of_day_us
from rollbook.model.plan import Exemption, Meter, Plan, State, WindowRule
from rollbook.model.subscription import Subscription

START = date(2026, 1, 31)
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu")

HOLDS = State(on=("enrolment.enabled",), off=("enrolment.disabled", "account.disabled"))
MEMBERS = State(on=("account.enabled",), off=("account.deleted",))
COUNTS = ("login", "session.entered")
TYPES = (*COUNTS, *HOLDS.types, *MEMBERS.types, "course.viewed")

LEARNERS = ("ana", "bo", "zoë", "Zoe")
"""Two of them sort differently as bytes than as letters."""

OBJECTS = ("", "A", "B")
ORGANISATIONS = ("north", "süd")


def meters() -> st.SearchStrategy[Meter]:
    """Every combination of keys that a plan may have."""
    exempt = st.sampled_from(
        ((), (Exemption("facilitator", ("live-flexible",)),), (Exemption("admin"), Exemption("facilitator")))
    )
    unit, dedupe = st.sampled_from(("learner", "enrolment")), st.sampled_from(("organisation", "customer"))
    holding = st.builds(
        Meter,
        holds=st.just(HOLDS),
        opens=st.sampled_from(("before-term", "in-term")),
        unit=unit,
        exempt=exempt,
        dedupe=dedupe,
    )
    members = st.sampled_from((None, MEMBERS))
    counting = st.builds(
        Meter,
        counts=st.just(COUNTS),
        unit=unit,
        guests=st.sampled_from(("free", "each-entry")),
        exempt=exempt,
        member_while=members,
        minimum=st.sampled_from((1, 2, 3)),
        first_ever=st.booleans(),
        dedupe=dedupe,
    )
    entries = st.builds(Meter, counts=st.just(COUNTS), unit=st.just("entry"), exempt=exempt, member_while=members)
    reconnecting = st.builds(
        Meter,
        counts=st.just(COUNTS),
        guests=st.just("each-entry"),
        reconnect_grace_seconds=st.sampled_from((1, 86_400)),
        member_while=members,
    )
    return st.one_of(holding, counting, entries, reconnecting)


def rules() -> st.SearchStrategy[WindowRule]:
    """Every kind of window."""
    return st.sampled_from(
        (
            WindowRule(kind="calendar-month"),
            WindowRule(kind="anniversary-month"),
            WindowRule(kind="days", length_days=30),
            WindowRule(kind="days", length_days=30, remainder="short-last"),
            WindowRule(kind="term"),
        )
    )


@lru_cache
def boundaries(zone: str) -> tuple[int, ...]:
    """Instants at and next to cuts, some ordinary ones, one long before the term and one long after."""
    cuts = [START, date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2), date(2026, 4, 30)]
    at = [start_of_day_us(cut, ZoneInfo(zone)) for cut in cuts]
    ordinary = [
        start_of_day_us(START + timedelta(days=days), ZoneInfo(zone)) for days in (-400, -20, 5, 33, 34, 60, 200)
    ]
    return tuple(sorted({*at, *(instant - 1 for instant in at), *ordinary}))


@st.composite
def ledgers(draw: st.DrawFn, prefix: str, zone: str) -> list[Fact]:
    """One ledger whose organisations begin with `prefix`; (source, id) unique."""
    facts: list[Fact] = []
    size = draw(st.integers(0, 16))
    sources = st.sampled_from((f"{prefix}a", f"{prefix}é"))
    ids = [f"{letter}{number}" for number in range(size) for letter in ("e", "ü")]
    for n in range(size):
        source, at_us = draw(sources), draw(st.sampled_from(boundaries(zone)))
        organisation = prefix + draw(st.sampled_from(ORGANISATIONS))
        common = {
            "id": ids[2 * n + draw(st.integers(0, 1))],
            "source": source,
            "at_us": at_us,
            "organisation": organisation,
        }
        kind = draw(st.integers(0, 9))
        if kind == 0 and facts:
            target = draw(st.sampled_from(facts))
            facts.append(
                Fact(
                    **common
                    | {
                        "source": target.source,
                        "organisation": draw(st.sampled_from((*[target.organisation] * 4, organisation))),
                    },
                    type=VOIDED,
                    voids=target.id,
                )
            )
        elif kind == 1:
            given_up, survivor = draw(st.permutations(LEARNERS))[:2]
            facts.append(Fact(**common, type=LINKED, learner=survivor, object=given_up))
        elif kind in (2, 3) and (doers := [fact for fact in facts if fact.learner or fact.role == "guest"]):
            # What one learner does to one object at one instant: the hardest rule there is.
            echoed = draw(st.sampled_from(doers))
            type_ = draw(st.sampled_from((*HOLDS.types, *HOLDS.types, *TYPES)))
            facts.append(echoed.replace(id=common["id"], source=source, type=type_, voids=""))
        else:
            role = draw(st.sampled_from(("learner",) * 6 + ("facilitator", "guest", "system", "admin")))
            facts.append(
                Fact(
                    **common,
                    type=draw(st.sampled_from(TYPES)),
                    learner="" if role == "guest" else draw(st.sampled_from(LEARNERS)),
                    role=role,
                    mode=draw(st.sampled_from(("", "live", "live-flexible"))),
                    object=draw(st.sampled_from(OBJECTS)),
                    session=draw(st.sampled_from(("", "s1"))),
                    impersonator=draw(st.sampled_from(("",) * 9 + ("boss",))),
                )
            )
    return facts


def plan(meter: Meter, window: WindowRule) -> Plan:
    """A plan that has no text."""
    return Plan(
        id="drawn", title="", vendor="", summary="", sources=(), read_on=None, meter=meter, window=window, digest=""
    )


def subscription(meter: Meter, window: WindowRule, zone: str, prefix: str) -> Subscription:
    """Three months of a plan, over the two organisations of one ledger."""
    return Subscription(
        plan=plan(meter, window),
        start=START,
        end=date(2026, 4, 30),
        zone=zone,
        organisations=tuple(prefix + name for name in ORGANISATIONS),
    )


def connect(facts: Sequence[Fact]) -> duckdb.DuckDBPyConnection:
    """A connection with these facts."""
    connection = duckdb.connect()
    connection.execute("set threads = 2")
    text = (
        "source",
        "id",
        "organisation",
        "learner",
        "type",
        "role",
        "mode",
        "object",
        "session",
        "impersonator",
        "voids",
    )
    columns = {name: pa.array([getattr(fact, name) for fact in facts], pa.string()) for name in text}
    columns["at_us"] = pa.array([fact.at_us for fact in facts], pa.int64())
    columns["day"] = pa.array([fact.at_us // DAY_US for fact in facts], pa.int32())
    columns["number"] = pa.array(range(len(facts)), pa.int64())
    connection.register("facts", pa.table(columns))
    connection.execute("create view targets as select organisation, source, id, number from facts")
    return connection


def run_fast(facts: Sequence[Fact], subscriptions: Sequence[Subscription], as_of_us: int = LATEST_US) -> list[Outcome]:
    """The outcome of each subscription on DuckDB, all in one query. Every organisation is taken to have members."""
    with connect(facts) as connection:
        return outcomes(fast.meter(connection, subscriptions, as_of_us, assume_members=True))


def outcomes(metered: Metered) -> list[Outcome]:
    """The result as values, in the reference's shape and order."""
    found = [Outcome(conflicts=list(conflicts)) for conflicts in metered.conflicts]
    for number, *values in metered.rows(
        """select subscription, window_number, organisation, unit, object, guest, class, first_us, source, id, facts
           from activations order by subscription, window_number, first_us, source, id"""
    ):
        found[number].activations.append(Activation(*values))
    for subscription, outcome in zip(metered.subscriptions, found, strict=True):
        if subscription.plan.meter.holds:
            outcome.holdings.extend(_holdings(metered, metered.subscriptions.index(subscription)))
    counted = Counter(
        (number, it.window, it.class_) for number, outcome in enumerate(found) for it in outcome.activations
    )
    rows = metered.rows("select subscription, window_number, class, sum(active)::bigint from counts group by all")
    assert {tuple(row[:3]): row[3] for row in rows} == counted, "classes are counted as the activations say"
    for number, source, id_, fate in metered.rows("select subscription, source, id, fate from fates"):
        assert (source, id_) not in found[number].dispositions, "a fact has one disposition"
        found[number].dispositions[source, id_] = fate
    return found


def _holdings(metered: Metered, number: int) -> list[Holding]:
    rows = metered.rows(
        """select organisation, unit, object, on_us, off_us, on_source, on_id, off_source, off_id
           from held where subscription = ? order by on_us, on_source, on_id""",
        [number],
    )
    return [Holding(*row) for row in rows]  # type: ignore[arg-type]


def comparable(outcome: Outcome) -> tuple[list[Activation], list[Holding], dict[tuple[str, str], str], list[Conflict]]:
    """An outcome without the order of rows that tie in everything that orders them."""
    return (
        sorted(outcome.activations),
        sorted(outcome.holdings, key=repr),
        outcome.dispositions,
        sorted(outcome.conflicts),
    )
