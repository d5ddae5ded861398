"""`rollbook meter`: the figures, and the term they are counted in."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import pytest

from rollbook.plans import published

from .calls import HALF_YEAR, JANUARY, QUARTER, SAMPLE, call, meter, write_facts

PLANS = [plan.id for plan in published()]


def test_by_window_prints_every_window_and_zeros_where_nothing_happened(ledger: str) -> None:
    ran = meter(ledger, *QUARTER)
    assert ran.out == (
        "window,start,end,active,new,continuing,reactivated\n"
        "1,2026-01-01T00:00:00Z,2026-02-01T00:00:00Z,2,2,0,0\n"
        "2,2026-02-01T00:00:00Z,2026-03-01T00:00:00Z,0,0,0,0\n"
        "3,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,1,0,0,1\n"
    )
    assert ran.code == 0


def test_by_organisation_prints_every_organisation_in_every_window(ledger: str) -> None:
    ran = meter(ledger, *QUARTER, "--by", "organisation")
    assert ran.out == (
        "window,start,end,organisation,active,new,continuing,reactivated\n"
        "1,2026-01-01T00:00:00Z,2026-02-01T00:00:00Z,north,1,1,0,0\n"
        "1,2026-01-01T00:00:00Z,2026-02-01T00:00:00Z,south,1,1,0,0\n"
        "2,2026-02-01T00:00:00Z,2026-03-01T00:00:00Z,north,0,0,0,0\n"
        "2,2026-02-01T00:00:00Z,2026-03-01T00:00:00Z,south,0,0,0,0\n"
        "3,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,north,1,0,0,1\n"
        "3,2026-03-01T00:00:00Z,2026-04-01T00:00:00Z,south,0,0,0,0\n"
    )


def test_by_learner_names_the_fact_that_proves_each_activation(ledger: str) -> None:
    ran = meter(ledger, *QUARTER, "--by", "learner")
    promised = "window,start,end,organisation,unit,object,class,first_at,fact,facts"
    assert ran.out.splitlines()[0].startswith(promised)
    chosen = [
        tuple(row[name] for name in ("window", "organisation", "unit", "class", "first_at", "fact", "facts"))
        for row in ran.rows
    ]
    assert chosen == [
        ("1", "north", "ann", "new", "2026-01-05T10:00:00Z", "1", "2"),
        ("1", "south", "bob", "new", "2026-01-31T23:59:59Z", "3", "1"),
        ("3", "north", "ann", "reactivated", "2026-03-01T00:00:00Z", "4", "1"),
    ]


def test_the_sample_counts_who_a_few_lines_of_python_count() -> None:
    months: dict[str, set[tuple[str, str]]] = defaultdict(set)
    with Path(SAMPLE).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["type"] == "login":
                months[row["occurred_at"][:7]].add((row["organisation"], row["learner"]))
    expected = [len(months[f"2026-{month:02}"]) for month in range(1, 7)]
    assert min(expected) > 0
    assert meter(SAMPLE, "--plan", "monthly-login", *HALF_YEAR).active == expected


@pytest.mark.parametrize("plan", PLANS)
def test_both_engines_print_the_same_bytes_and_account_for_every_row(plan: str) -> None:
    arguments = ("--plan", plan, *HALF_YEAR, "--by", "learner", "--assume-members")
    fast = meter(SAMPLE, *arguments, "--engine", "duckdb")
    slow = meter(SAMPLE, *arguments, "--engine", "reference")
    assert fast.out == slow.out
    assert fast.err == slow.err
    assert len(fast.rows) > 0
    assert fast.adds_up
    assert fast.dispositions["rows in"] == 703


def test_a_table_for_people_shows_the_same_figures_with_local_dates(ledger: str) -> None:
    ran = call("meter", ledger, *QUARTER)
    title, heading, _, *rows = ran.out.splitlines()
    assert (
        title == "Anyone who logs in, by calendar month (monthly-login) · 2026-01-01 until 2026-04-01 (excluded) · UTC"
    )
    assert heading.split() == ["window", "from", "until", "(excluded)", "active", "new", "continuing", "reactivated"]
    assert [row.split() for row in rows if row] == [
        ["1", "2026-01-01", "2026-02-01", "2", "2", "0", "0"],
        ["2", "2026-02-01", "2026-03-01", "0", "0", "0", "0"],
        ["3", "2026-03-01", "2026-04-01", "1", "0", "0", "1"],
    ]


@pytest.mark.parametrize("by", ["window", "organisation", "learner"])
def test_json_says_what_its_figures_mean_and_holds_the_rows_of_the_csv(ledger: str, by: str) -> None:
    document = json.loads(call("meter", ledger, *QUARTER, "--by", by, "--format", "json").out)
    rows = document.pop("rows")
    assert [{name: str(value) for name, value in row.items()} for row in rows] == meter(
        ledger, *QUARTER, "--by", by
    ).rows
    assert document["plan"] == "monthly-login"
    assert len(document["plan_digest"]) == 64
    assert (document["start"], document["end"], document["zone"]) == ("2026-01-01", "2026-04-01", "UTC")
    assert document["as_of"] == "2026-07-01T00:00:00Z"
    assert document["counts"] == "learners with login"
    assert (document["rows_in"], document["rejected"]) == (5, 0)
    assert document["dispositions"] == {"counted": 4, "not counted: type": 1}


def test_json_without_any_row_is_still_json(ledger: str) -> None:
    ran = call("meter", ledger, *JANUARY, "--organisation", "nowhere", "--by", "learner", "--format", "json")
    assert json.loads(ran.out)["rows"] == []


def test_without_an_end_the_term_has_the_length_of_the_plan(ledger: str) -> None:
    ran = meter(
        ledger, "--plan", "reach360-starter", "--start", "2025-03-01", "--as-of", "2027-01-01", "--assume-members"
    )
    assert len(ran.rows) == 12, "365 days are twelve blocks of 30, and five days left over extend the last"
    assert ran.rows[-1]["start"] == "2026-01-25T00:00:00Z"
    assert ran.rows[-1]["end"] == "2026-03-01T00:00:00Z"


def test_windows_begin_at_midnight_in_the_stated_zone(ledger: str) -> None:
    ran = meter(ledger, *QUARTER, "--zone", "America/New_York")
    assert [row["start"] for row in ran.rows] == [
        "2026-01-01T05:00:00Z",
        "2026-02-01T05:00:00Z",
        "2026-03-01T05:00:00Z",
    ]
    assert ran.rows[-1]["end"] == "2026-04-01T04:00:00Z", "clocks have moved by then"
    assert ran.active == [2, 1, 0], "midnight of 1 March in UTC is still February in New York"


def test_a_date_that_a_zone_skips_is_in_no_window(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path / "apia.csv",
        "1,2011-12-30T09:59:59Z,o,before,login,,,lms",
        "2,2011-12-30T10:00:00Z,o,after,login,,,lms",
    )
    plan = tmp_path / "daily.toml"
    plan.write_text(
        'id = "daily"\ntitle = "Daily"\n[meter]\ncounts = ["login"]\n[window]\nkind = "days"\nlength_days = 1\n'
    )
    ran = meter(
        facts,
        "--plan",
        str(plan),
        "--start",
        "2011-12-29",
        "--end",
        "2012-01-01",
        "--zone",
        "Pacific/Apia",
        "--by",
        "learner",
    )
    assert [(row["start"], row["end"], row["unit"]) for row in ran.rows] == [
        ("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "before"),
        ("2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", "after"),
    ]


@pytest.mark.parametrize(
    ("as_of", "zone", "active"),
    [
        ("2026-01-31T23:59:59", "UTC", [1]),
        ("2026-01-31T23:59:59.000001", "UTC", [2]),
        ("2026-01-31T18:59:59", "America/New_York", [1]),
        ("2026-01-31T18:59:59.000001", "America/New_York", [2]),
        ("2026-01-31T23:59:59.000001", "America/New_York", [2]),
        ("2026-02-01", "UTC", [2]),
        ("2026-02-01T01:00:00+01:00", "America/New_York", [2]),
    ],
)
def test_an_as_of_without_an_offset_is_read_in_the_zone_of_the_windows(
    ledger: str, as_of: str, zone: str, active: list[int]
) -> None:
    """Bob logs in at 23:59:59 UTC on 31 January, which is 18:59:59 in New York; nothing at or after as-of counts."""
    arguments = ("--plan", "monthly-login", "--start", "2026-01-01", "--end", "2026-04-01", "--zone", zone)
    assert meter(ledger, *arguments, "--as-of", as_of).active == active


def test_windows_that_have_not_begun_are_absent_and_facts_of_the_future_are_held(ledger: str) -> None:
    ran = meter(ledger, "--plan", "monthly-login", "--start", "2026-01-01", "--as-of", "2026-02-01T00:00:00.000001Z")
    assert ran.active == [2, 0]
    assert ran.dispositions == {"counted": 3, "not counted: held in the future": 2, "rows in": 5}


def test_as_of_is_now_by_default(ledger: str) -> None:
    ran = call("meter", ledger, "--plan", "monthly-login", "--start", "2026-01-01", "--format", "json")
    said = datetime.fromisoformat(json.loads(ran.out)["as_of"])
    assert abs((datetime.now(said.tzinfo) - said).total_seconds()) < 60


def test_a_subscription_file_says_it_all(ledger: str, tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    file.write_text(
        'plan = "monthly-login"\ncustomer = "Acme"\norganisations = ["south"]\nstart = 2026-01-01\nend = 2026-03-01\nzone = "Europe/Paris"\n'
    )
    ran = meter(ledger, "--subscription", str(file), "--as-of", "2026-07-01")
    assert [row["start"] for row in ran.rows] == ["2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z"]
    assert ran.active == [0, 1], "23:59:59 in UTC is February in Paris"
    assert ran.dispositions["not counted: other organisation"] == 4


def test_a_plan_may_be_a_file_of_ones_own(ledger: str, tmp_path: Path) -> None:
    plan = tmp_path / "our [plan]; it's.toml"
    plan.write_text('id = "ours"\ntitle = "Ours"\n[meter]\ncounts = ["course.viewed"]\n[window]\nkind = "term"\n')
    ran = meter(ledger, "--plan", str(plan), "--start", "2026-01-01", "--as-of", "2026-07-01", "--by", "learner")
    assert [row["unit"] for row in ran.rows] == ["carl"]
    assert ran.rows[0]["first_at"] == "2026-03-02T08:00:00.250000Z"


def test_organisations_may_be_chosen_and_all_others_are_accounted_for(ledger: str) -> None:
    south = meter(ledger, *QUARTER, "--organisation", "south")
    assert south.active == [1, 0, 0]
    assert south.dispositions == {"counted": 1, "not counted: other organisation": 4, "rows in": 5}
    both = meter(ledger, *QUARTER, "--organisation", "south", "--organisation", "north", "--organisation", "south")
    assert both.out == meter(ledger, *QUARTER).out


def test_an_organisation_that_has_no_facts_is_said(ledger: str) -> None:
    ran = meter(ledger, *QUARTER, "--organisation", "nroth")
    assert ran.active == [0, 0, 0]
    assert "nroth" in ran.err
    assert "north" in ran.err
