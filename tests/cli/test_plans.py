"""`rollbook plans` and `rollbook plans show`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.plans import published

from .calls import call, raw_controls

PLANS = published()


@pytest.mark.parametrize("arguments", [("plans",)])
def test_every_published_plan_is_listed_with_its_vendor_and_what_it_counts(arguments: tuple[str, ...]) -> None:
    ran = call(*arguments)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    for plan in PLANS:
        [line] = [line for line in lines if line.split()[:1] == [plan.id]]
        assert (plan.vendor or "any") in line
    assert "learners with login" in ran.out
    assert "months from the first day" in ran.out
    assert raw_controls(ran.out) == set()


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.id)
def test_a_plan_is_shown_with_its_rules_and_how_its_words_were_read(plan) -> None:
    ran = call("plans", "show", plan.id)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == plan.title
    assert f'id = "{plan.id}"' in ran.out
    assert "[meter]" in ran.out
    assert "## How it counts" in ran.out or "# " in ran.out
    assert all(source in ran.out for source in plan.sources)
    assert raw_controls(ran.out) == set()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("docebo-mua", "(nearest: docebo-mau)"),
        ("wisenet-lmr", "(nearest: wisenet-lrm)"),
        ("zzz", "name one of docebo-mau"),
    ],
)
def test_an_unknown_plan_names_the_nearest_one(name: str, nearest: str) -> None:
    ran = call("plans", "show", name)
    assert (ran.code, ran.out) == (2, "")
    assert f'there is no published plan "{name}"' in ran.err
    assert nearest in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("plans", "show"), "ID"), (("plans", "shw"), "show"), (("plan",), "plans"), ((), "Usage")],
)
def test_a_wrong_call_is_said(arguments: tuple[str, ...], said: str) -> None:
    ran = call(*arguments)
    assert ran.code == 2
    assert said in ran.out + ran.err


@pytest.mark.parametrize("command", [(), ("plans",), ("plans", "show"), ("check",), ("meter",), ("explain",)])
def test_every_command_says_how_it_is_used(command: tuple[str, ...]) -> None:
    ran = call(*command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.lstrip().startswith("Usage:")


def test_a_plan_of_ones_own_is_never_shown_with_the_rules_of_a_published_one(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(
        'id = "monthly-login"\ntitle = "Ours"\n[meter]\ncounts = ["course.viewed"]\n[window]\nkind = "term"\n'
    )
    ran = call("plans", "show", str(file))
    assert 'counts = ["login"]' not in ran.out
