"""What is closed is final, numbered without gaps, and whole or not there; what comes late is a difference."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rollbook import Fact, find_plan
from rollbook.books.book import Book
from rollbook.books.closing import close
from rollbook.errors import BookError
from rollbook.model.instants import to_us
from rollbook.model.plan import Meter, WindowRule
from rollbook.model.subscription import Quantity
from tests.metering import ledgers

from .made import FEBRUARY, JANUARY, LATE, PRICES, at, closed, entered, governed, metered, quarter, voided


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def evidence(folder: Path, number: int) -> list[tuple[int, str, str]]:
    rows = pq.read_table(folder / f"{number:04}.evidence.parquet").to_pylist()
    return [(row["window"], row["unit"], row["standing"]) for row in rows]


def test_a_window_closes_with_its_charges_and_everybody_who_counted(tmp_path: Path) -> None:
    [statement] = closed(tmp_path, JANUARY, "2026-02-01")
    charges = [(it["kind"], it["units"], it["amount"]) for it in statement.record["charges"]]
    assert charges == [("base", 2, "6.00"), ("overage", 1, "4.00")]
    assert statement.record["total"] == "10.00"
    assert evidence(tmp_path, 1) == [(1, "ann", "included"), (1, "bob", "included"), (1, "carl", "beyond")]


def test_several_windows_close_in_one_run_each_by_itself(tmp_path: Path) -> None:
    statements = closed(tmp_path, [*JANUARY, *FEBRUARY], "2026-04-01")
    assert [(it.number, it.window) for it in statements] == [(1, 1), (2, 2), (3, 3)]
    assert [it.record["total"] for it in statements] == ["10.00", "6.00", "6.00"]
    assert [it.record["previous"] for it in statements] == [None, statements[0].digest, statements[1].digest]
    assert [it.record["facts"]["rows"] for it in statements] == [4, 0, 0]


def test_what_arrives_late_is_booked_on_the_next_statement_as_a_difference(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    [statement] = closed(tmp_path, [*LATE, *FEBRUARY], "2026-03-01")
    [adjusted] = statement.record["adjustments"]
    # Three beyond at 3.00 instead of one at 4.00.
    assert [(it["window"], it["units"], it["amount"]) for it in adjusted["charges"]] == [(1, 2, f"{3 * 3 - 4}.00")]
    assert (adjusted["windows"], adjusted["added"], adjusted["removed"]) == ([1], 2, 0)
    assert statement.record["total"] == f"{2 * 3 + 5}.00"
    assert evidence(tmp_path, 2) == [(2, "ann", "included"), (1, "dan", "added"), (1, "eve", "added")]


def test_what_is_taken_back_late_is_a_credit(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    [statement] = closed(tmp_path, [voided(JANUARY[0])], "2026-03-01")
    [adjusted] = statement.record["adjustments"]
    assert (adjusted["added"], adjusted["removed"], adjusted["amount"]) == (0, 1, "-4.00")
    assert evidence(tmp_path, 2) == [(1, "ann", "removed")]


def test_what_was_added_can_be_taken_back_and_added_again(tmp_path: Path) -> None:
    late = entered("dan", "2026-01-20")
    closed(tmp_path, JANUARY, "2026-02-01")
    closed(tmp_path, late, "2026-03-01")
    closed(tmp_path, [voided(late[0])], "2026-04-01")
    [note] = closed(tmp_path, entered("dan", "2026-01-25"), "2026-05-01")
    assert [evidence(tmp_path, number)[-1] for number in (2, 3, 4)] == [
        (1, "dan", "added"),
        (1, "dan", "removed"),
        (1, "dan", "added"),
    ]
    assert note.window is None
    assert note.record["total"] == "4.00"


def test_after_the_term_what_comes_late_is_a_note_of_its_own_and_nothing_else_is_written(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-04-01")
    before = contents(tmp_path)
    assert closed(tmp_path, JANUARY, "2026-05-01") == []
    assert contents(tmp_path) == before
    [note] = closed(tmp_path, LATE, "2026-05-01")
    assert (note.number, note.window, note.record["charges"], note.record["total"]) == (4, None, [], "5.00")
    assert {name: contents(tmp_path)[name] for name in before} == before


def test_entries_with_one_id_from_two_sources_are_two_units_whenever_they_come(tmp_path: Path) -> None:
    def guest(source: str) -> Fact:
        return entered("", "2026-01-09")[0].replace(id="7", source=source, role="guest")

    closed(tmp_path, [*JANUARY, guest("lms")], "2026-02-01")
    [statement] = closed(tmp_path, [guest("zoom")], "2026-03-01")
    assert evidence(tmp_path, 2) == [(1, "7", "added")]
    assert statement.record["adjustments"][0]["added"] == 1


def test_every_entry_of_a_learner_is_a_unit_that_can_come_late_and_be_taken_back(tmp_path: Path) -> None:
    meter = Meter(counts=("session.entered",), unit="entry")
    to = quarter(plan=ledgers.plan(meter, WindowRule(kind="calendar-month")))
    entries = entered("ann", "2026-01-05", "2026-01-06")
    closed(tmp_path, entries, "2026-02-01", to)
    closed(tmp_path, entered("ann", "2026-01-07"), "2026-03-01", to)
    [statement] = closed(tmp_path, [voided(entries[0])], "2026-04-01", to)
    assert [evidence(tmp_path, number) for number in (2, 3)] == [[(1, "ann", "added")], [(1, "ann", "removed")]]
    assert statement.record["adjustments"][0]["removed"] == 1


def test_a_window_waits_for_its_grace(tmp_path: Path) -> None:
    to = quarter(plan=governed(grace_days=10))
    assert closed(tmp_path, JANUARY, "2026-02-10", to) == []
    assert not tmp_path.joinpath("0001.json").exists()
    [statement] = closed(tmp_path, JANUARY, "2026-02-11", to)
    assert statement.window == 1


def test_nothing_closes_before_the_term(tmp_path: Path) -> None:
    assert closed(tmp_path, JANUARY, "2025-12-01") == []


def test_less_than_was_known_at_a_close_is_refused(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-04-01")
    with pytest.raises(BookError, match="known at 2026-04-01T00:00:00Z, and this is before it"):
        closed(tmp_path, JANUARY, "2026-03-31")


@pytest.mark.parametrize(
    ("named", "changed"),
    [
        ("quantities", {"quantities": (Quantity(quarter().start_us, 3),)}),
        ("quote", {"quote": replace(PRICES, currency="USD")}),
        ("zone", {"zone": "Asia/Tokyo"}),
        ("plan", {"plan": find_plan("facilitate-monthly"), "quantities": ()}),
        ("organisations", {"organisations": ("north", "south")}),
    ],
)
def test_what_was_agreed_for_a_closed_window_stays_agreed(
    tmp_path: Path, named: str, changed: dict[str, object]
) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    with pytest.raises(BookError, match=rf"Academy: {named}: it says otherwise .* window 1 is closed"):
        closed(tmp_path, JANUARY, "2026-03-01", quarter(**changed))


def test_more_may_be_bought_for_windows_that_are_not_closed(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    start_us = quarter().start_us
    more = quarter(quantities=(Quantity(start_us, 2), Quantity(to_us(at("2026-02-10")), 5)))
    [statement] = closed(tmp_path, FEBRUARY, "2026-03-01", more)
    assert [(it["kind"], it["units"]) for it in statement.record["charges"]] == [("base", 2), ("base-added", 3)]
    assert statement.record["adjustments"] == []


def test_what_an_interrupted_close_left_behind_is_written_anew(tmp_path: Path) -> None:
    for name in ("0001.facts.parquet", "0001.evidence.parquet", "0001.secret", ".tmp1.json"):
        tmp_path.joinpath(name).write_bytes(b"half")
    assert Book(tmp_path).statements == ()
    closed(tmp_path, JANUARY, "2026-02-01")
    assert len(evidence(tmp_path, 1)) == 3
    assert closed(tmp_path, FEBRUARY, "2026-03-01")[0].number == 2


def test_a_close_that_is_stopped_before_its_record_leaves_no_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", stopped)
        with pytest.raises(KeyboardInterrupt):
            closed(tmp_path, JANUARY, "2026-02-01")
    assert Book(tmp_path).statements == ()
    assert not list(tmp_path.glob(".tmp*.json"))
    assert [it.number for it in closed(tmp_path, JANUARY, "2026-02-01")] == [1]


def test_whoever_read_the_book_before_another_closed_writes_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path)
    with metered(book, JANUARY, "2026-03-01", quarter()) as result:
        closed(tmp_path, [*JANUARY, *LATE], "2026-02-01")
        before = contents(tmp_path)
        with pytest.raises(BookError, match="somebody else has closed it"):
            list(close(book, result, lambda: b"other" * 8))
    assert contents(tmp_path) == before


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [1] * ? {a,b} é"
    closed(folder, JANUARY, "2026-02-01")
    closed(folder, LATE, "2026-03-01")
    assert [row[2] for row in evidence(folder, 2)] == ["added", "added"]


def _changed(path: Path) -> None:
    """The same table with one cell changed."""
    table = pq.read_table(path)
    place = table.schema.get_field_index("unit" if "evidence" in path.name else "learner")
    names = ["zoe", *table.column(place).to_pylist()[1:]]
    pq.write_table(table.set_column(place, table.schema.field(place), [names]), path)


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _retold(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"total": "0.00"}), encoding="utf-8")


def _shortened(path: Path) -> None:
    path.write_text('{"format": "rollbook statement 1"}', encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("0001.json", Path.unlink, "0002.json: statement 1 is missing before it"),
        ("0001.json", _emptied, "0001.json: this is no statement"),
        ("0001.json", _shortened, "0001.json: this is no statement: it does not have the keys format, number"),
        ("0001.json", _retold, "0002.json: it does not follow the statement before it"),
        ("0001.evidence.parquet", Path.unlink, "0001.evidence.parquet: it is missing"),
        ("0001.evidence.parquet", _emptied, "0001.evidence.parquet: it cannot be read"),
        ("0001.evidence.parquet", _changed, "0001.evidence.parquet: it is not what was closed"),
        ("0002.facts.parquet", Path.unlink, "0002.facts.parquet: it is missing"),
        ("0001.facts.parquet", _changed, "0001.facts.parquet: it is not what was closed"),
        ("0001.secret", Path.unlink, "0001.secret: it is missing"),
        (
            "0001.secret",
            _emptied,
            "0001.evidence.parquet: it is not what was closed: its seal is another, or 0001.secret",
        ),
    ],
)
def test_nothing_is_built_on_a_damaged_book(
    tmp_path: Path, name: str, damage: Callable[[Path], None], said: str
) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    closed(tmp_path, FEBRUARY, "2026-03-01")
    damage(tmp_path / name)
    before = contents(tmp_path)
    with pytest.raises(BookError) as caught:
        closed(tmp_path, JANUARY, "2026-04-01")
    assert said in str(caught.value)
    assert {key: value for key, value in contents(tmp_path).items() if key != ".lock"} == {
        key: value for key, value in before.items() if key != ".lock"
    }


def test_a_book_holds_only_facts_of_its_own_organisations(tmp_path: Path) -> None:
    closed(tmp_path, [*JANUARY, *entered("mia", "2026-01-08", organisation="another customer")], "2026-02-01")
    assert "mia" not in pq.read_table(tmp_path / "0001.facts.parquet").column("learner").to_pylist()


def test_statements_beyond_the_ten_thousandth_keep_their_order(tmp_path: Path) -> None:
    [statement] = closed(tmp_path, JANUARY, "2026-02-01")
    names = ["0001.json", "9999.json", "10000.json"]
    for name in names[1:]:
        tmp_path.joinpath(name).write_text(json.dumps(dict(statement.record)), encoding="utf-8")
    with pytest.raises(BookError) as caught:
        Book(tmp_path)
    assert [problem.place.rsplit("/", 1)[-1] for problem in caught.value.problems[:2]] == names[1:]
