"""`compare`, `estimate`, `forecast` and `reconcile`, called as people call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollbook.plans import published
from tests.cli.calls import SAMPLE, Ran, call, write_facts

HALF = ("--start", "2026-01-01", "--end", "2026-07-01", "--as-of", "2026-07-01")
SPRING = ("--start", "2026-01-01", "--as-of", "2026-05-10")
FLAT = '[tariff]\ncurrency = "EUR"\n[tariff.base]\nrate = 7\n[tariff.overage]\nrate = 9.50\n'


@pytest.fixture
def rates(tmp_path: Path) -> str:
    file = tmp_path / "rates.toml"
    file.write_text(FLAT)
    return str(file)


def wrong(ran: Ran, *said: str) -> None:
    """The call ended in words, with nothing on standard output."""
    assert (ran.code, ran.out) == (2, "")
    for words in said:
        assert words in ran.err


# compare


def compare(*plans: str, facts: str = SAMPLE, more: tuple[str, ...] = HALF) -> Ran:
    chosen = [word for plan in plans for word in ("--plan", plan)]
    return call("compare", facts, *chosen, *more)


def test_plans_side_by_side_count_what_each_counts_alone() -> None:
    plans = [plan.id for plan in published()]
    rows = compare(*plans, more=(*HALF, "--assume-members", "--format", "csv")).rows
    assert [row["plan"] for row in rows] == plans
    for row in rows:
        alone = call("meter", SAMPLE, "--plan", row["plan"], *HALF, "--assume-members", "--format", "csv").active
        if row["allowance_of"] != "seats":
            assert row["active"] == " ".join(map(str, alone))
            assert (int(row["sum"]), int(row["peak"])) == (sum(alone), max(alone))


def test_both_engines_compare_alike() -> None:
    more = (*HALF, "--assume-members", "--format", "json")
    plans = [plan.id for plan in published()]
    assert compare(*plans, more=(*more, "--engine", "reference")).out == compare(*plans, more=more).out


def test_costs_follow_the_rates_and_are_blank_with_the_reason_where_there_are_none(rates: str) -> None:
    """The sample has 9 11 15 11 8 4 learners who log in by month: 58."""
    more = (*HALF, "--quantity", "secondnature-mauc=50", "--rates", f"secondnature-mauc={rates}", "--format", "csv")
    pooled, monthly = compare("secondnature-mauc", "secondnature-mau", more=more).rows
    assert pooled["active"] == "9 11 15 11 8 4"
    assert pooled["cost"] == f"{50 * 7 + 8 * 9.5:.2f}"
    assert (pooled["fits"], pooled["cheapest"], pooled["cheapest_cost"]) == ("58", "58", f"{58 * 7:.2f}")
    assert (monthly["cost"], monthly["cheapest"]) == ("", "")
    assert "no rate is known: --rates secondnature-mau=FILE" in monthly["reason"]


def test_a_plan_that_could_count_nothing_is_refused_and_not_the_cheapest(rates: str, tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "f.csv", "1,2026-01-05T10:00:00Z,north,ann,login,,,lms")
    priced = ("--rates", f"facilitate-monthly={rates}", "--rates", f"secondnature-mauc={rates}")
    ran = compare("facilitate-monthly", "secondnature-mauc", facts=facts, more=(*HALF, *priced))
    assert ran.code == 0
    assert "facilitate-monthly: refused, and not compared: no fact is of a type that this plan counts" in ran.out
    assert "costs least" not in ran.out
    nothing = compare("facilitate-monthly", "facilitate-annual", facts=facts)
    assert nothing.code == 2
    assert "none of the plans can be applied" in nothing.err


def test_a_plan_that_needs_members_where_nobody_says_who_is_one_is_refused(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "f.csv",
        "1,2026-01-05T10:00:00Z,north,ann,login,,,lms",
        "2,2026-01-05T10:00:00Z,north,ann,lesson.started,,,lms",
    )
    ran = compare("reach360-starter", "secondnature-mauc", facts=facts)
    assert "reach360-starter: refused" in ran.out
    assert "--assume-members" in ran.out
    assumed = compare("reach360-starter", "secondnature-mauc", facts=facts, more=(*HALF, "--assume-members"))
    assert "refused" not in assumed.out


def test_what_is_said_names_the_plans_the_windows_and_the_instant() -> None:
    out = compare("secondnature-mauc", "secondnature-mau", more=SPRING).out
    assert out.count("as of 2026-05-10") == 2
    assert out.count("5 of 12 windows have begun") == 2
    assert "in at least 3 of 4 months" in out, "May is not complete"


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_chart_is_drawn(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"chart.{kind}"
    ran = compare("secondnature-mauc", "secondnature-mau", more=(*HALF, "--chart", str(file)))
    assert ran.code == 0
    drawn = file.read_bytes()
    assert drawn.startswith(b"\x89PNG" if kind == "png" else b"<svg")
    if kind == "svg":
        assert all(f">{figure}<".encode() in drawn for figure in (9, 11, 15, 8, 4))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--quantity", "1200"), "it does not say which plan"),
        (("--quantity", "secondnature-mac=5"), "nearest: secondnature-mau"),
        (("--quantity", "secondnature-mau=many"), "not a number of units"),
        (("--quantity", "secondnature-mau=1", "--quantity", "secondnature-mau=2"), "has two"),
        (("--rates", "secondnature-mau=nowhere.toml"), "no such file"),
        (("--chart", "chart.pdf"), "neither .svg nor .png"),
        (("--chart", "no/such/folder/chart.svg"), "cannot be written"),
    ],
)
def test_a_wrong_comparison_ends_in_words(more: tuple[str, ...], said: str) -> None:
    ran = compare("secondnature-mauc", "secondnature-mau", more=(*HALF, *more))
    assert ran.code == 2
    assert said in ran.err


def test_one_plan_is_no_comparison() -> None:
    wrong(compare("secondnature-mauc"), "give at least two")


# estimate


def test_an_estimate_before_anyone_has_logged_in() -> None:
    ran = call("estimate", "--plan", "reach360-starter", "--start", "2025-03-01", "--learners", "300", "--rate", "8%")
    assert ran.code == 0
    assert "Expected over the term: 288, exactly." in ran.out
    assert "on average it is not exceeded" in ran.out
    more = call("estimate", "--plan", "reach360-starter", "--start", "2025-03-01", "--learners", "300", "--rate", "9%")
    assert "Expected over the term: 324, exactly." in more.out
    assert "on average it is exceeded in window 12" in more.out


def test_an_estimate_as_rows_adds_up_window_by_window() -> None:
    asked = ("estimate", "--plan", "reach360-starter", "--start", "2025-03-01", "--learners", "300", "--rate", "0.08")
    rows = call(*asked, "--format", "csv").rows
    assert [float(row["so_far"]) for row in rows] == [24.0 * number for number in range(1, 13)]
    document = json.loads(call(*asked, "--format", "json").out)
    assert (document["plan"], document["start"], len(document["rows"])) == ("reach360-starter", "2025-03-01", 12)


def test_a_scenario_of_several_groups(tmp_path: Path) -> None:
    file = tmp_path / "rollout.toml"
    file.write_text(
        'guests = 5\n[[groups]]\nname = "new"\nlearners = 300\nwithin = 2\nreturning = 1\n'
        '[[groups]]\nname = "staff"\nlearners = 50\nrate = ["10%", "20%"]\n'
    )
    asked = ("--scenario", str(file), "--start", "2026-01-01", "--end", "2026-03-01", "--format", "csv")
    rows = call("estimate", "--plan", "facilitate-monthly", *asked).rows
    assert [float(row["expected"]) for row in rows] == [301 / 2 + 5 + 5, 301 / 2 + 10 + 5]
    other = call("estimate", "--plan", "secondnature-mau", *asked)
    assert [float(row["expected"]) for row in other.rows] == [301 / 2 + 5, 301 / 2 + 10]
    assert "does not count guests" in other.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "nothing says who will come"),
        (("--learners", "300"), "both are needed"),
        (("--learners", "300", "--rate", "8"), "not between 0 and 100 %"),
        (("--learners", "300", "--rate", "8%", "--confidence", "1"), "out of reach"),
        (("--learners", "300", "--rate", "8%", "--scenario", "x.toml"), "both were given"),
        (("--scenario", "nowhere.toml"), "no such file"),
    ],
)
def test_a_wrong_estimate_ends_in_words(more: tuple[str, ...], said: str) -> None:
    wrong(call("estimate", "--plan", "reach360-starter", "--start", "2025-03-01", *more), said)


# forecast


def test_a_forecast_from_the_sample_names_its_history_and_its_dates() -> None:
    """9 + 11 + 15 + 11 = 46 until the end of April, and 6 in May so far: 60 credits last until about June."""
    ran = call("forecast", SAMPLE, "--plan", "secondnature-mauc", "--quantity", "60", *SPRING)
    assert ran.code == 0
    assert "as of 2026-05-10" in ran.out
    assert "Judged by complete windows: 9 11 15 11; in the one that runs 6 so far." in ran.out
    assert "is expected by 2026-06-" in ran.out or "is expected by 2026-05-" in ran.out


def test_both_engines_forecast_alike() -> None:
    asked = ("forecast", SAMPLE, "--plan", "secondnature-mauc", "--quantity", "60", *SPRING, "--format", "json")
    assert call(*asked, "--engine", "reference").out == call(*asked).out


def test_a_short_history_is_told_and_gives_no_date() -> None:
    asked = ("forecast", SAMPLE, "--plan", "secondnature-mauc", "--quantity", "60", "--start", "2026-01-01")
    ran = call(*asked, "--as-of", "2026-03-31T23:59:59Z")
    assert "No forecast: the history has 2 complete windows, and 3 are the least" in ran.out
    assert call(*asked, "--as-of", "2026-03-31", "--format", "csv").rows == []
    assert "is expected by" in call(*asked, "--as-of", "2026-04-01").out


def test_windows_before_the_first_fact_are_unknown_and_not_empty(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "f.csv",
        *(f"{month},2026-{month:02}-05T10:00:00Z,north,ann,login,,,lms" for month in (5, 6, 7)),
    )
    asked = ("forecast", facts, "--plan", "secondnature-mau", "--quantity", "2", "--start", "2026-01-01")
    ran = call(*asked, "--as-of", "2026-08-02")
    assert "Judged by complete windows: 1 1 1;" in ran.out
    assert "the history has 2 complete windows" in call(*asked, "--as-of", "2026-07-31").out


def test_facts_that_end_long_before_the_forecast_are_told() -> None:
    asked = ("forecast", SAMPLE, "--plan", "secondnature-mau", "--start", "2026-01-01", "--as-of")
    assert "the facts end on 2026-06-27T08:18:00Z" in call(*asked, "2026-07-20").err
    assert "the facts end on" not in call(*asked, "2026-07-01").err


def test_each_organisation_with_an_allowance_of_its_own_is_forecast_by_itself(tmp_path: Path) -> None:
    plan = tmp_path / "own.toml"
    plan.write_text(
        'id = "own"\ntitle = "Own"\n[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n'
        '[allowance]\nquantity = 5\nper = "window"\nper_organisation = true\npool_scope = "organisation"\n'
    )
    rows = call("forecast", SAMPLE, "--plan", str(plan), *SPRING, "--format", "csv").rows
    assert {(row["pool"], row["allowance"]) for row in rows} == {("academy-north", "5"), ("academy-south", "5")}


def test_what_is_exceeded_already_is_said() -> None:
    ran = call("forecast", SAMPLE, "--plan", "secondnature-mauc", "--quantity", "50", *SPRING)
    assert "The allowance of 50 is exceeded already: 52 so far." in ran.out


def test_a_term_before_its_start_and_after_its_end_has_no_forecast() -> None:
    asked = ("forecast", SAMPLE, "--plan", "secondnature-mauc", "--start", "2026-01-01")
    wrong(call(*asked, "--as-of", "2025-12-31"), "use estimate")
    assert "the term is over" in call(*asked, "--as-of", "2027-01-01").out


# reconcile

FACTS = (
    "1,2026-01-05T10:00:00Z,north,ann,login,,,lms",
    "2,2026-01-06T10:00:00Z,north,bob,course.viewed,,,lms",
    "3,2026-02-06T10:00:00Z,north,carl,login,,,lms",
    "4,2026-01-07T10:00:00Z,north,dora,login,system,,lms",
    "5,2026-01-08T10:00:00Z,north,Émile,login,,,lms",
    "6,2026-01-09T10:00:00Z,north,fay,login,,,lms",
)
JANUARY = ("--plan", "monthly-login", "--start", "2026-01-01", "--end", "2026-04-01", "--as-of", "2026-04-01")


def reconcile(tmp_path: Path, text: str, *more: str) -> Ran:
    facts = write_facts(tmp_path / "facts.csv", *FACTS)
    vendor = tmp_path / "vendor.csv"
    vendor.write_text(text, encoding="utf-8")
    return call("reconcile", facts, str(vendor), *JANUARY, *more)


def test_everyone_who_is_on_one_list_only_has_the_reason(tmp_path: Path) -> None:
    text = "User,Note\nANN,\nbob,x\ncarl,\ndora,\nzoe,\nann,\n,\nÉMILE,\n"
    ran = reconcile(tmp_path, text, "--window", "1", "--format", "csv")
    found = {(row["group"], row["listed"] or row["learner"]): row for row in ran.rows}
    assert list(found) == [
        ("both", "ANN"),
        ("both", "ÉMILE"),
        ("only theirs", "bob"),
        ("only theirs", "carl"),
        ("only theirs", "dora"),
        ("only theirs", "zoe"),
        ("only ours", "fay"),
        ("repeated", "ann"),
    ]
    assert "is of a type that this plan does not count" in found["only theirs", "bob"]["reason"]
    assert found["only theirs", "bob"]["fact"] == "2"
    assert "nothing in window 1; 1 fact at other times" in found["only theirs", "carl"]["reason"]
    assert "done by the system" in found["only theirs", "dora"]["reason"]
    assert found["only theirs", "zoe"]["reason"] == "nothing in the facts"
    assert found["only ours", "fay"]["fact"] == "6"
    assert found["repeated", "ann"]["reason"] == "line 2 names the same"
    assert "7 rows by user, 1 rows name nobody" in ran.err


def test_both_engines_reconcile_alike(tmp_path: Path) -> None:
    text = "id\nann\nbob\ncarl\nzoe\n"
    fast = reconcile(tmp_path, text, "--window", "1", "--format", "json")
    assert reconcile(tmp_path, text, "--window", "1", "--format", "json", "--engine", "reference").out == fast.out


def test_people_are_found_by_e_mail(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("id,email,name\nann,Ann@x.org,Ann Lee\n")
    ran = reconcile(tmp_path, "E-Mail\nann@X.org\n", "--window", "1", "--people", str(people), "--format", "csv")
    assert next((row["group"], row["listed"], row["learner"]) for row in ran.rows) == ("both", "ann@X.org", "ann")


def test_a_column_of_months_spreads_the_list_over_windows(tmp_path: Path) -> None:
    ran = reconcile(tmp_path, "id;month\nann;2026-01\ncarl;2026-02\nann;2026-02-03\n", "--format", "csv")
    told = [(row["window"], row["group"], row["listed"]) for row in ran.rows if row["listed"]]
    assert told == [("1", "both", "ann"), ("2", "both", "carl"), ("2", "only theirs", "ann")]


def test_the_last_complete_window_is_meant_where_none_is_named(tmp_path: Path) -> None:
    ran = reconcile(tmp_path, "id\nann\n")
    assert "window 3: 2026-03-01 until 2026-04-01 (excluded)" in ran.out


def test_the_difference_is_worth_what_the_rates_say(tmp_path: Path, rates: str) -> None:
    """We count Ann, Émile and Fay; the list has five: two more beyond the allowance, at 9.50."""
    ran = reconcile(tmp_path, "id\nann\nbob\ncarl\ndora\nzoe\n", "--window", "1", "--rates", rates)
    assert "we count 3, the vendor lists 5" in ran.out
    assert f"{3 * 9.5:.2f} EUR as we count, {5 * 9.5:.2f} EUR by the list: {2 * 9.5:.2f} EUR more." in ran.out


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("colour\nred\n", (), "no column says who somebody is"),
        ("id\nann\n", ("--vendor-column", "Who"), "no column says who somebody is: Who"),
        ("id\nann\n", ("--window", "9"), "there is no window 9"),
        ("id,month\nann,Feb\n", (), '"Feb" is none of the 3 windows'),
        ("", (), "vendor.csv"),
    ],
)
def test_a_wrong_list_ends_in_words(tmp_path: Path, text: str, more: tuple[str, ...], said: str) -> None:
    wrong(reconcile(tmp_path, text, *more), said)


def test_a_list_that_is_not_there_ends_in_words(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts.csv", *FACTS)
    wrong(call("reconcile", facts, str(tmp_path / "nowhere.csv"), *JANUARY), "nowhere.csv")


def test_a_row_that_cannot_be_read_is_told_and_the_run_says_so(tmp_path: Path) -> None:
    ran = reconcile(tmp_path, "id,x\nann,1\nbob\nfay,2\n", "--window", "1", "--format", "csv")
    assert ran.code == 3
    assert "vendor.csv:3" in ran.err
    assert [row["listed"] for row in ran.rows if row["group"] == "both"] == ["ann", "fay"]
