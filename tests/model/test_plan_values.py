"""What a key may not say, and what the keys of a plan may not say together."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from rollbook.model.fact import MODES, ROLES
from tests.model.changed import at, other_kinds, paths, place, replaced, toml
from tests.model.plans import COUNTING, HELD, NAME, PLAIN, changed, every_document, problems, said, with_window

TABLES = {"meter", "window", "holds", "while", "allowance", "limit", "governance", "tariff", "base", "overage"}
AMOUNTS = {"rate", "flat"}


@every_document
def test_a_value_of_another_kind_is_refused_for_any_key(document: dict[str, Any]) -> None:
    for path in paths(document):
        for words, other in other_kinds(at(document, path)):
            if path[-1] in AMOUNTS and isinstance(other, int | float) and not isinstance(other, bool):
                continue  # 7 and 7.5 are amounts both
            [first, *_] = [rule for where, rule in said(replaced(document, path, other)) if where == place(path)]
            assert first.startswith("expected a table, " if path[-1] in TABLES else "expected "), path
            assert first.endswith(f", found {words}"), path


@pytest.mark.parametrize(
    ("text", "where", "rule"),
    [
        (changed(PLAIN, minimum=0), "meter.minimum", "expected a whole number from 1 to 1000, found 0"),
        (changed(PLAIN, minimum=1001), "meter.minimum", "expected a whole number from 1 to 1000, found 1001"),
        (
            changed(COUNTING, reconnect_grace_seconds=-1),
            "meter.reconnect_grace_seconds",
            "expected a whole number from 0 to 86400, found -1",
        ),
        (
            changed(COUNTING, reconnect_grace_seconds=24 * 3600 + 1),
            "meter.reconnect_grace_seconds",
            f"expected a whole number from 0 to {24 * 3600}, found {24 * 3600 + 1}",
        ),
        (
            changed(PLAIN, unit="lerner"),
            "meter.unit",
            'expected one of learner, enrolment, entry, found "lerner" (nearest: learner)',
        ),
        (changed(PLAIN, guests="all"), "meter.guests", 'expected one of free, each-entry, found "all"'),
        (
            changed(PLAIN, dedupe="organization"),
            "meter.dedupe",
            'expected one of organisation, customer, found "organization" (nearest: organisation)',
        ),
        (changed(PLAIN, counts=["login", "login"]), "meter.counts", '"login" stands twice'),
        (
            changed(PLAIN, counts=["login", ""]),
            "meter.counts",
            'expected a list of texts, such as ["login"], found something else among them',
        ),
        (
            changed(PLAIN, counts=["login", 7]),
            "meter.counts",
            'expected a list of texts, such as ["login"], found something else among them',
        ),
        (
            changed(PLAIN, exempt=[{"role": "admin"}, {"role": "managr"}]),
            "meter.exempt[2].role",
            f'expected one of {", ".join(ROLES)}, found "managr" (nearest: manager)',
        ),
        (
            changed(PLAIN, exempt=[{"role": "admin", "unless_modes": ["flexible"]}]),
            "meter.exempt[1].unless_modes",
            '"flexible" is not a mode (nearest: live-flexible)',
        ),
        (
            with_window(kind="month"),
            "window.kind",
            'expected one of calendar-month, anniversary-month, days, term, found "month" (nearest: calendar-month)',
        ),
        (
            with_window(kind="days", length_days=0),
            "window.length_days",
            "expected a whole number from 1 to 3660, found 0",
        ),
        (
            with_window(kind="term", term_months=601),
            "window.term_months",
            f"expected a whole number from 1 to {50 * 12}, found 601",
        ),
        (with_window(kind="term", zone="Europe/Pariss"), "window.zone", 'there is no time zone "Europe/Pariss"'),
        (with_window(kind="term", zone="../UTC"), "window.zone", 'there is no time zone "../UTC"'),
        (with_window(kind="term", zone=""), "window.zone", 'there is no time zone ""'),
        ("read_on = 1969-12-31\n" + PLAIN, "read_on", "1969-12-31 is outside the years 1970 to 2199"),
        ("read_on = 2200-01-01\n" + PLAIN, "read_on", "2200-01-01 is outside the years 1970 to 2199"),
        (PLAIN.replace('"P"', '""'), "title", "title is empty"),
    ],
)
def test_a_value_out_of_bounds_is_refused(text: str, where: str, rule: str) -> None:
    assert said(text) == [(where, rule)]


def test_an_exemption_is_a_table() -> None:
    assert said(changed(PLAIN, exempt=["admin"]))[0] == ("meter.exempt[1]", 'expected a table, found the text "admin"')


@pytest.mark.parametrize(
    "text",
    [
        changed(PLAIN, minimum=1000),
        changed(COUNTING, reconnect_grace_seconds=24 * 3600),
        with_window(kind="days", length_days=3660),
        with_window(kind="term", term_months=50 * 12),
        "read_on = 1970-01-01\n" + PLAIN,
        "read_on = 2199-12-31\n" + PLAIN,
    ],
)
def test_bounds_are_inside(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize("key", ["id", "title"])
def test_an_identity_is_needed(key: str) -> None:
    document = {name: value for name, value in tomllib.loads(PLAIN).items() if name != key}
    assert said(toml(document)) == [(key, f'{key} is missing; expected text in quotes, such as "…"')]


@pytest.mark.parametrize("table", ["meter", "window"])
def test_both_tables_are_needed(table: str) -> None:
    document = {name: value for name, value in tomllib.loads(PLAIN).items() if name != table}
    assert said(toml(document)) == [(table, f"the table [{table}] is missing")]


def test_a_kind_of_window_is_needed() -> None:
    kinds = "calendar-month, anniversary-month, days, term"
    assert said(with_window(zone="UTC")) == [("window.kind", f"kind is missing; expected one of {kinds}")]


# Contradictions.


@pytest.mark.parametrize(
    ("text", "where", "rule"),
    [
        (changed(PLAIN, counts=None), "meter", "a meter either counts facts or holds spans"),
        (changed(PLAIN, counts=[]), "meter", "a meter either counts facts or holds spans"),
        (changed(HELD, counts=["login"]), "meter", "a meter either counts facts or holds spans"),
        (
            changed(HELD, guests="each-entry"),
            "meter.guests",
            "guests does not go with holds: guests have no status that could last",
        ),
        (
            changed(HELD, while_={"on": ["here"]}),
            "meter.while",
            "while does not go with holds: it restricts facts that count at an instant",
        ),
        (changed(HELD, minimum=2), "meter.minimum", "minimum does not go with holds: it counts facts within a window"),
        (
            changed(HELD, first_ever=True),
            "meter.first_ever",
            "first_ever does not go with holds: it is about facts that count at an instant",
        ),
        (changed(HELD, unit="entry"), "meter.unit", "unit does not go with holds: a span is not an entry"),
        (
            changed(PLAIN, reconnect_grace_seconds=1),
            "meter.reconnect_grace_seconds",
            "it needs guests that count",
        ),
        (
            changed(PLAIN, unit="entry", minimum=2),
            "meter.unit",
            "an entry happens once: minimum and first_ever do not apply",
        ),
        (
            changed(PLAIN, unit="entry", first_ever=True),
            "meter.unit",
            "an entry happens once: minimum and first_ever do not apply",
        ),
        (
            changed(PLAIN, while_={"on": ["login"], "off": ["account.disabled"]}),
            "meter",
            '"login" is named for two purposes',
        ),
        (changed(HELD, holds={"on": ["it"], "off": ["it"]}), "meter", '"it" is named for two purposes'),
        (
            changed(PLAIN, while_={"on": ["it"], "off": ["it"]}),
            "meter",
            '"it" is named for two purposes',
        ),
        (changed(HELD, holds={"on": [], "off": ["off"]}), "meter.holds.on", "nothing would ever switch on"),
        (changed(PLAIN, while_={"on": []}), "meter.while.on", "nothing would ever switch on"),
        (
            with_window(kind="calendar-month", length_days=30),
            "window.length_days",
            'length_days goes with kind = "days" only',
        ),
        (
            with_window(kind="term", remainder="merge-last"),
            "window.remainder",
            'remainder goes with kind = "days" only',
        ),
        (
            with_window(kind="days"),
            "window.length_days",
            "length_days is missing; expected a whole number from 1 to 3660",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(text: str, where: str, rule: str) -> None:
    assert said(text) == [(where, rule)]


def test_a_grace_for_guests_does_not_go_with_holds_either() -> None:
    found = problems(changed(HELD, reconnect_grace_seconds=1))
    assert found[0].rule == "reconnect_grace_seconds does not go with holds: it is about guests' entries"
    assert {problem.place for problem in found} == {f"{NAME}: meter.reconnect_grace_seconds"}


@pytest.mark.parametrize("type_", ["fact.voided", "identity.linked"])
@pytest.mark.parametrize(
    "text",
    [
        lambda it: changed(PLAIN, counts=[it]),
        lambda it: changed(PLAIN, while_={"on": [it]}),
        lambda it: changed(HELD, holds={"on": [it]}),
        lambda it: changed(HELD, holds={"on": ["on"], "off": [it]}),
    ],
    ids=["counts", "while", "on", "off"],
)
def test_a_correction_cannot_count(text: Callable[[str], str], type_: str) -> None:
    assert said(text(type_)) == [("meter", f'"{type_}" corrects other facts and cannot count')]


def test_what_only_describes_an_enrolment_cannot_count() -> None:
    for type_, what in (("enrolment.changed", "an enrolment"), ("account.changed", "an account")):
        rule = f'"{type_}" only describes {what} and cannot count'
        assert said(changed(PLAIN, counts=[type_])) == [("meter", rule)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("role", ROLES)
def test_every_role_and_mode_may_be_exempt(role: str, mode: str) -> None:
    assert said(changed(PLAIN, exempt=[{"role": role, "unless_modes": [mode]}])) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    text = 'id = 7\ncolour = "red"\n[meter]\ncounts = ["login"]\nminimum = 0\n[window]\nkind = "weeks"\n'
    assert sorted(where for where, _ in said(text)) == ["colour", "id", "meter.minimum", "title", "window.kind"]
