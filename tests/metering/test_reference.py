"""The rule, one subtle sentence at a time, where facts count when they happen. The ledger is the docstring."""

from __future__ import annotations

from rollbook.model.fact import Fact
from rollbook.model.plan import Exemption, Meter, WindowRule
from tests.metering.found import active, fates, meter, proofs

LOGINS = Meter(counts=("login",))
GUESTS = Meter(counts=("session.entered",), guests="each-entry")
BLOCKS = WindowRule(kind="days", length_days=30)


# Instants.


def test_a_window_includes_its_start_and_excludes_its_end(ledger: list[Fact]) -> None:
    """
    at                           id  learner  type
    2025-12-31T23:59:59.999999Z  e1  ana      login
    2026-01-01T00:00Z            e2  bo       login
    2026-01-31T23:59:59.999999Z  e3  cy       login
    2026-02-01T00:00Z            e4  di       login
    2026-04-01T00:00Z            e5  eve      login
    """
    outcome = meter(ledger, LOGINS)
    assert active(outcome) == [(1, "bo", "new"), (1, "cy", "new"), (2, "di", "new")]
    assert fates(outcome)["e1"] == "history"
    assert fates(outcome)["e5"] == "not counted: outside the term"


def test_midnight_is_the_zones(ledger: list[Fact]) -> None:
    """In Kathmandu February begins at 18:15 UTC.

    at                 id  learner  type
    2026-01-31T18:14Z  e1  ana      login
    2026-01-31T18:15Z  e2  ana      login
    """
    assert proofs(meter(ledger, LOGINS, zone="Asia/Kathmandu")) == [
        (1, "ana", "2026-01-31T18:14Z", "e1", 1),
        (2, "ana", "2026-01-31T18:15Z", "e2", 1),
    ]


def test_the_first_fact_by_instant_then_source_then_id_is_the_proof(ledger: list[Fact]) -> None:
    """As bytes, Z comes before a, and é after both.

    at                 source  id  learner  type
    2026-01-10T00:00Z  é       e1  ana      login
    2026-01-10T00:00Z  a       e1  ana      login
    2026-01-10T00:00Z  Z       e3  ana      login
    2026-01-10T00:00Z  Z       e2  ana      login
    2026-01-11T00:00Z  A       e0  ana      login
    """
    outcome = meter(ledger, LOGINS)
    assert proofs(outcome) == [(1, "ana", "2026-01-10T00:00Z", "e2", 5)]
    assert outcome.activations[0].source == "Z"


def test_an_instant_continues_from_the_window_before_only(ledger: list[Fact]) -> None:
    """December is before the term; what happened then still makes January continue.

    at                 id  learner  type
    2025-12-31T00:00Z  e1  ana      login
    2026-01-31T00:00Z  e2  ana      login
    2026-03-01T00:00Z  e3  ana      login
    2024-01-01T00:00Z  e4  bo       login
    2026-03-01T00:00Z  e5  bo       login
    """
    assert active(meter(ledger, LOGINS)) == [
        (1, "ana", "continuing"),
        (3, "ana", "reactivated"),
        (3, "bo", "reactivated"),
    ]


def test_the_window_before_the_term_is_cut_like_the_term(ledger: list[Fact]) -> None:
    """The three months before are 92 days: blocks of 30, 30, and 32 from 30 November on.

    at                           id  learner  type
    2025-11-29T23:59:59.999999Z  e1  ana      login
    2025-11-30T00:00Z            e2  bo       login
    2026-01-01T00:00Z            e3  ana      login
    2026-01-01T00:00Z            e4  bo       login
    """
    assert active(meter(ledger, LOGINS, BLOCKS)) == [(1, "ana", "reactivated"), (1, "bo", "continuing")]


def test_the_second_fact_decides_where_two_are_asked_for(ledger: list[Fact]) -> None:
    """In February ana has one, so March does not continue.

    at                 id  learner  type
    2026-01-10T00:00Z  e1  ana      login
    2026-01-20T00:00Z  e2  ana      login
    2026-01-30T00:00Z  e3  ana      login
    2026-02-10T00:00Z  e4  ana      login
    2026-03-10T00:00Z  e5  ana      login
    2026-03-11T00:00Z  e6  ana      login
    """
    outcome = meter(ledger, Meter(counts=("login",), minimum=2))
    assert proofs(outcome) == [(1, "ana", "2026-01-20T00:00Z", "e2", 3), (3, "ana", "2026-03-11T00:00Z", "e6", 2)]
    assert active(outcome) == [(1, "ana", "new"), (3, "ana", "reactivated")]
    assert fates(outcome)["e1"] == "counted"
    assert fates(outcome)["e4"] == "not counted: below the minimum"


def test_a_unit_that_counts_once_ever_counts_in_its_first_window(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type
    2026-01-10T00:00Z  e1  ana      login
    2026-01-20T00:00Z  e2  ana      login
    2026-02-10T00:00Z  e3  ana      login
    2025-06-10T00:00Z  e4  bo       login
    2026-02-10T00:00Z  e5  bo       login
    """
    outcome = meter(ledger, Meter(counts=("login",), first_ever=True))
    assert active(outcome) == [(1, "ana", "new")]
    assert fates(outcome) == {
        "e1": "counted",
        "e2": "counted",
        "e3": "not counted: counted in an earlier window",
        "e4": "history",
        "e5": "not counted: counted in an earlier window",
    }


def test_a_learner_in_one_object_is_a_unit_where_the_plan_counts_enrolments(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type   object
    2026-01-10T00:00Z  e1  ana      login  A
    2026-01-11T00:00Z  e2  ana      login  B
    2026-01-12T00:00Z  e3  ana      login  A
    2026-02-10T00:00Z  e4  ana      login  B
    """
    assert active(meter(ledger, Meter(counts=("login",), unit="enrolment"))) == [
        (1, "ana A", "new"),
        (1, "ana B", "new"),
        (2, "ana B", "continuing"),
    ]


def test_the_same_id_in_two_organisations_is_two_units_or_one(ledger: list[Fact]) -> None:
    """
    at                 id  organisation  learner  type
    2026-01-10T00:00Z  e1  north         ana      login
    2026-02-10T00:00Z  e2  south         ana      login
    2026-02-11T00:00Z  e3  north         ana      login
    """
    assert active(meter(ledger, LOGINS)) == [(1, "ana", "new"), (2, "ana", "new"), (2, "ana", "continuing")]
    together = meter(ledger, Meter(counts=("login",), dedupe="customer"))
    assert active(together) == [(1, "ana", "new"), (2, "ana", "continuing")]
    assert [it.organisation for it in together.activations] == ["north", "south"]


def test_another_organisation_is_not_this_subscriptions(ledger: list[Fact]) -> None:
    """
    at                 id  organisation  learner  type
    2026-01-10T00:00Z  e1  north         ana      login
    2026-01-10T00:00Z  e2  west          ana      login
    """
    outcome = meter(ledger, LOGINS, organisations=("north", "south"))
    assert active(outcome) == [(1, "ana", "new")]
    assert fates(outcome) == {"e1": "counted", "e2": "not counted: other organisation"}


def test_an_exempt_role_counts_in_the_modes_that_are_named(ledger: list[Fact]) -> None:
    """A mode that is not stated is none of them.

    at                 id  learner  role         mode           type
    2026-01-10T00:00Z  e1  ana      facilitator  live           login
    2026-01-10T00:00Z  e2  bo       facilitator  live-flexible  login
    2026-01-10T00:00Z  e3  cy       facilitator  -              login
    2026-01-10T00:00Z  e4  di       learner      live           login
    """
    exempt = (Exemption("facilitator", ("live-flexible", "on-demand")),)
    outcome = meter(ledger, Meter(counts=("login",), exempt=exempt))
    assert [unit for _, unit, _ in active(outcome)] == ["bo", "di"]
    assert fates(outcome)["e3"] == "not counted: exempt role"


# Corrections.


def test_a_void_works_backwards_and_may_come_first(ledger: list[Fact]) -> None:
    """
    at                 source  id  learner  type         voids
    2026-01-05T00:00Z  lms     v1  -        fact.voided  e1
    2026-01-10T00:00Z  lms     e1  ana      login        -
    2026-01-11T00:00Z  lms     e2  bo       login        -
    2026-03-10T00:00Z  lms     v2  -        fact.voided  e2
    2026-01-12T00:00Z  lms     e3  cy       login        -
    2026-03-10T00:00Z  crm     v3  -        fact.voided  e3
    """
    outcome = meter(ledger, LOGINS)
    assert active(outcome) == [(1, "cy", "new")]
    assert fates(outcome) == {
        "v1": "correction",
        "e1": "not counted: voided",
        "e2": "not counted: voided",
        "v2": "correction",
        "e3": "counted",
        "v3": "correction",
    }


def test_a_void_cannot_be_taken_back(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type         voids
    2026-01-10T00:00Z  e1  ana      login        -
    2026-01-11T00:00Z  v1  -        fact.voided  e1
    2026-01-12T00:00Z  v2  -        fact.voided  v1
    """
    outcome = meter(ledger, LOGINS)
    assert active(outcome) == []
    assert fates(outcome)["v1"] == "correction"


def test_facts_before_a_link_keep_their_unit_and_the_class_looks_at_both_ids(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  bo       login            -
    2026-02-15T00:00Z  l1  ana      identity.linked  bo
    2026-02-20T00:00Z  e2  bo       login            -
    2026-03-20T00:00Z  e3  ana      login            -
    """
    assert active(meter(ledger, LOGINS)) == [(1, "bo", "new"), (2, "ana", "continuing"), (3, "ana", "continuing")]


def test_a_voided_link_never_was(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object  voids
    2026-01-10T00:00Z  l1  ana      identity.linked  bo      -
    2026-01-20T00:00Z  e1  bo       login            -       -
    2026-02-10T00:00Z  v1  -        fact.voided      -       l1
    """
    outcome = meter(ledger, LOGINS)
    assert active(outcome) == [(1, "bo", "new")]
    assert fates(outcome)["l1"] == "not counted: voided"


def test_voiding_one_of_two_survivors_leaves_the_other(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object  voids
    2026-01-10T00:00Z  l1  ana      identity.linked  bo      -
    2026-01-11T00:00Z  l2  cy       identity.linked  bo      -
    2026-01-20T00:00Z  e1  bo       login            -       -
    2026-02-10T00:00Z  v1  -        fact.voided      -       l2
    """
    outcome = meter(ledger, LOGINS)
    assert outcome.conflicts == []
    assert active(outcome) == [(1, "ana", "new")]


def test_links_in_a_circle_are_reported_and_join_nobody(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-01-10T00:00Z  l1  ana      identity.linked  bo
    2026-01-11T00:00Z  l2  bo       identity.linked  ana
    2026-01-20T00:00Z  e1  bo       login            -
    2026-01-20T00:00Z  e2  ana      login            -
    """
    outcome = meter(ledger, LOGINS)
    assert active(outcome) == [(1, "bo", "new"), (1, "ana", "new")]
    assert sorted(conflict.fact for conflict in outcome.conflicts) == ["l1", "l2"]
    assert fates(outcome)["l1"] == "correction"


def test_a_link_is_one_organisations(ledger: list[Fact]) -> None:
    """
    at                 id  organisation  learner  type             object
    2026-01-10T00:00Z  l1  north         ana      identity.linked  bo
    2026-01-20T00:00Z  e1  north         bo       login            -
    2026-01-21T00:00Z  e2  south         bo       login            -
    """
    assert [unit for _, unit, _ in active(meter(ledger, LOGINS))] == ["ana", "bo"]
    together = meter(ledger, Meter(counts=("login",), dedupe="customer"))
    assert [unit for _, unit, _ in active(together)] == ["ana"]


# Guests and entries.


def test_each_entry_of_a_guest_counts_and_is_new(ledger: list[Fact]) -> None:
    """
    at                 id  learner  role   type             object  session
    2026-01-10T09:00Z  e1  -        guest  session.entered  A       s1
    2026-01-10T09:00Z  e2  -        guest  session.entered  A       s1
    2026-02-10T09:00Z  e3  -        guest  session.entered  A       s1
    """
    assert active(meter(ledger, GUESTS)) == [(1, "e1", "new"), (1, "e2", "new"), (2, "e3", "new")]
    assert active(meter(ledger, Meter(counts=("session.entered",)))) == []


def test_a_guest_who_keeps_coming_back_within_the_grace_is_one_entry(ledger: list[Fact]) -> None:
    """Ten minutes are compared with the last entry, counted or not.

    at                           id  learner  role   type             object  session
    2026-01-10T09:00Z            e1  -        guest  session.entered  A       s1
    2026-01-10T09:10Z            e2  -        guest  session.entered  A       s1
    2026-01-10T09:20Z            e3  -        guest  session.entered  A       s1
    2026-01-10T09:30:00.000001Z  e4  -        guest  session.entered  A       s1
    """
    grace = Meter(counts=("session.entered",), guests="each-entry", reconnect_grace_seconds=10 * 60)
    outcome = meter(ledger, grace)
    assert [unit for _, unit, _ in active(outcome)] == ["e1", "e4"]
    assert [fates(outcome)[id_] for id_ in ("e2", "e3")] == ["not counted: reconnected"] * 2


def test_a_reconnection_across_the_start_of_a_window_belongs_to_the_entry_before(ledger: list[Fact]) -> None:
    """
    at                 id  learner  role   type             object  session
    2026-01-31T23:55Z  e1  -        guest  session.entered  A       s1
    2026-02-01T00:00Z  e2  -        guest  session.entered  A       s1
    """
    grace = Meter(counts=("session.entered",), guests="each-entry", reconnect_grace_seconds=10 * 60)
    assert active(meter(ledger, grace)) == [(1, "e1", "new")]


def test_entries_are_units_of_their_own_and_always_new(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  ana      session.entered  A
    2026-01-11T00:00Z  e2  ana      session.entered  A
    2026-02-10T00:00Z  e3  ana      session.entered  A
    """
    entries = Meter(counts=("session.entered",), unit="entry")
    assert active(meter(ledger, entries)) == [(1, "ana A", "new"), (1, "ana A", "new"), (2, "ana A", "new")]


# The instant up to which is metered.


def test_nothing_at_or_after_that_instant_is_known(ledger: list[Fact]) -> None:
    """
    at                           id  learner  type         voids
    2026-01-31T23:59:59.999999Z  e1  ana      login        -
    2026-02-01T00:00Z            e2  bo       login        -
    2026-02-01T00:00Z            v1  -        fact.voided  e1
    """
    outcome = meter(ledger, LOGINS, as_of="2026-02-01T00:00Z")
    assert active(outcome) == [(1, "ana", "new")]
    assert fates(outcome) == {
        "e1": "counted",
        "e2": "not counted: held in the future",
        "v1": "not counted: held in the future",
    }


def test_a_link_in_the_future_has_not_been_made(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  bo       login            -
    2026-02-01T00:00Z  l1  ana      identity.linked  bo
    2026-02-02T00:00Z  e2  bo       login            -
    """
    assert active(meter(ledger, LOGINS, as_of="2026-02-01T00:00Z")) == [(1, "bo", "new")]
    assert active(meter(ledger, LOGINS)) == [(1, "bo", "new"), (2, "ana", "continuing")]
