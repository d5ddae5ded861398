"""What a change of a roster would count and cost is said before it is done, and rules stop at their budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from .calls import Ran, call, process

SEPTEMBER, OCTOBER = "2026-09-15T08:00:00Z", "2026-10-15T08:00:00Z"
PLAIN = "organisation,learner,course,start,end,status,active\n"
ROWS = (
    "north,ann,welding,2026-09-01,2026-12-01,enabled,yes\n"
    "north,bob,welding,2026-09-01,2026-11-20,enabled,yes\n"
    "north,cid,first-aid,2026-11-10,2026-12-20,disabled,yes\n"
    "north,dan,first-aid,2026-11-10,2026-12-20,disabled,yes\n"
)
SUBSCRIPTION = """
plan = "wisenet-elearning"
start = 2026-09-01
end = 2026-12-01
quantity = 1

[tariff]
currency = "EUR"
base = { rate = 4.00 }
overage = { rate = 6.00 }
"""
RULES = """
budget_learners_active = 1

[[cycle]]
name = "Terms"

[[cycle.steps]]
when = "begins"
do = "enable"

[[cycle.steps]]
when = "ends"
do = "disable"

[[cycle.steps]]
when = "ends"
after_days = -2
do = "notify"
"""


@pytest.fixture
def facts(tmp_path: Path) -> str:
    """Ann and Bob are enabled, Cid and Dan are not yet; one learner is bought."""
    (tmp_path / "roster.csv").write_text(PLAIN + ROWS, encoding="utf-8")
    (tmp_path / "subscription.toml").write_text(SUBSCRIPTION, encoding="utf-8")
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    to = str(tmp_path / "facts.csv")
    ran = call("roster", "diff", str(tmp_path / "roster.csv"), "--at", SEPTEMBER, "--to", to)
    assert ran.code == 0, ran.err
    return to


def under(facts: str) -> tuple[str, ...]:
    """The subscription beside the facts."""
    return ("--subscription", str(Path(facts).with_name("subscription.toml")))


def figures(text: str) -> dict[str, list[str]]:
    """The rows of what is foreseen: each window as it is, then as it would be."""
    found = {}
    for line in text.splitlines():
        for name in ("active", "of these new", "continuing", "reactivated", "included", "beyond", "costs"):
            if line.strip().startswith(f"{name} "):
                found[name] = line.strip()[len(name) :].replace(" EUR", "").split()
    return found


def run(facts: str, at: str, *more: str) -> Ran:
    """A run of the rules."""
    rules = str(Path(facts).with_name("rules.toml"))
    return call("roster", "run", facts, "--rules", rules, "--at", at, *under(facts), *more)


def test_whoever_is_switched_off_now_saves_the_next_window_and_not_this_one(facts: str) -> None:
    ran = call("roster", "change", facts, "--do", "disable", "--learner", "ann", "--at", OCTOBER, *under(facts))
    # October: both were on at its start, and one is bought: 4.00 + 6.00. November: Bob alone, who is within the one.
    assert figures(ran.out) == {
        "active": ["2", "2", "2", "1"],
        "of these new": ["0", "0", "0", "0"],
        "continuing": ["2", "2", "2", "1"],
        "reactivated": ["0", "0", "0", "0"],
        "included": ["1", "1", "1", "1"],
        "beyond": ["1", "1", "1", "0"],
        "costs": ["10.00", "10.00", "10.00", "4.00"],
    }
    assert "window 2, 2026-10-01 until 2026-11-01 (excluded): as many active, at the same cost" in ran.out
    assert "window 3, 2026-11-01 until 2026-12-01 (excluded): 1 fewer active, 6.00 EUR less" in ran.out
    assert "to save window 3, do it before 2026-11-01 (UTC)" in ran.out


def test_whoever_is_switched_on_counts_from_now_on(facts: str) -> None:
    ran = call("roster", "change", facts, "--do", "enable", "--course", "first-aid", "--at", OCTOBER, *under(facts))
    found = figures(ran.out)
    assert (found["active"], found["of these new"]) == (["2", "4", "2", "4"], ["0", "2", "0", "0"])
    assert found["costs"] == ["10.00", "22.00", "10.00", "22.00"]
    assert "2 more active, 12.00 EUR more" in ran.out
    assert "to save" not in ran.out


def test_in_the_last_window_nothing_is_saved_any_more(facts: str) -> None:
    at = "2026-11-15T08:00:00Z"
    ran = call("roster", "change", facts, "--do", "disable", "--learner", "ann", "--at", at, *under(facts))
    assert figures(ran.out)["active"] == ["2", "2"]
    assert "to save" not in ran.out


def test_without_prices_nothing_is_said_of_costs_and_without_a_plan_nothing_at_all(facts: str) -> None:
    change = ("roster", "change", facts, "--do", "disable", "--learner", "ann", "--at", OCTOBER)
    priceless = call(*change, "--plan", "wisenet-elearning", "--start", "2026-09-01", "--quantity", "1")
    assert "costs" not in figures(priceless.out)
    assert "no prices: --rates FILE" in priceless.out
    assert "said where a plan is named" in call(*change).out


def test_what_is_done_is_what_was_foreseen(facts: str) -> None:
    change = ("roster", "change", facts, "--do", "disable", "--learner", "ann", "--at", OCTOBER, *under(facts))
    foreseen = figures(call(*change).out)["active"]
    call(*change, "--yes", "--to", facts)
    counted = call("meter", facts, *under(facts), "--as-of", "2026-11-02T00:00:00Z", "--format", "csv").active
    assert [str(it) for it in counted[1:]] == [foreseen[1], foreseen[3]]


def test_a_roster_foresees_beside_its_facts_and_facts_come_from_standard_input_as_well(facts: str) -> None:
    known = Path(facts).read_text(encoding="utf-8")
    roster = Path(facts).with_name("roster.csv")
    roster.write_text(PLAIN + ROWS.replace("disabled", "enabled"), encoding="utf-8")
    ran = call("roster", "diff", str(roster), "--before", "-", "--at", OCTOBER, *under(facts), stdin=known)
    assert [row["type"] for row in ran.rows] == ["enrolment.enabled", "enrolment.enabled"]
    assert figures(ran.err)["active"] == ["2", "4", "2", "4"]


def test_rules_do_what_is_due_once(facts: str) -> None:
    first = run(facts, "2026-11-20T00:30:00Z", "--agree")
    # Cid and Dan began on the 10th, and Bob has ended today.
    assert "2 enrolments are enabled" in first.out
    assert "1 enrolment is disabled" in first.out
    assert "nothing is written yet" in first.err
    assert run(facts, "2026-11-20T00:30:00Z", "--agree", "--yes", "--to", facts).code == 0
    assert "nothing to do" in run(facts, "2026-11-21T00:30:00Z").out


def test_a_run_beyond_its_budget_is_stopped_whole_and_ends_with_1(facts: str) -> None:
    before = Path(facts).read_bytes()
    ran = run(facts, "2026-11-20T00:30:00Z", "--yes", "--to", facts)
    assert ran.code == 1
    assert "would become active: cid of north" in ran.out
    assert "would make 2 learners newly active, and its budget is 1: nothing was changed" in ran.err
    # Bob's end is not done either.
    assert Path(facts).read_bytes() == before


def test_what_fell_due_to_be_told_since_the_last_run_is_told(facts: str) -> None:
    told = run(facts, "2026-11-18T00:30:00Z", "--since", "2026-11-17T00:30:00Z", "--agree")
    assert "to tell: Terms, ends on 2026-11-18: bob in welding of north" in told.out
    assert "to tell" not in run(facts, "2026-11-19T00:30:00Z", "--since", "2026-11-18T00:30:00Z", "--agree").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budget = 3\n", "budget_learners_active"),
        ("", "there is neither a rule nor a cycle"),
        ("[[rule]\n", "this is not TOML"),
    ],
)
def test_rules_that_cannot_be_read_do_nothing(facts: str, text: str, said: str) -> None:
    Path(facts).with_name("rules.toml").write_text(text, encoding="utf-8")
    ran = run(facts, OCTOBER)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_budget_counts_by_a_plan(facts: str) -> None:
    rules = str(Path(facts).with_name("rules.toml"))
    ran = call("roster", "run", facts, "--rules", rules, "--at", OCTOBER)
    assert ran.code == 2
    assert "nothing says by which plan the budget counts" in ran.err


def test_a_course_that_no_enrolment_has_is_told(facts: str) -> None:
    text = RULES.replace('name = "Terms"', 'name = "Terms"\ncourses = ["weldin"]')
    Path(facts).with_name("rules.toml").write_text(text, encoding="utf-8")
    assert 'no enrolment is of course "weldin" (nearest: welding)' in run(facts, OCTOBER).err


def test_nothing_but_facts_goes_to_standard_output_of_a_process_that_does_it(facts: str) -> None:
    change = ("roster", "change", facts, "--do", "disable", "--learner", "ann", "--at", OCTOBER, *under(facts), "--yes")
    ran = process(*change)
    assert [row["type"] for row in ran.rows] == ["enrolment.disabled"]
    assert "foreseen under" in ran.err
    assert "Warning" not in ran.err
