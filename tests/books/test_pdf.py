"""A statement as PDF: deterministic, and whatever a name is, it is text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rollbook import find_plan
from rollbook.books.book import Book
from rollbook.render.pdf import write_pdf

from .made import JANUARY, LATE, closed, entered, previewed, quarter

HOSTILE = (
    '#import "evil.typ": *',
    "$ x^2 $",
    "] *bold* _it_ `raw` <label> @reference",
    "#panic()",
    "\\u{41} // no comment",
    "= heading",
    '"; quote',
)

READER = shutil.which("pdftotext")
needs_reader = pytest.mark.skipif(
    READER is None and not os.environ.get("ROLLBOOK_REQUIRE"),
    reason="pdftotext is not installed, so what a PDF says is not checked: install poppler-utils",
)


def said(pdf: bytes, folder: Path) -> str:
    """The text of a PDF, without line breaks."""
    folder.joinpath("read.pdf").write_bytes(pdf)
    done = subprocess.run([str(READER), "-layout", "read.pdf", "-"], cwd=folder, capture_output=True, check=True)
    return re.sub(r"\s+", " ", done.stdout.decode().replace("\u200b", ""))


def statement(folder: Path, **changed: Any) -> dict[str, Any]:
    closed(folder, JANUARY, "2026-02-01", quarter(**changed))
    return dict(Book(folder).records[-1])


def row(unit: str) -> dict[str, Any]:
    first = datetime(2026, 1, 5, tzinfo=UTC)
    names = {"window": 1, "organisation": "north", "unit": unit, "object": "", "class": "new", "first_at": first}
    return names | {"source": "lms", "fact": unit, "standing": "included"}


def pages(pdf: bytes) -> int:
    found = re.search(rb"/Type\s*/Pages[^>]*?/Count (\d+)", pdf)
    assert found
    return int(found[1])


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    record = statement(tmp_path)
    first = write_pdf(record, digest="d")
    assert first == write_pdf(record, digest="d")
    assert first.startswith(b"%PDF-")
    assert first != write_pdf(record, digest="d", locale="de")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_look_like_markup_change_nothing_but_themselves(tmp_path: Path, name: str) -> None:
    """Read as markup each of them would stop the typesetter, or be set in another number of pages."""
    record = statement(tmp_path)
    hostile = record | {"customer": name, "organisations": [name], "plan": record["plan"] | {"title": name}}
    assert pages(write_pdf(hostile, evidence=[row(name)])) == pages(write_pdf(record, evidence=[row("ann")]))


@needs_reader
def test_names_stand_on_paper_as_they_are(tmp_path: Path) -> None:
    record = statement(tmp_path / "book")
    text = said(write_pdf(record, evidence=[row(name) for name in HOSTILE]), tmp_path)
    squeezed = text.replace(" ", "")
    assert [name for name in HOSTILE if name.replace(" ", "")[:12] not in squeezed] == []


def test_control_characters_long_words_and_other_scripts_can_be_set(tmp_path: Path) -> None:
    record = statement(tmp_path)
    for name in ("a\x00b\x1b[31m\u202ec", "w" * 500, "شركة التعلم", "学習株式会社", "👩‍🎓", "\ufffe", "e\u0301" * 40):
        assert write_pdf(record | {"customer": name}, evidence=[row(name)]).startswith(b"%PDF-")


@needs_reader
def test_it_says_who_when_what_counts_what_is_owed_and_how_to_verify(tmp_path: Path) -> None:
    record = statement(tmp_path / "book")
    text = said(write_pdf(record, digest="0123abcd"), tmp_path)
    for words in (
        "Academy",
        "January 1, 2026 to January 31, 2026, both included",
        "learners with session.entered",
        "Beyond what is included",
        "€10.00",
        "0123abcd",
        record["evidence"]["root"],
        "page 1 of 1",
    ):
        assert words in text
    assert "PREVIEW" not in text


@needs_reader
def test_adjustments_name_their_windows_and_how_many_came_and_went(tmp_path: Path) -> None:
    closed(tmp_path / "book", JANUARY, "2026-02-01")
    closed(tmp_path / "book", LATE, "2026-03-01")
    records = Book(tmp_path / "book").records
    text = said(write_pdf(records[1], before=records[:1]), tmp_path)
    assert "period 1, closed before: 2 added" in text
    assert "January 1, 2026 to January 31, 2026" in text
    assert "€5.00" in text


@needs_reader
def test_a_preview_is_marked_and_proves_nothing(tmp_path: Path) -> None:
    text = said(write_pdf(previewed(tmp_path / "book", JANUARY, "2026-01-10")), tmp_path)
    assert "PREVIEW: not closed, not numbered, not final." in text
    assert "Accrued so far" in text


@needs_reader
def test_amounts_and_days_are_written_as_the_locale_has_them(tmp_path: Path) -> None:
    text = said(write_pdf(statement(tmp_path / "book"), locale="de"), tmp_path)
    assert "10,00 €" in text
    assert "1. Januar 2026" in text


@needs_reader
def test_without_prices_it_says_so(tmp_path: Path) -> None:
    text = said(write_pdf(statement(tmp_path / "book", quote=None)), tmp_path)
    assert "no price is known" in text


@needs_reader
def test_the_total_stands_below_what_is_said_where_nothing_is_charged(tmp_path: Path) -> None:
    record = statement(tmp_path / "book") | {"charges": [], "total": "0.00"}
    tmp_path.joinpath("read.pdf").write_bytes(write_pdf(record))
    found = subprocess.run(
        [str(READER), "-bbox", "read.pdf", "-"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    lines = re.findall(r'yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)">(\w+)', found.decode())
    said_until = next(float(until) for _, until, word in lines if word == "charged")
    *_, total_from = (float(since) for since, _, word in lines if word == "Total")
    # In points: the line above the total, and its inset of 2 mm.
    assert total_from > said_until + 5


@needs_reader
def test_seats_are_told_as_seats(tmp_path: Path) -> None:
    to = replace(quarter(), plan=find_plan("secondnature-seats"), quote=None)
    logins: Sequence[Any] = [fact.replace(type="login") for fact in JANUARY]
    closed(tmp_path / "book", logins, "2026-04-01", to)
    text = said(write_pdf(Book(tmp_path / "book").records[0]), tmp_path)
    assert "Seats" in text
    assert re.search(r"Seats .* Most at .* 2 0 3 0 3 3", text)


@needs_reader
def test_the_head_of_a_long_table_comes_again_on_every_page(tmp_path: Path) -> None:
    learners = [fact for n in range(150) for fact in entered(f"u{n}", "2026-01-05")]
    closed(tmp_path / "book", learners, "2026-02-01")
    record = Book(tmp_path / "book").records[0]
    pdf = write_pdf(record, evidence=[row(f"u{n}") for n in range(100)])
    assert pages(pdf) > 2
    text = said(pdf, tmp_path)
    first, *others = text.split("page ")[: pages(pdf)]
    assert "Proof Included" in first
    assert all("Proof Included" in page for page in others)
    assert "The first 100 of 150 rows" in text
