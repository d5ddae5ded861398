"""The rule, one subtle sentence at a time, where states last. The ledger is the docstring."""

from __future__ import annotations

from rollbook.model.fact import Fact
from rollbook.model.plan import Meter, State, WindowRule
from tests.metering.found import active, fates, held, meter, proofs

ENROLMENTS = Meter(holds=State(on=("on",), off=("off",)))
MEMBERS = Meter(counts=("login",), member_while=State(on=("account.enabled",), off=("account.disabled",)))
SEATS = Meter(holds=State(on=("login",), off=("account.disabled",)), opens="in-term")


def test_whoever_is_on_is_active_in_every_window_until_switched_off(ledger: list[Fact]) -> None:
    """Off at the first instant of March is not in March.

    at                 id  learner  type  object
    2025-12-10T00:00Z  e1  ana      on    A
    2026-03-01T00:00Z  e2  ana      off   A
    """
    outcome = meter(ledger, ENROLMENTS)
    assert active(outcome) == [(1, "ana", "continuing"), (2, "ana", "continuing")]
    assert proofs(outcome) == [(1, "ana", "2026-01-01T00:00Z", "e1", 1), (2, "ana", "2026-02-01T00:00Z", "e1", 1)]


def test_on_and_off_at_the_first_instant_of_a_window_counts_there(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-02-01T00:00Z  e1  ana      on    A
    2026-02-01T00:00Z  e2  ana      off   A
    """
    outcome = meter(ledger, ENROLMENTS)
    assert active(outcome) == [(2, "ana", "new")]
    assert held(outcome) == [("ana", "2026-02-01T00:00Z", "2026-02-01T00:00Z", "e1", "e2")]


def test_a_presence_of_no_length_as_a_span_ends_counts_in_the_window_that_begins(ledger: list[Fact]) -> None:
    """A lasted through January. B, at the first instant of February, makes ana come back for that instant.

    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-02-01T00:00Z  e2  ana      off   A
    2026-02-01T00:00Z  e3  ana      on    B
    2026-02-01T00:00Z  e4  ana      off   B
    """
    assert active(meter(ledger, ENROLMENTS)) == [(1, "ana", "new"), (2, "ana", "reactivated")]


def test_off_and_on_within_a_window_by_someone_on_at_its_start_is_continuing(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-02-10T00:00Z  e2  ana      off   A
    2026-02-20T00:00Z  e3  ana      on    A
    2026-02-25T00:00Z  e4  ana      off   A
    """
    outcome = meter(ledger, ENROLMENTS)
    assert active(outcome) == [(1, "ana", "new"), (2, "ana", "continuing")]
    assert proofs(outcome)[1] == (2, "ana", "2026-02-01T00:00Z", "e1", 2)


def test_off_and_on_in_the_window_of_the_first_on_is_new(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-02-10T00:00Z  e1  ana      on    A
    2026-02-15T00:00Z  e2  ana      off   A
    2026-02-20T00:00Z  e3  ana      on    A
    """
    outcome = meter(ledger, ENROLMENTS)
    assert active(outcome) == [(2, "ana", "new"), (3, "ana", "continuing")]
    assert proofs(outcome)[0] == (2, "ana", "2026-02-10T00:00Z", "e1", 2)


def test_off_and_on_again_in_the_window_before_is_continuing(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2025-12-10T00:00Z  e1  ana      on    A
    2026-01-10T00:00Z  e2  ana      off   A
    2026-01-20T00:00Z  e3  ana      on    A
    2026-02-20T00:00Z  e4  ana      off   A
    """
    assert active(meter(ledger, ENROLMENTS)) == [(1, "ana", "continuing"), (2, "ana", "continuing")]


def test_a_record_added_long_ago_is_new_when_it_is_first_switched_on(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2024-01-10T00:00Z  e1  ana      account.created  -
    2024-01-10T00:00Z  e2  ana      off              A
    2026-02-10T00:00Z  e3  ana      on               A
    """
    assert active(meter(ledger, ENROLMENTS)) == [(2, "ana", "new"), (3, "ana", "continuing")]


def test_on_again_after_a_window_of_absence_is_reactivated(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-01-20T00:00Z  e2  ana      off   A
    2026-03-10T00:00Z  e3  ana      on    A
    """
    assert active(meter(ledger, ENROLMENTS)) == [(1, "ana", "new"), (3, "ana", "reactivated")]


def test_both_ids_of_a_link_within_a_window_are_active_and_neither_is_new(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type             object
    2026-01-10T00:00Z  e1  bo       on               A
    2026-02-15T00:00Z  l1  ana      identity.linked  bo
    """
    outcome = meter(ledger, ENROLMENTS)
    assert active(outcome) == [
        (1, "bo", "new"),
        (2, "bo", "continuing"),
        (2, "ana", "continuing"),
        (3, "ana", "continuing"),
    ]
    assert held(outcome) == [
        ("bo", "2026-01-10T00:00Z", "2026-02-15T00:00Z", "e1", "l1"),
        ("ana", "2026-02-15T00:00Z", "null", "l1", "-"),
    ]


def test_a_learner_in_one_object_lasts_for_each_object(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-01-11T00:00Z  e2  ana      on    B
    2026-02-01T00:00Z  e3  ana      off   A
    2026-02-02T00:00Z  e4  ana      off   -
    """
    outcome = meter(ledger, Meter(holds=ENROLMENTS.holds, unit="enrolment"))
    assert active(outcome) == [(1, "ana A", "new"), (1, "ana B", "new"), (2, "ana B", "continuing")]


def test_one_learner_across_organisations_is_present_while_any_of_them_lasts(ledger: list[Fact]) -> None:
    """
    at                 id  organisation  learner  type  object
    2026-01-10T00:00Z  e1  north         ana      on    A
    2026-01-20T00:00Z  e2  south         ana      on    A
    2026-01-25T00:00Z  e3  north         ana      off   A
    2026-02-10T00:00Z  e4  south         ana      off   -
    """
    apart = meter(ledger, ENROLMENTS)
    assert [(it.window, it.organisation) for it in apart.activations] == [(1, "north"), (1, "south"), (2, "south")]
    together = meter(ledger, Meter(holds=ENROLMENTS.holds, dedupe="customer"))
    assert held(together) == [("ana", "2026-01-10T00:00Z", "2026-02-10T00:00Z", "e1", "e4")]
    assert [(it.window, it.organisation) for it in together.activations] == [(1, "north"), (2, "north")]


def test_a_seat_of_the_term_needs_a_login_within_the_term(ledger: list[Fact]) -> None:
    """Ana and bo had seats last year; only ana logs in again, at the first instant of the term.

    at                 id  learner  type
    2025-12-10T00:00Z  e1  ana      login
    2025-12-10T00:00Z  e2  bo       login
    2026-01-01T00:00Z  e3  ana      login
    2026-02-10T00:00Z  e4  cy       login
    2026-02-11T00:00Z  e5  bo       account.disabled
    """
    outcome = meter(ledger, SEATS, WindowRule(kind="term"))
    assert active(outcome) == [(1, "ana", "reactivated"), (1, "cy", "new")]
    assert held(outcome) == [
        ("ana", "2026-01-01T00:00Z", "null", "e3", "-"),
        ("cy", "2026-02-10T00:00Z", "null", "e4", "-"),
    ]
    assert fates(outcome) == {
        "e1": "history",
        "e2": "history",
        "e3": "state: opened",
        "e4": "state: opened",
        "e5": "state: redundant",
    }


def test_a_guest_has_no_status_that_could_last(ledger: list[Fact]) -> None:
    """
    at                 id  learner  role   type  object
    2026-01-10T00:00Z  e1  -        guest  on    A
    2026-01-11T00:00Z  e2  ana      learner  off  A
    """
    outcome = meter(ledger, ENROLMENTS)
    assert active(outcome) == []
    assert fates(outcome) == {"e1": "not counted: nobody named", "e2": "state: redundant"}


def test_what_switches_after_the_term_switches_nothing_in_it(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type  object
    2026-03-10T00:00Z  e1  ana      on    A
    2026-04-01T00:00Z  e2  ana      off   A
    """
    outcome = meter(ledger, ENROLMENTS)
    assert held(outcome) == [("ana", "2026-03-10T00:00Z", "null", "e1", "-")]
    assert fates(outcome)["e2"] == "not counted: outside the term"


def test_a_voided_off_leaves_the_learner_on(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type         object  voids
    2026-01-10T00:00Z  e1  ana      on           A       -
    2026-01-20T00:00Z  e2  ana      off          A       -
    2026-02-10T00:00Z  v1  -        fact.voided  -       e2
    """
    assert held(meter(ledger, ENROLMENTS)) == [("ana", "2026-01-10T00:00Z", "null", "e1", "-")]


# Membership.


def test_only_what_a_member_does_counts(ledger: list[Fact]) -> None:
    """
    at                           id  learner  type
    2025-12-10T00:00Z            e1  ana      account.enabled
    2026-01-10T00:00Z            e2  ana      login
    2026-01-19T23:59:59.999999Z  e3  ana      login
    2026-01-20T00:00Z            e4  ana      account.disabled
    2026-01-20T00:00Z            e5  ana      login
    2026-01-10T00:00Z            e6  bo       login
    """
    outcome = meter(ledger, MEMBERS)
    assert proofs(outcome) == [(1, "ana", "2026-01-10T00:00Z", "e2", 2)]
    assert fates(outcome) == {
        "e1": "history",
        "e2": "counted",
        "e3": "counted",
        "e4": "state: closed",
        "e5": "not counted: not a member",
        "e6": "not counted: not a member",
    }


def test_membership_passes_to_the_survivor_of_a_link(ledger: list[Fact]) -> None:
    """Before the link ana was no member; from then on she is bo.

    at                           id  learner  type             object
    2026-01-10T00:00Z            e1  bo       account.enabled  -
    2026-01-31T23:59:59.999999Z  e2  ana      login            -
    2026-02-01T00:00Z            l1  ana      identity.linked  bo
    2026-02-01T00:00Z            e3  ana      login            -
    """
    outcome = meter(ledger, MEMBERS)
    assert active(outcome) == [(2, "ana", "new")]
    assert fates(outcome)["e2"] == "not counted: not a member"


def test_an_organisation_that_never_says_who_is_a_member_may_be_taken_at_its_word(ledger: list[Fact]) -> None:
    """
    at                 id  organisation  learner  type
    2026-01-10T00:00Z  e1  north         ana      account.enabled
    2026-01-11T00:00Z  e2  north         bo       login
    2026-01-11T00:00Z  e3  south         bo       login
    """
    outcome = meter(ledger, MEMBERS, assumed=frozenset({"south"}))
    assert [(it.organisation, it.unit) for it in outcome.activations] == [("south", "bo")]


# The instant up to which is metered.


def test_a_span_goes_on_until_an_end_is_known_and_later_windows_are_absent(ledger: list[Fact]) -> None:
    """At the first instant of February no instant of February has passed; a microsecond later one has.

    at                 id  learner  type  object
    2026-01-10T00:00Z  e1  ana      on    A
    2026-02-10T00:00Z  e2  ana      off   A
    """
    before = meter(ledger, ENROLMENTS, as_of="2026-02-01T00:00Z")
    assert active(before) == [(1, "ana", "new")]
    assert held(before) == [("ana", "2026-01-10T00:00Z", "null", "e1", "-")]
    assert fates(before)["e2"] == "not counted: held in the future"
    after = meter(ledger, ENROLMENTS, as_of="2026-02-01T00:00:00.000001Z")
    assert active(after) == [(1, "ana", "new"), (2, "ana", "continuing")]


def test_of_a_term_that_has_not_begun_there_is_history_and_nothing_else(ledger: list[Fact]) -> None:
    """
    at                 id  learner  type   object
    2025-12-10T00:00Z  e1  ana      on     A
    2026-01-10T00:00Z  e2  ana      off    A
    """
    outcome = meter(ledger, ENROLMENTS, as_of="2026-01-01T00:00Z")
    assert active(outcome) == []
    assert held(outcome) == []
    assert fates(outcome) == {"e1": "history", "e2": "not counted: held in the future"}
