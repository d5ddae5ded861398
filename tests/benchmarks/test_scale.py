"""All that take part in `make bench-scale` find the same, from the facts as they came and from a ledger."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.count import made_facts
from benchmarks.scale import chart, record, report
from benchmarks.scale.record import Figures, Measurement
from benchmarks.scale.run import FailedError, checksum, differences, in_fresh_process, made_ledger
from benchmarks.scale.sides import FACTS, LEDGER, SIDES, Side
from benchmarks.scale.workload import Task, subscriptions, write_calendar
from rich.console import Console

ROWS = 20_000


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("scale")
    facts = made_facts(folder, ROWS)
    made_ledger(facts, folder / "ledger")
    write_calendar(folder / "calendar.parquet")
    return Task(facts, folder / "calendar.parquet", folder / "ledger", folder / "answer.parquet", folder)


@pytest.fixture(scope="module")
def expected(task: Task, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        side.input: answer(side, task, tmp_path_factory.mktemp("expected")) for side in SIDES if side.name == "rollbook"
    }


def answer(side: Side, task: Task, folder: Path) -> str:
    own = replace(task, answer=folder / "answer", scratch=folder, ledger=task.ledger if side.input == LEDGER else None)
    in_fresh_process(side, own)
    return checksum(own.answer, side.answer)


@pytest.mark.parametrize(
    "side", [side for side in SIDES if side.name.startswith("floor")], ids=lambda side: f"{side.name}-{side.input}"
)
def test_floors_are_read(side: Side, task: Task) -> None:
    taken = in_fresh_process(side, replace(task, ledger=task.ledger if side.input == LEDGER else None))
    assert taken["seconds"] > 0


@pytest.mark.parametrize("side", [side for side in SIDES if side.answer], ids=lambda side: f"{side.name}-{side.input}")
def test_everybody_finds_what_rollbook_finds(side: Side, task: Task, expected: dict[str, str], tmp_path: Path) -> None:
    if side.version is None:
        (pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip)(f"{side.title} is not installed")
    assert answer(side, task, tmp_path) == expected[side.answer]
    activations, facts = (int(part.split()[0]) for part in expected[side.answer].split(", ")[:2])
    # Half of the types count, so about half of the facts do; most learners have one.
    assert 0.45 * ROWS < activations < facts < 0.55 * ROWS


def test_the_windows_of_the_subscriptions_differ_and_none_leaves_a_fact_out() -> None:
    made = subscriptions()
    assert len(made) == 200
    assert len({subscription.plan.meter for subscription in made}) == 1
    assert {subscription.plan.window.kind for subscription in made} == {"calendar-month", "anniversary-month", "days"}
    assert len({subscription.anchor for subscription in made}) == 28
    assert sum(subscription.zone != "UTC" for subscription in made) == 40
    blocks = [subscription for subscription in made if subscription.plan.window.kind == "days"]
    assert len({subscription.start for subscription in blocks}) > 5
    assert all(subscription.start.isoformat() <= "2024-01-01" for subscription in made)


def measured(*figures: Figures) -> Measurement:
    return Measurement(
        rows=1000,
        date="2026-11-27",
        machine="a machine",
        facts_bytes=2**30,
        ledger_bytes=2**29,
        build_seconds=10.0,
        figures=list(figures),
    )


OWN = Figures(FACTS, "rollbook", "Rollbook", "1", FACTS, [4.0, 6.0, 5.0], [9.0], 2**30, "", ["a"])
OTHER = Figures(FACTS, "polars", "Polars", "2", FACTS, [10.0], [], None, "", ["a"])
NAMED = Figures(LEDGER, "named", "Rollbook, everything by name", "1", FACTS, [1.0], [1.0], 2**30, "", ["a"])


def test_a_ratio_is_of_the_medians_and_is_missing_where_one_of_them_is() -> None:
    found = measured(OWN, OTHER)
    assert found.ratio(OTHER) == 2.0  # 10 to the middle of 4, 5 and 6
    assert found.ratio(OTHER, busy=True) is None
    assert measured(OTHER).ratio(OTHER) is None


def test_a_ledger_pays_when_the_runs_have_saved_what_it_took_to_build() -> None:
    assert measured(OWN, NAMED).pays_after == 2.5  # 10 s of building, 5 - 1 s saved by a run
    assert "after 3 runs" in report.ledger_words(measured(OWN, NAMED))
    assert measured(OWN, replace(NAMED, seconds=[5.0])).pays_after is None


def test_answers_that_differ_name_who_gave_which() -> None:
    assert differences(measured(OWN, OTHER, NAMED)) == []
    [words] = differences(measured(OWN, replace(OTHER, answers=["b"]), NAMED))
    assert words == "a: Rollbook (facts), Rollbook, everything by name (ledger); against b: Polars (facts)"


def test_a_side_that_breaks_is_told_with_its_last_words(task: Task, tmp_path: Path) -> None:
    [side] = [side for side in SIDES if (side.name, side.input) == ("duckdb", FACTS)]
    with pytest.raises(FailedError, match="No files found"):
        in_fresh_process(side, replace(task, facts=tmp_path / "none.parquet", ledger=None, scratch=tmp_path))


def test_the_page_keeps_the_last_measurement_of_each_size(tmp_path: Path) -> None:
    path = tmp_path / "scale.json"
    record.keep(measured(OWN), path)
    record.keep(measured(OWN, OTHER), path)
    record.keep(replace(measured(OWN), rows=10), path)
    kept = record.load(path)
    assert [(it.rows, len(it.figures)) for it in kept] == [(10, 1), (1000, 2)]
    assert kept[1] == measured(OWN, OTHER)


def test_what_is_missing_stands_in_the_table_and_not_in_the_picture() -> None:
    missing = Figures(FACTS, "spark", "Spark, local", "", FACTS, note="not installed")
    found = measured(OWN, OTHER, missing, NAMED)
    console = Console(width=160, record=True, file=io.StringIO())
    report.show(found, console)
    said = console.export_text()
    assert "not installed" in said
    drawn = chart.of_size(found)
    assert "Spark" not in drawn
    assert "10.0 s, 2.00 times" in drawn
