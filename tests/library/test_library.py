"""`rollbook.meter` as a program calls it: what goes in, what comes out, what is refused."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from rollbook import Fact, ReadOptions, RejectedRowsError, Subscription, UsageError, find_plan, meter

from .ledgers import AS_OF, REPORTS, SAMPLE, contradicting, fact, facts, half_year, mappings

# What goes in


def arrow() -> pa.Table:
    texts = arrow_csv.ConvertOptions(column_types=dict.fromkeys(mappings()[0], pa.string()))
    return arrow_csv.read_csv(SAMPLE, convert_options=texts)


def typed() -> pa.Table:
    return arrow().set_column(1, "occurred_at", arrow().column("occurred_at").cast(pa.timestamp("us", "UTC")))


INPUTS = {
    "a path as text": lambda _: str(SAMPLE),
    "a path": lambda _: SAMPLE,
    "a list of paths": lambda _: [SAMPLE],
    "a tuple of a file delivered twice": lambda _: (SAMPLE, str(SAMPLE)),
    "an Arrow table of texts": lambda _: arrow(),
    "an Arrow table with times": lambda _: typed(),
    "a pandas frame": lambda _: arrow().to_pandas(),
    "a pandas frame with times": lambda _: typed().to_pandas(),
    "a Polars frame": lambda _: pl.from_arrow(arrow()),
    "a Polars frame with times": lambda _: pl.from_arrow(typed()),
    "a list of facts": lambda _: list(facts()),
    "an iterator of facts": lambda _: facts(),
    "a list of mappings": lambda _: mappings(),
    "facts in halves of two kinds": lambda _: [arrow().slice(0, 300), list(facts())[300:]],
    "facts in reverse": lambda _: list(facts())[::-1],
    "a Parquet file": lambda folder: written(folder / "it's [1].parquet"),
    "a packed CSV": lambda folder: packed(folder / "academy.csv.gz"),
    "JSON lines": lambda folder: lines(folder / "academy.ndjson"),
}


def written(path: Path) -> Path:
    parquet.write_table(typed(), path)
    return path


def packed(path: Path) -> Path:
    path.write_bytes(gzip.compress(SAMPLE.read_bytes()))
    return path


def lines(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in mappings()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def expected() -> dict[str, pa.Table]:
    with meter(SAMPLE, half_year(), as_of=AS_OF) as result:
        return {name: result.table(name) for name in REPORTS}


@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input_gives_the_same_tables(kind: str, expected: dict[str, pa.Table], tmp_path: Path) -> None:
    with meter(INPUTS[kind](tmp_path), half_year(), as_of=AS_OF) as result:
        assert result.store.problems.total == 0
        assert result.store.facts == 703
        for name in REPORTS:
            assert result.table(name).equals(expected[name])


def test_no_facts_at_all_are_windows_of_zeros() -> None:
    for nothing in ([], pa.table({"occurred_at": pa.array([], pa.string()), "type": pa.array([], pa.string())})):
        with meter(nothing, half_year(), as_of=AS_OF) as result:
            assert result.table().column("active").to_pylist() == [0] * 6
            assert result.table("learner").num_rows == 0
            assert dict(result.dispositions) == {}


@pytest.mark.parametrize("nonsense", [42, None, object()])
def test_what_holds_no_facts_is_a_wrong_call(nonsense: object) -> None:
    with pytest.raises(UsageError, match="holds no facts"):
        meter(nonsense, half_year(), as_of=AS_OF)


@pytest.mark.parametrize("nonsense", [[42], [None], ["a.csv", 42]])
def test_one_bad_input_among_several_is_a_wrong_call(nonsense: object) -> None:
    with pytest.raises(UsageError, match="holds no facts"):
        meter(nonsense, half_year(), as_of=AS_OF)


# What comes out


def test_results_convert_to_pandas_and_to_polars_with_times_in_utc(expected: dict[str, pa.Table]) -> None:
    frame = expected["window"].to_pandas()
    assert list(frame.columns) == ["window", "start", "end", "active", "new", "continuing", "reactivated"]
    assert frame["start"][0] == pd.Timestamp("2026-01-01T00:00:00Z")
    assert (frame["new"] + frame["continuing"] + frame["reactivated"] == frame["active"]).all()
    for name in REPORTS:
        polars = pl.from_arrow(expected[name])
        assert isinstance(polars, pl.DataFrame)
        assert polars.height == expected[name].num_rows == len(expected[name].to_pandas())
    assert pl.from_arrow(expected["learner"])["first_at"].dtype == pl.Datetime("us", "UTC")
    assert pl.from_arrow(expected["window"])["active"].sum() == frame["active"].sum() == expected["learner"].num_rows


@pytest.mark.parametrize(
    "plan", ["monthly-login", "facilitate-annual", "reach360-starter", "secondnature-seats", "wisenet-lrm"]
)
def test_both_engines_give_the_same_tables_and_dispositions(plan: str) -> None:
    with (
        meter(SAMPLE, half_year(plan), as_of=AS_OF, assume_members=True) as fast,
        meter(SAMPLE, half_year(plan), as_of=AS_OF, assume_members=True, engine="reference") as slow,
    ):
        for name in ("window", "organisation", "learner"):
            assert fast.table(name).equals(slow.table(name))
        if not fast.subscription.plan.meter.member_while:
            assert fast.table("holding").equals(slow.table("holding"))
        assert dict(fast.dispositions) == dict(slow.dispositions)
        assert sum(fast.dispositions.values()) == fast.store.rows == 703


def test_both_engines_give_the_same_holdings_where_a_plan_counts_members_only() -> None:
    ledger = [
        fact("1", "2026-01-02T10:00:00Z", "ann", "account.enabled"),
        fact("2", "2026-01-05T10:00:00Z", "ann", "material.accessed"),
    ]
    found = []
    for engine in ("duckdb", "reference"):
        with meter(ledger, half_year("docebo-mau"), as_of=AS_OF, engine=engine) as result:
            found.append(result.table("holding").to_pylist())
    assert found[0] == found[1]


def test_a_report_that_does_not_exist_names_the_nearest() -> None:
    with meter([], half_year(), as_of=AS_OF) as result, pytest.raises(UsageError, match=r"\(nearest: window\)"):
        result.table("windows")


def test_as_of_is_now_by_default_and_needs_its_offset() -> None:
    before = datetime.now(UTC)
    with meter([], half_year()) as result:
        assert before <= result.as_of <= datetime.now(UTC)
    with pytest.raises(UsageError, match="has no offset from UTC"):
        meter([], half_year(), as_of=datetime(2026, 7, 1))  # noqa: DTZ001 - that is the point


def test_an_engine_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"\(nearest: duckdb\)"):
        meter([], half_year(), engine="duck")


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
def test_a_closed_result_has_given_everything_back(engine: str) -> None:
    result = meter([fact("1", "2026-01-05T10:00:00Z", "ann")], half_year(), as_of=AS_OF, engine=engine)
    table = result.table()
    folder = Path(result.store._folder.name)
    assert folder.is_dir()
    result.close()
    result.close()
    assert not folder.exists()
    assert table.column("active").to_pylist() == [1, 0, 0, 0, 0, 0], "what was taken out stays"
    with pytest.raises(duckdb.ConnectionException):
        result.table()


def test_a_with_statement_closes_even_where_it_fails() -> None:
    result = meter([], half_year(), as_of=AS_OF)
    folder = Path(result.store._folder.name)
    with pytest.raises(ZeroDivisionError), result:
        raise ZeroDivisionError
    assert not folder.exists()


# What is wrong with the facts


def test_bad_rows_never_raise_and_strict_raises_with_all_of_them() -> None:
    rows = [
        {"occurred_at": "2026-01-05T10:00:00Z", "type": "login", "learner": "ann"},
        {"type": "login", "learner": "bob"},
        7,
    ]
    with meter(iter(rows), half_year(), as_of=AS_OF) as result:
        assert (result.store.rows, result.store.rejected) == (3, 2)
        assert [problem.place for problem in result.store.problems] == ["facts 1:2", "facts 1:3"]
        assert result.table().column("active").to_pylist()[0] == 1
    with pytest.raises(RejectedRowsError) as raised:
        meter(iter(rows), half_year(), as_of=AS_OF, strict=True)
    assert [problem.place for problem in raised.value.problems] == ["facts 1:2", "facts 1:3"]


def test_a_file_that_cannot_be_read_is_a_problem_and_strict_raises(tmp_path: Path) -> None:
    with meter(tmp_path / "nowhere.csv", half_year(), as_of=AS_OF) as result:
        [problem] = result.store.problems
        assert problem.rule == "does not exist"
    with pytest.raises(RejectedRowsError):
        meter(tmp_path / "nowhere.csv", half_year(), as_of=AS_OF, strict=True)


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
def test_links_that_contradict_each_other_are_problems_with_a_place(engine: str) -> None:
    with meter(contradicting(), half_year(), as_of=AS_OF, engine=engine) as result:
        assert [problem.place for problem in result.conflicts] == ["facts 1:2", "facts 1:3"]
        assert all("ann is linked to several survivors: bob and carl" in problem.rule for problem in result.conflicts)
        assert [row["unit"] for row in result.table("learner").to_pylist()] == ["ann", "ann"], "no link was applied"
        assert dict(result.dispositions) == {"counted": 2, "correction": 2}


@pytest.mark.parametrize("engine", ["duckdb", "reference"])
@pytest.mark.parametrize(
    "ledger", [contradicting(second="bob"), contradicting(voided="3")], ids=["said twice", "one was voided"]
)
def test_links_that_agree_or_were_voided_are_no_problem(ledger: list[Fact], engine: str) -> None:
    with meter(ledger, half_year(), as_of=AS_OF, engine=engine) as result:
        assert result.conflicts == ()
        assert [row["unit"] for row in result.table("learner").to_pylist()] == ["ann", "bob"]


def test_types_that_nobody_knows_and_types_that_never_occur_are_noted() -> None:
    ledger = [fact(str(n), "2026-01-05T10:00:00Z", "ann", "course.veiwed") for n in range(3)]
    with meter(ledger, half_year(), as_of=AS_OF) as result:
        unknown, never = result.notes
        assert unknown.place == "course.veiwed"
        assert unknown.rule == "3 facts are of a type that is not known (nearest: course.viewed)"
        assert never.place == "monthly-login"
        assert never.rule == "no fact is of a type that this plan counts (login)"
    with meter([fact("1", "2026-01-05T10:00:00Z", "ann")], half_year(), as_of=AS_OF) as result:
        assert result.notes == ()


def test_an_organisation_without_facts_is_noted() -> None:
    subscription = Subscription(
        plan=find_plan("monthly-login"), start=date(2026, 1, 1), end=date(2026, 2, 1), organisations=("nort",)
    )
    with meter([fact("1", "2026-01-05T10:00:00Z", "ann")], subscription, as_of=AS_OF) as result:
        [note] = result.notes
        assert note.place == "nort"
        assert "(nearest: north)" in note.rule


def test_a_mapping_from_a_column_that_no_export_has_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match='no export has a column "nobody"'):
        meter(arrow(), half_year(), as_of=AS_OF, options=ReadOptions(mapping={"learner": "nobody"}))
