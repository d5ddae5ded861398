"""Reports of learners: who was active and who extra, how everybody stands, events, and a list to reconcile."""

from __future__ import annotations

from .ledgers import ENROLMENTS, ENTRIES, LOGINS, POOL, SEATS, facts, metered, rows


def test_mau_lists_the_active_in_order_and_says_who_is_extra() -> None:
    """D-10: two are included; whoever came after them in January is extra, and first in February is not."""
    ledger = facts("ann 01-05", "bob 01-06", "cy 01-07", "ann 01-08", "dee 01-09", "cy 02-01")
    found = rows(metered(LOGINS, ledger, bought=2), "mau", "window", "learner", "first_at", "standing", by="learner")
    assert found == [
        (1, "ann", "01-05", "included"),
        (1, "bob", "01-06", "included"),
        (1, "cy", "01-07", "extra"),
        (1, "dee", "01-09", "extra"),
        (2, "cy", "02-01", "included"),
    ]


def test_extra_seats_are_those_of_the_last_to_sit_down() -> None:
    ledger = facts("ann 01-05", "bob 01-06")
    found = rows(metered(SEATS, ledger, bought=1), "mau", "learner", "standing", by="learner")
    assert found == [("ann", "included"), ("bob", "extra")]


def test_users_add_up_to_what_was_used() -> None:
    """S-27, S-32: of a pool of 3, Ann uses two and Bob one; Cy comes when it is used up. Four facts, one row each."""
    ledger = facts("ann 01-05", "ann 01-09", "bob 01-06", "ann 02-05", "ann 02-19T08:30", "cy 02-06")
    columns = ("learner", "windows", "used", "included", "extra", "first_at", "last_at", "active_now")
    assert rows(metered(POOL, ledger, end="03-02"), "users", *columns) == [
        ("ann", 2, 2, 2, 0, "01-05", "02-19 08:30", True),
        ("bob", 1, 1, 1, 0, "01-06", "01-06", False),
        ("cy", 1, 1, 0, 1, "02-06", "02-06", True),
    ]


def test_users_have_the_guests_of_an_organisation_in_one_row() -> None:
    ledger = facts("ann 01-05", "- 01-06", "- 02-07", type_="session.entered")
    found = rows(metered(ENTRIES, ledger, bought=1), "users", "learner", "kind", "windows", "used", "included", "extra")
    assert found == [("", "guests", 2, 2, 1, 1), ("ann", "learner", 1, 1, 1, 0)]


def test_users_of_seats_say_when_they_sat_down_and_got_up() -> None:
    """Ann comes back: taken first on 5 January, twice in all; Bob has left; Cy was here last year only."""
    ledger = facts(
        "cy 2025-06-01",
        "ann 01-05",
        "bob 01-06",
        "ann 01-20 account.disabled",
        "bob 01-21 account.disabled",
        "ann 02-02",
    )
    columns = ("learner", "windows", "taken_at", "released_at", "times", "holds_now")
    assert rows(metered(SEATS, ledger, bought=2), "users", *columns) == [
        ("ann", 1, "01-05", None, 2, True),
        ("bob", 1, "01-06", "01-21", 1, False),
    ]


def test_metering_events_of_a_state_follow_its_first_on_and_last_off() -> None:
    """W-02 to W-04, W-c: two enrolments overlap and are one presence; on the 1st who is on goes on by itself.

    Bob's last one ends at the first instant of February: he is not active in it, and has no class there.
    """
    ledger = facts(
        "ann 01-05 enrolment.enabled object=a",
        "ann 01-06 enrolment.enabled object=b",
        "ann 01-07 enrolment.disabled object=a",
        "ann 02-10 enrolment.disabled object=b",
        "ann 03-03 enrolment.enabled object=a",
        "bob 01-08 enrolment.enabled object=a",
        "bob 02-01 enrolment.disabled object=a",
    )
    found = rows(
        metered(ENROLMENTS, ledger, end="04-01"), "metering-events", "window", "learner", "event", "at", "class", "fact"
    )
    assert found == [
        (1, "ann", "activated", "01-05", "new", "1"),
        (1, "bob", "activated", "01-08", "new", "6"),
        (2, "ann", "continuing", "02-01", "continuing", "1"),
        (2, "bob", "deactivated", "02-01", "", "7"),
        (2, "ann", "deactivated", "02-10", "continuing", "4"),
        (3, "ann", "activated", "03-03", "reactivated", "5"),
    ]


def test_what_begins_with_a_window_is_activated_and_does_not_go_on() -> None:
    found = rows(
        metered(ENROLMENTS, facts("ann 02-01 enrolment.enabled object=a")), "metering-events", "event", "class"
    )
    assert found == [("activated", "new")]


def test_what_was_switched_on_and_off_at_once_has_both_events() -> None:
    """W-12."""
    ledger = facts("ann 01-05 enrolment.enabled object=a", "ann 01-05 enrolment.disabled object=a")
    found = rows(metered(ENROLMENTS, ledger, end="02-01"), "metering-events", "event", "at", "class", "fact")
    assert found == [("activated", "01-05", "new", "1"), ("deactivated", "01-05", "new", "2")]


def test_metering_events_of_what_happens_are_activations_alone() -> None:
    found = rows(
        metered(LOGINS, facts("ann 01-05", "ann 01-06", "ann 02-05")), "metering-events", "event", "at", "class"
    )
    assert found == [("activated", "01-05", "new"), ("activated", "02-05", "continuing")]


def test_status_has_everybody_in_every_window() -> None:
    """W-33: Ann is on with two enrolments in January, one of them twice, and with one in February; Bob begins in February."""
    ledger = facts(
        "ann 01-05 enrolment.enabled object=a",
        "ann 01-06 enrolment.enabled object=b",
        "ann 01-07 enrolment.disabled object=a",
        "ann 01-08 enrolment.enabled object=a",
        "ann 01-09 enrolment.disabled object=a",
        "bob 02-06 enrolment.enabled object=a",
    )
    columns = ("window", "learner", "active", "since", "class", "objects", "fact")
    assert rows(metered(ENROLMENTS, ledger), "status", *columns) == [
        (1, "ann", True, "01-05", "new", 2, "1"),
        (1, "bob", False, None, "", 0, ""),
        (2, "ann", True, "02-01", "continuing", 1, "1"),
        (2, "bob", True, "02-06", "new", 1, "6"),
    ]


def test_status_of_what_happens_counts_facts_and_objects() -> None:
    ledger = facts("ann 01-05 object=a", "ann 01-06 object=a", "ann 01-07 object=b", "bob 02-01")
    found = rows(metered(LOGINS, ledger), "status", "window", "learner", "active", "objects", "facts", "organisation")
    assert found == [
        (1, "ann", True, 2, 3, "north"),
        (1, "bob", False, 0, 0, "north"),
        (2, "ann", False, 0, 0, "north"),
        (2, "bob", True, 0, 1, "north"),
    ]


def test_status_of_a_learner_counted_once_for_a_customer_has_one_row() -> None:
    one = LOGINS.replace("[window]", 'dedupe = "customer"\n[window]')
    ledger = facts("ann 01-05", "ann 01-06 organisation=south")
    found = rows(metered(one, ledger, end="02-01"), "status", "organisation", "learner", "facts")
    assert found == [("north", "ann", 2)]


def test_a_learner_in_two_courses_is_two_rows_where_the_plan_counts_enrolments() -> None:
    plan = ENROLMENTS.replace("[window]", 'unit = "enrolment"\n[window]')
    ledger = facts("ann 01-05 enrolment.enabled object=a", "ann 01-06 enrolment.enabled object=b")
    result = metered(plan, ledger, end="02-01")
    assert rows(result, "users", "learner", "object", "windows") == [("ann", "a", 1), ("ann", "b", 1)]
