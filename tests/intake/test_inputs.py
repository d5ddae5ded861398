"""What may be named as an input: archives, patterns, pipes and standard input."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from rollbook.errors import UsageError
from rollbook.intake import ReadOptions, inputs

from .reading import Read, good, write


def two_exports(folder: Path) -> tuple[Path, Path]:
    """Two exports of one fact each."""
    return write(folder, [good()], "csv", "one"), write(folder, [good(id="2", learner="ben")], "typed.parquet", "two")


def test_every_file_of_an_archive_is_read_under_its_own_name(tmp_path: Path) -> None:
    one, two = two_exports(tmp_path)
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(one, "logs/one.csv")
        archive.write(two, "logs/two.parquet")
        archive.writestr("logs/empty/", "")
        archive.writestr("__MACOSX/logs/._one.csv", "junk")
        archive.writestr("three.csv.gz", gzip.compress(b"id,occurred_at,type,learner\n9,never,login,ann\n"))
    read = Read(path)
    assert (read.rows, read.counted, read.rejected) == (3, 2, 1)
    assert read.places["lms", "1"] == f"{path}/logs/one.csv:2"
    assert read.messages[0].startswith(f"{path}/three.csv.gz:2: occurred_at")


def test_files_that_are_too_many_are_a_problem_and_the_first_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MEMBERS_MAX", 2)
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            write(tmp_path, [good(id=str(number))], "csv", f"part{number}")
            archive.write(tmp_path / f"part{number}.csv", f"{number}.csv")
    for name, said in ((path, "the archive holds"), (f"{tmp_path}/part*.csv", "the pattern means")):
        read = Read(name)
        assert (read.rows, read.counted) == (2, 2)
        assert read.files[0].startswith(f"{name}: {said} 3 files, and those after the first 2 were not read; ")
        assert len(read.files) == 1


def test_an_archive_that_is_damaged_or_a_workbook_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.csv", "id,occurred_at,type,learner\n" + "1,2026-03-01T09:30:00Z,login,ann\n" * 50)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"login,ann\n1", b"login,bob\n1", 1))
    read = Read(path)
    assert read.files
    assert read.adds_up()
    workbook = tmp_path / "book.xlsx"
    with zipfile.ZipFile(workbook, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    assert Read(workbook).files[0].startswith(f"{workbook}: is an Excel workbook")


def test_an_archive_with_a_password_is_a_problem_of_each_of_its_files(tmp_path: Path) -> None:
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.csv", "id\n")
    content = bytearray(path.read_bytes())
    for at in (6, content.rindex(b"PK\x01\x02") + 8):
        content[at] |= 1  # The flag that says encrypted, in the file's own head and in the archive's list.
    path.write_bytes(bytes(content))
    assert "cannot be unpacked" in Read(path).files[0]


def test_a_pattern_means_the_files_that_match_it_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, [good(id="2", learner="ben")], "csv", "b")
    write(tmp_path, [good()], "csv", "a")
    read = Read(str(tmp_path / "*.csv"))
    assert [place.rsplit("/", 1)[1] for place in read.places.values()] == ["a.csv:2", "b.csv:2"]
    assert Read(str(tmp_path / "*.tsv")).files == [f"{tmp_path}/*.tsv: does not exist; check the name and the folder"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    path = write(tmp_path, [good()], "csv", "march [1]")
    assert (Read(path).rows, Read(path).files) == (1, [])


def test_standard_input_may_hold_any_kind_of_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for format_ in ("csv", "ndjson.gz", "typed.parquet"):
        content = write(tmp_path, [good()], format_).read_bytes()
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        read = Read("-")
        assert (read.rows, read.counted, read.messages) == (1, 1, []), format_
        assert next(iter(read.places.values())).startswith("standard input:")


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = write(tmp_path, [good()], "csv").read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    read = Read(pipe)
    writer.join()
    assert (read.rows, read.counted) == (1, 1)


def test_two_files_of_one_name_in_an_archive_are_both_read(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    head = "id,occurred_at,type,learner\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", head + "1,2026-03-01T09:30:00Z,login,ann\n")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.csv", head + "2,2026-03-01T09:30:00Z,login,ben\n")
    assert [fact.learner for fact in Read(path).facts] == ["ann", "ben"]


def test_a_table_that_no_export_has_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r'no export has a table "rolls" \(nearest: roles\)'):
        ReadOptions(tables={"rolls": "roles.csv"})
