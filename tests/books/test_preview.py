"""What has accrued, before anything is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.errors import BookError

from .made import FEBRUARY, JANUARY, LATE, closed, previewed


def test_a_preview_is_of_the_window_that_runs_and_has_no_number(tmp_path: Path) -> None:
    record = previewed(tmp_path, [*JANUARY, *FEBRUARY], "2026-02-10")
    assert (record["number"], record["window"]["number"], record["as_of"]) == (None, 2, "2026-02-10T00:00:00Z")
    assert [(it["kind"], it["amount"]) for it in record["charges"]] == [("base", "6.00")]


def test_a_preview_may_be_of_an_earlier_window_that_is_not_closed(tmp_path: Path) -> None:
    assert previewed(tmp_path, JANUARY, "2026-02-10", window=1)["total"] == "10.00"


def test_a_preview_tells_what_will_be_adjusted(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    record = previewed(tmp_path, LATE, "2026-02-10")
    assert [it["amount"] for it in record["adjustments"]] == ["5.00"]
    assert record["total"] == f"{6 + 5}.00"


def test_after_the_last_window_a_preview_is_of_the_note_that_is_due(tmp_path: Path) -> None:
    closed(tmp_path, JANUARY, "2026-04-01")
    record = previewed(tmp_path, LATE, "2026-05-01")
    assert (record["window"], record["total"]) == (None, "5.00")


@pytest.mark.parametrize(("window", "rule"), [(1, "it is closed"), (3, "no such window has begun"), (9, "no such")])
def test_a_window_that_does_not_run_is_refused(tmp_path: Path, window: int, rule: str) -> None:
    closed(tmp_path, JANUARY, "2026-02-01")
    with pytest.raises(BookError, match=rule):
        previewed(tmp_path, FEBRUARY, "2026-02-10", window)


def test_a_preview_writes_nothing(tmp_path: Path) -> None:
    previewed(tmp_path / "book", JANUARY, "2026-02-10")
    assert not (tmp_path / "book").exists()
