"""Rosters that somebody broke on purpose: bounded in time and memory, told in words, and nobody removed."""

from __future__ import annotations

import gzip
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from rollbook.intake.rosters import taking

from .rosters import SCHOOL, enrolled, plain, read, school, told, zipped

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(("bound", "most"), [("FILE_BYTES_MAX", MEBIBYTE), ("LINES_MAX", 100_000)])
@pytest.mark.parametrize("content", ["\n", "\r", ",,,,,,,,,\n"])
def test_an_archive_that_unpacks_to_far_more_is_given_up_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, content: str
) -> None:
    monkeypatch.setattr(taking, bound, most)
    bomb = zipped(
        tmp_path / "bomb.zip", {**SCHOOL, "enrollments.csv": SCHOOL["enrollments.csv"] + content * (4 * MEBIBYTE)}
    )
    assert bomb.stat().st_size < MEBIBYTE
    tracemalloc.start()
    reading = read(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "lines when unpacked" in " ".join(told(reading))
    assert not reading.snapshot.complete
    # A block and its lines, and never the whole.
    assert peak < 32 * MEBIBYTE


@pytest.mark.parametrize("pack", ["gz", "zip"])
def test_a_line_without_an_end_is_refused_without_being_held(tmp_path: Path, pack: str) -> None:
    text = b"learner,course\nann,welding\n" + b"x" * (24 * MEBIBYTE)
    path = tmp_path / f"roster.{pack}"
    if pack == "gz":
        path.write_bytes(gzip.compress(text))
    else:
        zipped(path, {"roster.csv": text})
    tracemalloc.start()
    reading = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [it.rule for it in reading.problems] == ["the line is longer than 1,048,576 bytes"]
    assert enrolled(reading) == {"welding": ("ann", "welding", "", "", False)}
    assert peak < 16 * MEBIBYTE


def test_more_rows_than_a_roster_may_have_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "ROWS_MAX", 3)
    reading = plain(tmp_path, "learner,course\n" + "".join(f"l{n},welding\n" for n in range(5)))
    assert reading.fates == {"taken": 3}
    assert not reading.snapshot.complete
    assert told(reading)[0].startswith("roster.csv: the roster has more than")


def test_two_members_of_one_name_are_not_believed_to_be_whole(tmp_path: Path) -> None:
    files = {**SCHOOL, "../users.csv": "sourcedId\neve\n"}
    reading = read(zipped(tmp_path / "r.zip", files))
    assert ("s1", "ann") in reading.snapshot.roster.learners
    assert "users.csv is called so, too; give one file of each name" in told(reading)[0]
    assert not reading.snapshot.complete


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "r.zip", SCHOOL)
    data = bytearray(path.read_bytes())
    # Bit 0 of the flags of each member says that it is encrypted: 6 bytes into its header, 8 into its entry.
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(magic)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(magic, at + 4)
    path.write_bytes(bytes(data))
    reading = read(path)
    assert all("cannot be unpacked" in it for it in told(reading))
    assert not reading.snapshot.complete


@pytest.mark.parametrize("keep", [0, 1, 40, 400, 1400])
def test_an_archive_that_is_cut_off_removes_nobody(tmp_path: Path, keep: int) -> None:
    path = zipped(tmp_path / "r.zip", SCHOOL)
    path.write_bytes(path.read_bytes()[:keep])
    reading = read(path)
    assert reading.problems.files
    assert not reading.snapshot.complete


def test_a_member_whose_bytes_do_not_match_their_sum_is_told(tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in SCHOOL.items():
            archive.writestr(name, text)
    path.write_bytes(path.read_bytes().replace(b"e1,,,m7,s1,ann", b"e1,,,m7,s1,bob", 1))
    reading = read(path)
    assert any("enrollments.csv: cannot be read (bad crc-32" in it for it in told(reading))
    assert not reading.snapshot.complete


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"<html><body>Sign in</body></html>", "is a page of HTML or XML"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 20, "is an old Excel workbook"),
        (b'{"learner": "ann"}\n', "is ndjson, not CSV"),
        (b"[]", "is json, not CSV"),
        (b"\0\1\2\3", "holds bytes that are no text"),
        (b"learner,learner,course\n", "the column learner stands there 2 times"),
    ],
)
def test_what_is_no_roster_is_told_by_what_it_is(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes(content)
    reading = read(path)
    assert reading.problems.files[0].rule.startswith(rule)
    assert reading.rows == 0
    assert not reading.snapshot.complete


def test_a_workbook_is_no_archive_of_files(tmp_path: Path) -> None:
    book = zipped(tmp_path / "roster.xlsx", {"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})
    assert read(book).problems.files[0].rule == "is an Excel workbook, or a zip archive that is damaged"


def test_a_file_of_another_encoding_is_told_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes("learner,course\nzoë,welding\nann,welding\n".encode("cp1252"))
    reading = read(path)
    assert told(reading) == [
        "roster.csv:2: the line is not UTF-8; convert the file: it was probably written as Windows-1252 or Latin-1"
    ]
    assert [key[1] for key in reading.snapshot.roster.learners] == ["ann"]


def test_half_characters_of_utf_16_are_refused_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes("learner,course\nann\ud800,welding\nbob,welding\n".encode("utf-16", "surrogatepass"))
    reading = read(path)
    assert reading.fates == {"taken": 1, "rejected": 1}


def test_a_quote_that_nobody_closes_swallows_no_row(tmp_path: Path) -> None:
    reading = plain(tmp_path, 'learner,course\n"ann,welding\nbob,welding\ncid,welding\n')
    assert sorted(key[1] for key in reading.snapshot.roster.learners) == ["bob", "cid"]
    assert reading.fates == {"taken": 2, "rejected": 1}


def test_a_folder_without_a_roster_and_one_that_is_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "it holds 0 files" in told(read(tmp_path / "empty"))[0]
    assert read(tmp_path / "none").problems.files[0].rule == "does not exist"


def test_nothing_is_left_behind_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    read(school(tmp_path / "school"))
    assert not list(temporary.iterdir())
