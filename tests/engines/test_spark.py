"""Spark finds what the reference finds: in every published case, in the fixtures of every step, in drawn ledgers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollbook.engines.spark import running, session
from rollbook.metering import reference
from rollbook.metering.outcome import ELSEWHERE
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.instants import LATEST_US, start_of_day_us
from rollbook.model.plan import Exemption, Meter, WindowRule
from tests.engines import sparks
from tests.engines.sparks import Found, Ledger
from tests.metering import ledgers, test_laws, test_steps
from tests.test_plans import AS_OF_US, all_cases, figures, on_reference


def agrees(meter: Meter, ledger: Ledger, as_of_us: int, found: Found) -> bool:
    """Whether Spark found what the reference finds: who was active and why, spans, and what became of each fact."""
    facts, to = ledger
    expected = reference.meter(facts, to, as_of_us, test_laws.assumed(meter, list(facts)))
    elsewhere = [key for key, fate in expected.dispositions.items() if fate == ELSEWHERE]
    for key in elsewhere:
        del expected.dispositions[key]
    counted = Counter(expected.dispositions.values())
    return (ledgers.comparable(found.outcome), found.fate_counts) == (ledgers.comparable(expected), counted)


def by_meter(items: Any, meter_of: Any) -> Iterator[tuple[Any, list[Any]]]:
    for _, group in groupby(sorted(items, key=lambda it: repr(meter_of(it))), key=lambda it: repr(meter_of(it))):
        yield meter_of((first := list(group))[0]), first


def test_every_case_of_every_plan_counts_whom_it_says(spark_here: str) -> None:
    """The figures that a person worked out by hand."""
    cases = 0
    for _, alike in by_meter(all_cases(), lambda case: case.subscription.plan.meter):
        apart = [sparks.apart(n, (case.facts, case.subscription)) for n, case in enumerate(alike)]
        for case, found in zip(alike, sparks.run(spark_here, apart, AS_OF_US), strict=True):
            assert figures(case.subscription, found.outcome.activations) == case.expected, case.path
            fates = Counter(on_reference(case.facts, case.subscription).dispositions.values())
            del fates[ELSEWHERE]
            assert found.fate_counts == fates, case.path
            cases += 1
    assert cases == len(all_cases()) > 100


def test_the_example_of_every_step_is_found_as_the_reference_finds_it(spark_here: str) -> None:
    examples = 0
    for (meter, as_of_us), alike in by_meter(
        test_steps.examples(), lambda example: (example.subscription.plan.meter, example.as_of_us)
    ):
        apart = [sparks.apart(n, (example.facts, example.subscription)) for n, example in enumerate(alike)]
        found = sparks.run(spark_here, apart, as_of_us)
        for example, ledger, got in zip(alike, apart, found, strict=True):
            assert agrees(meter, ledger, as_of_us, got), test_steps.name(example)
            examples += 1
    assert examples == len(test_steps.examples())


METERS = {
    "what is done": Meter(counts=ledgers.COUNTS, exempt=(Exemption("facilitator", ("live-flexible",)),)),
    "what is done across organisations, and guests": Meter(
        counts=ledgers.COUNTS, guests="each-entry", dedupe="customer", minimum=2
    ),
    "who ever did anything, of members": Meter(
        counts=ledgers.COUNTS, unit="enrolment", first_ever=True, member_while=ledgers.MEMBERS
    ),
    "entries of guests who may come back": Meter(
        counts=ledgers.COUNTS, guests="each-entry", reconnect_grace_seconds=86_400, member_while=ledgers.MEMBERS
    ),
    "each entry": Meter(counts=ledgers.COUNTS, unit="entry"),
    "who is enrolled": Meter(holds=ledgers.HOLDS, opens="before-term", dedupe="customer"),
    "each enrolment of the term": Meter(holds=ledgers.HOLDS, opens="in-term", unit="enrolment"),
}
"""One of each shape of the query."""

LEDGERS = 40


def drawn(meter: Meter) -> list[Ledger]:
    """As many ledgers as one query takes, each under its own windows and zone."""
    found: list[Ledger] = []

    @settings(
        max_examples=LEDGERS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        prefix, zone = f"{len(found)}:", data.draw(st.sampled_from(ledgers.ZONES))
        facts = data.draw(ledgers.ledgers(prefix, zone))
        found.append((facts, ledgers.subscription(meter, data.draw(ledgers.rules()), zone, prefix)))

    draw()
    return found


def is_hard(facts: list[Fact]) -> bool:
    """Whether ids beyond ASCII, voids, links and facts of one instant all occur."""
    types = {fact.type for fact in facts}
    ties = len({(fact.organisation, fact.at_us) for fact in facts}) < len(facts)
    return ties and {VOIDED, LINKED} <= types and any(not fact.id.isascii() for fact in facts)


@pytest.mark.parametrize("name", METERS)
def test_spark_equals_the_reference(spark_here: str, name: str) -> None:
    """Boundary instants, ties, voids, links, spans across windows: see `tests.metering.ledgers`."""
    check(spark_here, METERS[name], LATEST_US)


def check(master: str, meter: Meter, as_of_us: int) -> None:
    batch = drawn(meter)
    assert is_hard([fact for facts, _ in batch for fact in facts])
    for ledger, found in zip(batch, sparks.run(master, batch, as_of_us), strict=True):
        assert agrees(meter, ledger, as_of_us, found), ledger


@pytest.mark.parametrize("name", ["what is done across organisations, and guests", "who is enrolled"])
def test_as_much_as_many_facts_take_changes_nothing(
    spark_here: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that workers keep, compiled code, partitions, and results that come back in parts; up to 1 March."""
    for module in (running, session):
        monkeypatch.setattr(module, "FACTS_FEW", 0)
    monkeypatch.setattr(running, "ROWS_AT_ONCE", 20)
    check(spark_here, METERS[name], start_of_day_us(ledgers.START.replace(month=3, day=1), ZoneInfo("UTC")))


def test_texts_are_in_the_order_of_their_bytes(spark_here: str) -> None:
    """Of facts at one instant the proof is the first by source and id: neither by letters nor by UTF-16.

    In UTF-16 🎓 (U+1F393, D83C DF93) stands before ﬀ (U+FB00); in bytes EF AC 80 stands before F0 9F 8E 93.
    """
    meter = Meter(counts=("login",))
    ids = {"a": ("🎓", "ﬀ"), "b": ("zoë", "Zoe"), "c": ("é", "z")}
    expected = {"a": "ﬀ", "b": "Zoe", "c": "z"}
    at_us = start_of_day_us(ledgers.START.replace(month=2, day=3), ZoneInfo("UTC"))
    facts = [
        Fact(id=id_, source="lms", at_us=at_us, organisation="0:north", learner=learner, type="login")
        for learner, names in ids.items()
        for id_ in names
    ]
    to = ledgers.subscription(meter, WindowRule(kind="calendar-month"), "UTC", "0:")
    [found] = sparks.run(spark_here, [(facts, to)], LATEST_US)
    assert {it.unit: it.fact for it in found.outcome.activations} == expected
