"""Whatever is wrong with a subscription is said, all at once: where, what, and what to do about it."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import pytest

from rollbook.errors import PlanError, Problem, SubscriptionError
from rollbook.model.plan import Plan, parse_plan
from rollbook.model.subscription import Subscription, default_end
from rollbook.model.subscription_file import parse_subscription
from rollbook.plans import find_plan
from tests.metering.written import us
from tests.model.changed import Path, at, misspellings, other_kinds, paths, place, renamed, replaced, toml

NAME = "our/subscription.toml"

EVERY_KEY = """
plan = "facilitate-annual"
customer = "Acme"
organisations = ["north", "süd"]
start = 2026-01-31
end = 2027-01-31
anchor = 2025-07-31
zone = "Europe/Paris"
"""
"""Months of this plan return with an anchor, so it may state every key that describes the customer."""

EVERY_TERM = """
plan = "pools"
start = 2026-01-01
quantity = 7
quantities = [{ from = 2026-06-01T12:00:00+02:00, units = 80 }]

[[approvals]]
from = 2026-03-01
seats = 2

[[changes]]
from = 2026-05-01
plan = "pools"

[tariff]
currency = "EUR"
overage = { rate = 0.1 }

[[renewals]]
plan = "pools"
start = 2027-02-01
end = 2028-02-01
quantity = 60
quantities = [{ from = 2027-06-01, units = 80, organisation = "north" }]
approvals = [{ from = 2027-03-01, seats = 2 }]
changes = [{ from = 2027-05-01, plan = "pools" }]
tariff = { currency = "EUR", overage = { rate = 0.1 } }
"""
"""Every key of a term. No plan allows all of them at once: it is read for its keys, not for what they say."""

TEXTS = {"customer": EVERY_KEY, "term": EVERY_TERM}
DOCUMENTS = {name: tomllib.loads(text) for name, text in TEXTS.items()}
every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)

POOLS = parse_plan(
    toml(
        {
            "id": "pools",
            "title": "P",
            "meter": {"counts": ["login"]},
            "window": {"kind": "calendar-month"},
            "allowance": {"per": "window"},
        }
    )
)
PLAIN = {"plan": "monthly-login", "start": date(2026, 3, 1)}


def problems(text: str) -> list[Problem]:
    """What is wrong with the subscription; nothing where it can be read."""
    try:
        parse_subscription(text, lambda name: POOLS if name == "pools" else find_plan(name), NAME)
    except SubscriptionError as error:
        return list(error.problems)
    return []


def said(text: str) -> list[tuple[str, str]]:
    """The place, without the file, and the rule of everything that is wrong."""
    found = problems(text)
    assert all(problem.remedy for problem in found)
    return [(problem.place.removeprefix(NAME).removeprefix(": "), problem.rule) for problem in found]


def stated(**values: Any) -> str:
    """The text of a plain subscription with some values changed, or with the value None left out."""
    return toml({key: value for key, value in (PLAIN | values).items() if value is not None})


def test_every_key_is_read() -> None:
    assert parse_subscription(EVERY_KEY, find_plan) == Subscription(
        plan=find_plan("facilitate-annual"),
        customer="Acme",
        organisations=("north", "süd"),
        start=date(2026, 1, 31),
        end=date(2027, 1, 31),
        anchor=date(2025, 7, 31),
        zone="Europe/Paris",
    )


def test_what_is_left_out_has_its_default() -> None:
    plan = find_plan("monthly-login")
    assert parse_subscription(stated(), find_plan) == Subscription(
        plan=plan, start=date(2026, 3, 1), end=date(2027, 3, 1), zone="UTC"
    )


def with_plan(**window: Any) -> Plan:
    return parse_plan(
        toml({"id": "p", "title": "P", "meter": {"counts": ["login"]}, "window": {"kind": "term", **window}})
    )


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2026, 3, 1), 12, date(2027, 3, 1)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2026, 1, 31), 600, date(2026 + 600 // 12, 1, 31)),
    ],
)
def test_a_term_without_an_end_has_the_length_of_the_plan(start: date, months: int, end: date) -> None:
    plan = with_plan(term_months=months)
    assert default_end(plan, start) == end
    assert parse_subscription(stated(start=start), lambda _: plan).end == end


def test_the_zone_is_the_subscriptions_or_else_the_plans() -> None:
    plan = with_plan(zone="Asia/Kathmandu")
    assert parse_subscription(stated(), lambda _: plan).zone == "Asia/Kathmandu"
    assert parse_subscription(stated(zone="UTC"), lambda _: plan).zone == "UTC"


def test_a_term_begins_and_ends_at_midnight_of_its_zone() -> None:
    to = parse_subscription(EVERY_KEY, find_plan)
    assert to.start_us == us("2026-01-31T00:00+01:00")
    assert to.end_us == us("2027-01-31T00:00+01:00")


def known_keys(document: dict[str, Any], table: Path) -> set[str]:
    """The keys that a table may have, as a problem about a key that it may not have lists them."""
    found = problems(replaced(document, (*table, "xyzzy"), 1))
    [remedy] = [it.remedy for it in found if it.place == f"{NAME}: {place((*table, 'xyzzy'))}"]
    return set(remedy.removeprefix("known keys: ").split(", "))


def test_the_documents_use_every_key_there_is() -> None:
    used: dict[str, set[str]] = {}
    known: dict[str, set[str]] = {}
    for document in DOCUMENTS.values():
        for path in paths(document):
            if "tariff" in path[:-1]:
                continue  # see the plans that use every key
            table = place(path[:-1]).removeprefix("renewals[1].")  # any term may say in its lists what the first may
            used.setdefault(table, set()).add(str(path[-1]))
            known.setdefault(table, set()).update(known_keys(document, path[:-1]))
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


@every_document
def test_a_value_of_another_kind_is_refused_for_any_key(document: dict[str, Any]) -> None:
    for path in paths(document):
        for words, other in other_kinds(at(document, path)):
            if path[-1] == "from" and isinstance(other, date):
                continue  # a day is an instant: its first
            if path[-1] == "rate" and isinstance(other, int | float) and not isinstance(other, bool):
                continue  # 7 and 7.5 are amounts both
            [first, *_] = [rule for where, rule in said(replaced(document, path, other)) if where == place(path)]
            assert first.startswith("expected ")
            assert first.endswith(f", found {words}")


@pytest.mark.parametrize(
    ("text", "where", "rule"),
    [
        (stated(plan=None), "plan", 'plan is missing; expected text in quotes, such as "…"'),
        (stated(plan=""), "plan", "plan is empty"),
        (stated(start=None), "start", "start is missing; expected a date without quotes, such as 2026-03-01"),
        (stated(end=date(2026, 3, 1)), "end", "the term would end on 2026-03-01, before it starts on 2026-03-01"),
        (stated(end=date(2025, 3, 1)), "end", "the term would end on 2025-03-01, before it starts on 2026-03-01"),
        (stated(start=date(1969, 12, 31)), "start", "1969-12-31 is outside the years 1970 to 2199"),
        (stated(end=date(2200, 1, 1)), "end", "2200-01-01 is outside the years 1970 to 2199"),
        (stated(organisations=[]), "organisations", "no organisation is named"),
        (stated(organisations=["north", "north"]), "organisations", '"north" stands twice'),
        (stated(anchor=date(2026, 3, 31)), "anchor", "the windows of monthly-login have no anchor day"),
        (stated(zone="Mars/Olympus"), "zone", 'there is no time zone "Mars/Olympus"'),
    ],
)
def test_values_that_contradict_the_plan_or_each_other_are_refused(text: str, where: str, rule: str) -> None:
    assert said(text) == [(where, rule)]


def test_a_term_is_at_most_50_years() -> None:
    longest = date(2026 + 50, 3, 1)
    assert problems(stated(end=longest)) == []
    [problem] = problems(stated(end=date(2026 + 50, 3, 2)))
    assert problem.rule == "the term from 2026-03-01 to 2076-03-02 is longer than 50 years"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = said(stated(start=7, zone="Mars/Olympus", organisations=[], colour="red"))
    assert sorted(where for where, _ in found) == ["colour", "organisations", "start", "zone"]


def test_a_plan_that_does_not_exist_is_the_plans_error_and_names_the_nearest() -> None:
    with pytest.raises(PlanError, match=r"there is no published plan \"monthly-logins\" \(nearest: monthly-login\)"):
        parse_subscription(stated(plan="monthly-logins"), find_plan, NAME)


@pytest.mark.parametrize(
    ("text", "line"), [('plan = "p"\nstart = 2026-03\n', 2), ("plan = p\n", 1), ('plan = "p"\n\n[\n', 3)]
)
def test_a_syntax_error_names_its_line_and_nothing_else_is_said(text: str, line: int) -> None:
    [problem] = problems(text)
    assert problem.place == NAME
    assert problem.rule.startswith("this is not TOML: ")
    assert f"(at line {line}, " in problem.rule


def test_a_subscription_made_in_python_is_held_to_its_term_too() -> None:
    plan = find_plan("monthly-login")
    with pytest.raises(SubscriptionError, match="before it starts"):
        Subscription(plan=plan, start=date(2026, 3, 1), end=date(2026, 3, 1), customer="Acme")
    with pytest.raises(SubscriptionError, match="longer than 50 years"):
        Subscription(plan=plan, start=date(2026, 3, 1), end=date(2077, 3, 1))
