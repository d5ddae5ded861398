"""An earlier statement that was changed is found, by whoever verifies a later one and by whoever closes on top of it.

The book is that of `bundles`: in January 4 are active and 1 is beyond, so 10.00 + 1 x 2.50 = 12.50; in February the
same, and one more of January comes late.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollbook.books.book import Book
from rollbook.books.bundle import export
from rollbook.books.verifying import verify
from rollbook.errors import BookError
from rollbook.proof.digests import readable_record

from .bundles import FEBRUARY, JANUARY, Entries, close_until, covered_up, packed, record_changed, subscription

OF_JANUARY = "2026-02-02T00:00:00Z"


def _three_hundred(record: dict[str, Any]) -> None:
    """300 are said to be beyond: 300 x 2.50 = 750.00, and with the base 760.00."""
    record["consumption"][0].update(new=303, active=303, overage=300, overage_to_date=300, available=-300)
    [overage] = [charge for charge in record["charges"] if charge["kind"] == "overage"]
    overage.update(units=300, amount="750.00", parts=[{"units": 300, "rate": "2.50", "flat": "0"}])
    record["total"] = "760.00"


def _taken_back(record: dict[str, Any]) -> None:
    """2 are beyond, 2 x 2.50 = 5.00, and 300 were charged: 5.00 - 750.00 = -745.00; 12.50 - 745.00 = -732.50."""
    [adjustment] = record["adjustments"]
    adjustment["charges"][0].update(units=2 - 300, amount="-745.00")
    adjustment["amount"] = "-745.00"
    record["total"] = "-732.50"


def test_a_forged_earlier_statement_is_found_although_the_last_one_takes_it_back(
    entries: Entries, tmp_path: Path
) -> None:
    forged = record_changed(_three_hundred, "previous/0001.json")(entries)
    forged = record_changed(_taken_back, "statement.json")(forged)
    verdict = verify(packed(covered_up(forged, tmp_path), tmp_path / "forged.zip"))
    assert [check.name for check in verdict.checks if not check.holds] == ["statement 1"]
    told = "\n".join(next(check for check in verdict.checks if check.name == "statement 1").differences)
    assert "the statement says 760.00, the recount 12.50" in told


@pytest.fixture
def january(tmp_path: Path) -> Path:
    folder = tmp_path / "book"
    close_until(folder, subscription(), JANUARY, OF_JANUARY)
    return folder


def _rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "0001.json"
    record = json.loads(path.read_bytes())
    change(record)
    path.write_bytes(readable_record(record))


def _close_february(folder: Path, **changed: Any) -> None:
    close_until(folder, subscription(**changed), FEBRUARY, "2026-03-02T00:00:00Z")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_three_hundred, "it says 303 active, and its evidence has 4"),
        (lambda record: record.update(total="600.00"), "total is 600.00, and its lines come to 12.50"),
    ],
)
def test_nothing_is_closed_or_exported_on_a_last_record_that_was_changed(
    january: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    _rewritten(january, change)
    with pytest.raises(BookError, match=words):
        _close_february(january)
    with pytest.raises(BookError, match=words):
        export(Book(january), 1, tmp_path / "1.zip")
    assert not (january / "0002.json").exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"customer": "Southern Academy"}, "this is Southern Academy, and statement 1 was closed for Northern Academy"),
        ({"term": 2}, "this is 2, and statement 1 was closed for 1"),
    ],
)
def test_a_book_is_not_continued_for_another_customer_or_term(
    january: Path, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(BookError, match=words):
        _close_february(january, **changed)
    assert not (january / "0002.json").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("window", 5), ("charges", 3), ("facts", None), ("evidence", []), ("agreed", 1), ("as_of", "x"), ("currency", 3)],
)
def test_a_record_of_another_shape_is_no_statement(january: Path, name: str, value: object) -> None:
    _rewritten(january, lambda record: record.update({name: value}))
    with pytest.raises(BookError, match=rf"0001\.json: this is no statement: {name} "):
        Book(january)


@pytest.mark.parametrize("text", ["NaN", '"\\ud800"', '"a", "customer": "b"'])
def test_a_record_of_odd_json_is_no_statement(january: Path, text: str) -> None:
    path = january / "0001.json"
    path.write_text(path.read_text().replace('"Northern Academy"', text), encoding="utf-8")
    with pytest.raises(BookError, match="this is no statement"):
        Book(january)


def test_a_plan_whose_text_was_changed_is_neither_built_on_nor_exported_nor_mended(
    january: Path, tmp_path: Path
) -> None:
    [plan] = january.glob("plan.*.toml")
    plan.write_bytes(b"changed")
    with pytest.raises(BookError, match="its text is not the one that was agreed"):
        _close_february(january)
    with pytest.raises(BookError, match="its text is not the one that was agreed"):
        export(Book(january), 1, tmp_path / "1.zip")
    assert plan.read_bytes() == b"changed"


def test_a_plan_that_is_there_is_not_written_again(january: Path) -> None:
    [plan] = january.glob("plan.*.toml")
    before = plan.stat()
    _close_february(january)
    after = plan.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_names_learners_is_for_its_owner_alone(january: Path) -> None:
    for ending in ("evidence.parquet", "facts.parquet", "secret", "json"):
        assert stat.S_IMODE((january / f"0001.{ending}").stat().st_mode) == 0o600


def test_a_lock_that_cannot_be_opened_is_told(january: Path) -> None:
    (january / ".lock").unlink(missing_ok=True)
    (january / ".lock").mkdir()
    with pytest.raises(BookError, match="it cannot be locked"):
        _close_february(january)


def test_a_file_is_no_book(tmp_path: Path) -> None:
    (tmp_path / "book").write_text("", encoding="utf-8")
    with pytest.raises(BookError, match="this is a file, and a book is a folder"):
        Book(tmp_path / "book")
