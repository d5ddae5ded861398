"""Whatever is wrong with a plan is said, all at once: where, what, and what to do about it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from rollbook.errors import PlanError, Problem
from rollbook.model.fact import MODES, ROLES
from rollbook.model.plan import Exemption, Meter, State, WindowRule, parse_plan, unknown_types
from rollbook.plans import PLAN_FILE, folder, published
from tests.model.changed import Path, at, misspellings, other_kinds, paths, place, renamed, replaced, toml

NAME = "our/plan.toml"

COUNTING = """
id = "every-key"
title = "Counts, with every key it may have"
vendor = "We"
summary = "All of it."
sources = ["https://example.org"]
read_on = 2026-11-22

[meter]
counts = ["session.entered", "login"]
unit = "learner"
guests = "each-entry"
reconnect_grace_seconds = 600
exempt = [{ role = "admin" }, { role = "facilitator", unless_modes = ["live-flexible", "on-demand"] }]
while = { on = ["account.enabled"], off = ["account.disabled"] }
minimum = 2
first_ever = true
dedupe = "customer"

[window]
kind = "days"
length_days = 30
remainder = "short-last"
term_months = 24
zone = "Europe/Paris"
"""

HOLDING = """
id = "every-other-key"
title = "Holds"

[meter]
unit = "enrolment"

[meter.holds]
on = ["enrolment.enabled"]
off = ["enrolment.disabled", "account.disabled"]
opens = "in-term"

[window]
kind = "anniversary-month"
"""

TEXTS = {
    "counting": COUNTING,
    "holding": HOLDING,
    **{plan.id: (folder(plan.id) / PLAN_FILE).read_text(encoding="utf-8") for plan in published()},
}
DOCUMENTS = {name: tomllib.loads(text) for name, text in TEXTS.items()}

every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)


def problems(text: str) -> list[Problem]:
    """What is wrong with the plan; nothing where it can be read."""
    try:
        parse_plan(text, NAME)
    except PlanError as error:
        return list(error.problems)
    return []


def said(text: str) -> list[tuple[str, str]]:
    """The place, without the file, and the rule of everything that is wrong."""
    found = problems(text)
    assert all(problem.place == NAME or problem.place.startswith(f"{NAME}: ") for problem in found)
    assert all(problem.remedy for problem in found)
    return [(problem.place.removeprefix(NAME).removeprefix(": "), problem.rule) for problem in found]


def changed(base: str, **values: Any) -> str:
    """The text of a plan with some keys of its meter, or with the value None without them."""
    document = tomllib.loads(base)
    for key, value in values.items():
        name = key.removesuffix("_")
        if value is None:
            del document["meter"][name]
        else:
            document["meter"][name] = value
    return toml(document)


def with_window(**values: Any) -> str:
    return toml({"id": "p", "title": "P", "meter": {"counts": ["login"]}, "window": values})


PLAIN = toml({"id": "p", "title": "P", "meter": {"counts": ["login"]}, "window": {"kind": "calendar-month"}})
HELD = toml({"id": "p", "title": "P", "meter": {"holds": {"on": ["on"], "off": ["off"]}}, "window": {"kind": "term"}})


# Reading.


def test_every_key_is_read() -> None:
    plan = parse_plan(COUNTING, NAME)
    assert plan.meter == Meter(
        counts=("session.entered", "login"),
        guests="each-entry",
        reconnect_grace_seconds=600,
        exempt=(Exemption("admin"), Exemption("facilitator", ("live-flexible", "on-demand"))),
        member_while=State(on=("account.enabled",), off=("account.disabled",)),
        minimum=2,
        first_ever=True,
        dedupe="customer",
    )
    assert plan.window == WindowRule(
        kind="days", length_days=30, remainder="short-last", term_months=24, zone="Europe/Paris"
    )
    stated = tomllib.loads(COUNTING)
    assert [plan.id, plan.title, plan.vendor, plan.summary, [*plan.sources], plan.read_on] == [
        stated[key] for key in ("id", "title", "vendor", "summary", "sources", "read_on")
    ]


def test_a_plan_that_holds_is_read() -> None:
    plan = parse_plan(HOLDING, NAME)
    holds = State(on=("enrolment.enabled",), off=("enrolment.disabled", "account.disabled"))
    assert plan.meter == Meter(holds=holds, opens="in-term", unit="enrolment")
    assert plan.window == WindowRule(kind="anniversary-month")


def test_what_is_left_out_has_its_default() -> None:
    plan = parse_plan(PLAIN)
    assert plan.meter == Meter(counts=("login",))
    assert plan.window == WindowRule(kind="calendar-month", remainder="merge-last", term_months=12, zone="UTC")
    assert (plan.vendor, plan.summary, plan.sources, plan.read_on) == ("", "", (), None)


def test_the_digest_is_of_the_text_and_changes_with_every_byte_of_it() -> None:
    digest = parse_plan(PLAIN).digest
    assert digest == parse_plan(PLAIN, "elsewhere.toml").digest == hashlib.sha256(PLAIN.encode()).hexdigest()
    assert parse_plan(PLAIN + "# a remark\n").digest != digest
    assert parse_plan(PLAIN + "\n").digest != digest


def test_the_types_of_a_meter_are_all_that_it_gives_a_meaning_to() -> None:
    assert parse_plan(COUNTING).meter.types == ("session.entered", "login", "account.enabled", "account.disabled")
    assert parse_plan(HOLDING).meter.types == ("enrolment.enabled", "enrolment.disabled", "account.disabled")


def test_a_type_that_nobody_knows_is_allowed_and_advised_on() -> None:
    [advice] = unknown_types(parse_plan(changed(PLAIN, counts=["login", "sesion.entered", "our.own"])))[:1]
    assert advice.rule == '"sesion.entered" is not one of the known types (nearest: session.entered)'
    assert unknown_types(parse_plan(PLAIN)) == ()


# Typos.


def known_keys(document: dict[str, Any], table: Path) -> set[str]:
    """The keys that a table may have, as a problem about a key that it may not have lists them."""
    found = problems(replaced(document, (*table, "xyzzy"), 1))
    [remedy] = [it.remedy for it in found if it.place == f"{NAME}: {place((*table, 'xyzzy'))}"]
    return set(remedy.removeprefix("known keys: ").split(", "))


def test_the_two_plans_use_every_key_there_is() -> None:
    used: dict[Path, set[str]] = {}
    known: dict[Path, set[str]] = {}
    for document in (DOCUMENTS["counting"], DOCUMENTS["holding"]):
        for path in paths(document):
            used.setdefault(path[:-1], set()).add(str(path[-1]))
            known.setdefault(path[:-1], set()).update(known_keys(document, path[:-1]))
    first_exemption: Path = ("meter", "exempt", 0)
    assert used.pop(first_exemption) < known.pop(first_exemption)
    assert used == known


@every_document
def test_a_typo_in_any_key_names_the_file_the_typo_and_the_key_that_was_meant(document: dict[str, Any]) -> None:
    for path in paths(document):
        key = str(path[-1])
        for typo in misspellings(key):
            if typo in known_keys(document, path[:-1]):
                continue
            meant = (place((*path[:-1], typo)), f"there is no key {typo} here (nearest: {key})")
            assert meant in said(renamed(document, path, typo))


def test_a_key_that_is_near_to_none_is_only_refused() -> None:
    assert said(PLAIN + "xyzzy = 1\n") == [("xyzzy", "there is no key xyzzy here")]
    [problem] = problems(PLAIN + "xyzzy = 1\n")
    assert problem.remedy == "known keys: id, meter, read_on, sources, summary, title, vendor, window"


# Values.

TABLES = {"meter", "window", "holds", "while"}


@every_document
def test_a_value_of_another_kind_is_refused_for_any_key(document: dict[str, Any]) -> None:
    for path in paths(document):
        for words, other in other_kinds(at(document, path)):
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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("role", ROLES)
def test_every_role_and_mode_may_be_exempt(role: str, mode: str) -> None:
    assert said(changed(PLAIN, exempt=[{"role": role, "unless_modes": [mode]}])) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    text = 'id = 7\ncolour = "red"\n[meter]\ncounts = ["login"]\nminimum = 0\n[window]\nkind = "weeks"\n'
    assert sorted(where for where, _ in said(text)) == ["colour", "id", "meter.minimum", "title", "window.kind"]


# Text that is not TOML.


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('id = "p"\ntitle = "P"\n[meter\n', 3),
        ('id = "p"\ntitle = P\n', 2),
        ('id = "p"\nid = "q"\n', 2),
        ('id = "p"\n\n\n= 1\n', 4),
    ],
)
def test_a_syntax_error_names_its_line_and_nothing_else_is_said(text: str, line: int) -> None:
    [problem] = problems(text)
    assert problem.place == NAME
    assert problem.rule.startswith("this is not TOML: ")
    assert f"(at line {line}, " in problem.rule
    assert problem.remedy == "correct the syntax there"


def test_text_that_is_nested_without_end_is_not_toml() -> None:
    [problem] = problems("id = " + "[" * 100_000)
    assert problem.rule.startswith("this is not TOML: ")
