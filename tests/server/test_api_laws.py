"""Whatever is sent, in whatever batches and order, repeated, voided, linked, closed in between, with the server restarted
at any moment: what it counts is what the reference counts over the facts it accepted.

Every example has a customer of its own in one database, so nothing needs to be emptied between them.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rollbook.metering import reference
from rollbook.metering.calendar import windows
from rollbook.metering.outcome import Activation
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.instants import DAY_US, from_us, iso
from rollbook.server import clock
from rollbook.server.access import keys
from rollbook.server.billing import closing
from rollbook.server.live import contracts, metering
from rollbook.server.models import Person, Quantity, Statement
from rollbook.server.operation import jobs, recounting

from . import world

pytestmark = pytest.mark.usefixtures("ledger")

NUMBERS = itertools.count(1)
LEARNERS = ("ana", "bo", "zoë", "Zoe")
OBJECTS = ("", "A", "B")
TYPES = (
    "login",
    "login",
    "session.entered",
    "enrolment.enabled",
    "enrolment.disabled",
    "account.enabled",
    "course.viewed",
)
START = date(2026, 1, 31)

PLANS = (
    """
    [meter]
    counts = ["login", "session.entered"]
    guests = "each-entry"
    [window]
    kind = "anniversary-month"
    [allowance]
    per = "window"
    quantity = 1
    [tariff]
    currency = "EUR"
    [tariff.overage]
    rate = 2
    """,
    """
    [meter]
    unit = "enrolment"
    holds = { on = ["enrolment.enabled"], off = ["enrolment.disabled"] }
    [window]
    kind = "calendar-month"
    [allowance]
    per = "window"
    quantity = 2
    [tariff]
    currency = "EUR"
    [tariff.overage]
    rate = 3
    """,
    """
    [meter]
    counts = ["login"]
    minimum = 2
    while = { on = ["account.enabled"], off = ["enrolment.disabled"] }
    dedupe = "customer"
    [window]
    kind = "days"
    length_days = 30
    [allowance]
    per = "term"
    quantity = 3
    [tariff]
    currency = "EUR"
    [tariff.overage]
    rate = 5
    """,
)


class Service(RuleBasedStateMachine):
    """One customer with three terms of different plans over the same two organisations."""

    @initialize()
    def begin(self) -> None:
        self.prefix = f"{next(NUMBERS)}-"
        self.organisations = [self.prefix + name for name in ("north", "süd")]
        self.customer = world.customer(f"{self.prefix}Academy", self.organisations)
        self.terms = [
            world.subscribe(
                self.customer, world.own_plan(rules, f"law-{n}"), START, meter=str(n), now="2026-01-31T00:00"
            )
            for n, rules in enumerate(PLANS)
        ]
        _, self.key = keys.make(name="laws", scopes=["facts:write"])
        self.now_us = world.at("2026-02-01T12:00")
        self.set_clock()
        self.facts: dict[tuple[str, str], Fact] = {}
        self.batches: list[list[dict[str, Any]]] = []
        self.numbers = itertools.count(1)
        self.records: dict[int, str] = {}

    def set_clock(self) -> None:
        clock.source_ns = lambda: self.now_us * 1000

    def post(self, rows: list[dict[str, Any]]) -> None:
        answer = Client().post(
            "/v1/facts", json.dumps(rows), content_type="application/json", HTTP_AUTHORIZATION=f"Bearer {self.key}"
        )
        assert answer.status_code == 200, answer.content
        receipt = answer.json()
        rejected = {it["index"] for it in receipt["rejected"]}
        assert receipt["received"] == len(rows) == receipt["new"] + receipt["repeats"] + receipt["held"] + len(rejected)
        for index, row in enumerate(rows):
            if index not in rejected:
                self.facts.setdefault((row["source"], row["id"]), _fact(row))

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        """A batch of new facts, at and beside the cuts of windows, in any order."""
        instants = self.instants()
        rows = [self.drawn(data, instants) for _ in range(data.draw(st.integers(1, 6)))]
        self.batches.append(rows)
        self.post(rows)

    def instants(self) -> list[int]:
        """Cuts, what lies beside them, and other moments until now; two of them before the term."""
        cuts = {window.start_us for term in self.terms for window in windows(contracts.subscription_of(term))}
        near = {cut + step for cut in cuts for step in (-1, 0, 1)}
        other = {self.now_us, self.now_us - 5 * DAY_US, self.now_us - 40 * DAY_US, world.at("2025-12-20T10:00")}
        return sorted(at_us for at_us in near | other if at_us <= self.now_us)

    def drawn(self, data: st.DataObject, instants: list[int]) -> dict[str, Any]:
        row = {
            "id": f"e{next(self.numbers)}",
            "source": self.prefix + data.draw(st.sampled_from(("a", "é"))),
            "occurred_at": iso(data.draw(st.sampled_from(instants))),
            "organisation": data.draw(st.sampled_from(self.organisations)),
            "learner": data.draw(st.sampled_from(LEARNERS)),
            "type": data.draw(st.sampled_from(TYPES)),
            "object": data.draw(st.sampled_from(OBJECTS)),
        }
        kind = data.draw(st.integers(0, 9))
        if kind == 0 and self.facts:
            target = data.draw(st.sampled_from(sorted(self.facts)))
            found = self.facts[target]
            return row | {
                "type": VOIDED,
                "source": target[0],
                "voids": target[1],
                "learner": "",
                "organisation": found.organisation,
            }
        if kind == 1:
            survivor, given_up = data.draw(st.permutations(LEARNERS))[:2]
            return row | {"type": LINKED, "learner": survivor, "object": given_up}
        if kind == 2:
            return row | {"type": "session.entered", "learner": "", "role": "guest"}
        return row

    @precondition(lambda self: bool(self.batches))
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A batch that was sent before, in another order."""
        self.post(data.draw(st.permutations(data.draw(st.sampled_from(self.batches)))))

    @rule(days=st.sampled_from((1, 10, 31)))
    def wait(self, days: int) -> None:
        """Time passes, and the worker runs."""
        self.now_us = min(self.now_us + days * DAY_US, world.at("2027-01-20T00:00"))
        self.set_clock()
        jobs.begin_windows(from_us(self.now_us))

    @rule()
    def close(self) -> None:
        """What is due is closed; what was closed stays as it is, byte by byte."""
        before = {term.pk: Statement.objects.filter(subscription=term).count() for term in self.terms}
        closing.close_due(self.now_us)
        for term in self.terms:
            statements = list(Statement.objects.filter(subscription=term).order_by("number"))
            assert [it.number for it in statements] == list(range(1, len(statements) + 1))
            for it in statements:
                assert self.records.setdefault(it.pk, json.dumps(it.record, sort_keys=True)) == json.dumps(
                    it.record, sort_keys=True
                )
            closed = [it.window_number for it in statements if it.window_number]
            # What came late is booked on the statement that is closed next.
            if len(statements) > before[term.pk]:
                booked = sum(Decimal(it.record["total"] or 0) for it in statements)
                found = metering.account_of(contracts.live(term), self.now_us + 1)
                fresh = sum((found.total(number).amount for number in closed), Decimal(0))  # type: ignore[union-attr]
                assert booked == fresh

    @rule(units=st.integers(1, 5), which=st.integers(0, 1))
    def buy(self, units: int, which: int) -> None:
        """More is bought, from now on."""
        term = self.terms[which]
        last = Quantity.objects.filter(subscription=term).order_by("-from_us").first()
        if last is None or last.from_us < self.now_us:
            more = units + (last.units if last else 0)
            Quantity.objects.create(subscription=term, from_us=self.now_us, units=more)
            metering.rebuild(term, self.now_us)

    @rule()
    def restart(self) -> None:
        """The server starts anew: nothing it knew by heart is left."""
        connection.close()
        contracts._parsed.cache_clear()

    @invariant()
    def counts_what_the_reference_counts(self) -> None:
        if not hasattr(self, "terms"):
            return
        for term in self.terms:
            term.refresh_from_db()
            live = contracts.live(term)
            begun = windows(live.subscription)[: live.windows_begun]
            until_us = begun[-1].end_us if begun else live.subscription.start_us
            facts = list(self.facts.values())
            expected = reference.meter(facts, live.subscription, until_us)
            assert sorted(_stored(term.pk)) == sorted(expected.activations)

    def teardown(self) -> None:
        if hasattr(self, "terms"):
            for term in self.terms:
                assert recounting.recount(term.pk).differences == []
        clock.source_ns = clock._system_ns


def _fact(row: dict[str, Any]) -> Fact:
    texts = {name: text for name, text in row.items() if name != "occurred_at"}
    return Fact(at_us=world.at(row["occurred_at"].removesuffix("Z")), **texts)


def _stored(term: int) -> Iterator[Activation]:
    """The live counts, with people's ids for their surrogates."""
    names = {str(person.pk): person.learner for person in Person.objects.all()}
    with connection.cursor() as cursor:
        cursor.execute(
            """select window_number, organisation, unit, object, guest, class, first_us, source, id, facts
               from activation where subscription = %s""",
            [term],
        )
        for row in cursor.fetchall():
            window, organisation, unit, object_, guest, *rest = row
            yield Activation(window, organisation, unit if guest else names[unit], object_, bool(guest), *rest)


LONG = os.environ.get("ROLLBOOK_LAWS") == "long"


def bounded(examples: int, steps: int) -> settings:
    """Each step is a transaction on a disk: what fails is told as it was found, unless somebody asks for less."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        phases=tuple(Phase) if LONG else (Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


TestService = pytest.mark.usefixtures("ledger")(Service.TestCase)
TestService.settings = bounded(examples=300 if LONG else 12, steps=25 if LONG else 12)
