"""Reading a plan: every key, typos in each of them, and text that is no TOML."""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from rollbook.model.allowance import Allowance, Governance, Limit
from rollbook.model.plan import Exemption, Meter, State, WindowRule, parse_plan, unknown_types
from rollbook.model.tariff import Rate, Tariff, Tier
from tests.model.changed import Path, misspellings, paths, place, renamed, replaced
from tests.model.plans import COUNTING, DOCUMENTS, HOLDING, NAME, PLAIN, changed, every_document, problems, said

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
    assert plan.allowance == Allowance(
        quantity=50, per="window", per_organisation=True, pool_scope="organisation", increase_only=True
    )
    assert plan.limit == Limit(policy="block-new", thresholds=(50, 100, 120), grace_days=7)
    assert plan.governance == Governance(
        grace_days=10, close="approve", visible_to_customer=False, effective_from=date(2026, 1, 1)
    )
    assert plan.tariff == Tariff(
        currency="BHD",
        floor=60,
        base=Rate(
            shape="volume",
            tiers=(Tier(1, Decimal("4.5")), Tier(101, Decimal("3.25"), Decimal("12.5"))),
            tier_by="nominated",
        ),
        base_timing="arrears",
        base_every="window",
        base_charged="used",
        overage=Rate(shape="package", tiers=(Tier(1, Decimal("19.95")),), size=25),
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
    assert plan.allowance == Allowance(per="held", basis="ever", reuse_requires_approval=True)
    assert plan.tariff == Tariff(
        currency="JPY",
        base=Rate(shape="package", tiers=(Tier(1, Decimal(900)),), size=10),
        overage=Rate(shape="graduated", tiers=(Tier(1, Decimal("0.1")), Tier(11, Decimal("0.05"), Decimal(3)))),
    )


def test_what_is_left_out_has_its_default() -> None:
    plan = parse_plan(PLAIN)
    assert plan.meter == Meter(counts=("login",))
    assert plan.window == WindowRule(kind="calendar-month", remainder="merge-last", term_months=12, zone="UTC")
    assert (plan.vendor, plan.summary, plan.sources, plan.read_on) == ("", "", (), None)
    assert plan.allowance == Allowance(quantity=0, per="window", pool_scope="customer")
    assert plan.limit == Limit(policy="bill", thresholds=(80, 90, 100), grace_days=0)
    assert plan.governance == Governance(grace_days=0, close="auto", visible_to_customer=True)
    assert plan.tariff is None


def test_the_digest_is_of_the_text_and_changes_with_every_byte_of_it() -> None:
    digest = parse_plan(PLAIN).digest
    assert digest == parse_plan(PLAIN, "elsewhere.toml").digest == hashlib.sha256(PLAIN.encode()).hexdigest()
    assert parse_plan(PLAIN + "# a remark\n").digest != digest
    assert parse_plan(PLAIN + "\n").digest != digest


def test_the_types_of_a_meter_are_all_that_it_gives_a_meaning_to() -> None:
    assert parse_plan(COUNTING).meter.types == ("session.entered", "login", "account.enabled", "account.disabled")
    assert parse_plan(HOLDING).meter.types == ("enrolment.enabled", "enrolment.disabled", "account.disabled")


def test_a_type_that_nobody_knows_is_allowed_and_advised_on() -> None:
    [advice] = unknown_types(parse_plan(changed(PLAIN, counts=["login", "sesion.entered", "our.own"])), "our.toml")[:1]
    assert advice.place == "our.toml: meter"
    assert advice.rule == '"sesion.entered" is not one of the known types (nearest: session.entered)'
    assert unknown_types(parse_plan(PLAIN), "plan.toml") == ()


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
    for item in (("meter", "exempt", 0), ("tariff", "base", "tiers", 0), ("tariff", "overage", "tiers", 0)):
        assert used.pop(item) < known.pop(item), "the first of a list leaves something out"
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
    keys = "allowance, governance, id, limit, meter, read_on, sources, summary, tariff, title, vendor, window"
    assert problem.remedy == f"known keys: {keys}"


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
