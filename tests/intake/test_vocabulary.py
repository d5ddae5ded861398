"""What events mean is a table; an administrator's own is asked first."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from rollbook.errors import UsageError
from rollbook.intake.vocabulary import Meaning, Vocabulary, parse_vocabulary, read_vocabulary, shipped

from .reading import FORMATS, Read, good, write

SHIPPED = sorted((Path(__file__).parents[2] / "src/rollbook/intake/vocabularies").glob("*.csv"))


def test_an_event_means_what_its_row_says_and_otherwise_keeps_its_name() -> None:
    found = Vocabulary(parse_vocabulary("event,type,role\nSignedIn,login,admin\n", "v.csv"))
    assert found["SignedIn"] == Meaning("login", "admin")
    assert found["signedin"] == Meaning("login", "admin"), "case does not matter"
    assert found["SignedOut"] == Meaning("SignedOut")
    assert found.meaning("SignedOut") is None


def test_ones_own_meaning_is_asked_before_the_shipped_one() -> None:
    found = Vocabulary({"a": Meaning("login"), "b": Meaning("login")}, {"a": Meaning("course.viewed")})
    assert (found["a"].type, found["A"].type, found["b"].type) == ("course.viewed", "course.viewed", "login")


def test_blank_rows_and_remarks_are_passed_over() -> None:
    assert parse_vocabulary("event,type,note\n# deeds\n\na,login,why\n", "v.csv") == {"a": Meaning("login")}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheet_may_save_a_vocabulary_with_semicolons_or_tabs(tmp_path: Path, delimiter: str) -> None:
    text = 'event,type,role,note\n"a, b",login,admin,"c; d"\n'
    rows = csv.reader(text.splitlines())
    with (tmp_path / "words.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    assert read_vocabulary(tmp_path / "words.csv") == {"a, b": Meaning("login", "admin")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "v.csv:1: there is no column event"),
        ("event,kind\n", 'v.csv:1: there is no column "kind"'),
        ("event,type\na,\n", "v.csv:2: event or type is empty"),
        ("event,type\na,login\na,login\n", 'v.csv:3: "a" stands there twice'),
        ("event,type,role\na,login,leaner\n", 'v.csv:2: "leaner" is not a role (nearest: learner)'),
        ("event,type,mode\na,login,life\n", 'v.csv:2: "life" is not a mode (nearest: live)'),
    ],
)
def test_a_vocabulary_that_is_wrong_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_vocabulary(text, "v.csv")
    assert message in str(refused.value)


def test_a_vocabulary_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("v.csv", "none.csv"):
        with pytest.raises(UsageError, match="the vocabulary cannot be read"):
            read_vocabulary(tmp_path / name)


@pytest.mark.parametrize("format_", FORMATS)
def test_types_of_canonical_exports_may_be_translated_too(tmp_path: Path, format_: str) -> None:
    (tmp_path / "mine.csv").write_text("event,type,role\nsign-in,login,admin\n")
    path = write(tmp_path, [good(type="sign-in"), good(id="2")], format_)
    read = Read(path, vocabularies=(str(tmp_path / "mine.csv"),))
    assert [(fact.type, fact.role) for fact in read.facts] == [("login", "admin"), ("login", "learner")]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_vocabulary_can_be_read_and_says_why_in_its_notes(path: Path) -> None:
    assert shipped(path.stem)
    assert path.read_text(encoding="utf-8").startswith("event,type,role,mode,note\n")
