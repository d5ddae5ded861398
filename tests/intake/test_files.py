"""A file that cannot be read, or not to its end, is one clear problem; what stands before it is kept."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from rollbook.errors import UsageError
from rollbook.intake import ReadOptions, read_facts

from .reading import GOOD, Read, good, write

HEAD = "id,occurred_at,type,learner\n"
ROW = "{},2026-03-01T09:30:00Z,login,ann\n"
MANY = HEAD + "".join(ROW.format(number) for number in range(20_000))
PARQUET_MANY = 5000


def _parquet(path: Path) -> bytes:
    rows = [good(id=str(number)) for number in range(PARQUET_MANY)]
    return write(path.parent, rows, "parquet", "whole").read_bytes()


def _nested(path: Path) -> bytes:
    columns = {**{name: [value] for name, value in GOOD.items()}, "learner": [{"id": 1}]}
    parquet.write_table(pa.table(columns), path)
    return path.read_bytes()


UNREADABLE: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda _: b"", "is empty; export it again"),
    "white space": (lambda _: b" \n\n \t\n", "is empty"),
    "much white space": (lambda _: b"\n" * 100_000, "has no header that can be read: there is no line"),
    "empty gzip": (lambda _: gzip.compress(b""), "is empty"),
    "byte order mark alone": (lambda _: b"\xef\xbb\xbf", "is empty"),
    "half a gzip header": (lambda _: b"\x1f\x8b\x08", "is cut off"),
    "gzip of nothing known": (lambda _: b"\x1f\x8b" + b"\xff" * 50, "is damaged: its compressed data are wrong"),
    "noise": (lambda _: bytes(range(256)) * 40, "holds bytes that are no text"),
    "UTF-16 without a mark": (lambda _: HEAD.encode("utf-16-le"), "holds bytes that are no text"),
    "zip": (
        lambda _: b"PK\x03\x04" + b"\0" * 40,
        "is an Excel workbook, or a zip archive that is damaged; save the sheet as CSV",
    ),
    "old Excel": (lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old Excel workbook"),
    "bzip2": (lambda _: b"BZh91AY", "is compressed with bzip2"),
    "xz": (lambda _: b"\xfd7zXZ\0", "is compressed with xz"),
    "zstd noise": (lambda _: b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "cannot be read any further"),
    "JSON list of nothing known": (lambda _: b"[nonsense]", "is not JSON from item 1 on"),
    "HTML": (lambda _: b"<!doctype html><title>Log in</title>", "is a page of HTML or XML; export the rows as CSV"),
    "no header": (lambda _: ROW.format("1").encode(), "there is no column occurred_at among: 1, 2026-03-01"),
    "near header": (
        lambda _: b"id,occured_at,type,learner\n",
        'there is no column occurred_at (nearest: occured_at); say --map occurred_at="occured_at"',
    ),
    "header without type": (lambda _: b"id,occurred_at,learner\n", "there is no column type among"),
    "header twice": (lambda _: b"type,occurred_at,learner,learner\n", "the column learner stands there 2 times"),
    "header with an open quote": (lambda _: b'id,"occurred_at,type\n', "has no header that can be read: a quote"),
    "truncated Parquet": (lambda path: _parquet(path)[:-20], "is a damaged Parquet file"),
    "Parquet magic alone": (lambda _: b"PAR1", "is a damaged Parquet file"),
    "Parquet of noise": (lambda _: b"PAR1" + b"\x07" * 500 + b"PAR1", "is a damaged Parquet file"),
    "encrypted Parquet": (lambda _: b"PARE" + b"\0" * 50, "is an encrypted Parquet file"),
    "nested Parquet": (_nested, "learner is a column of lists or objects, where text is needed; export it as text"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_is_one_problem_that_names_it(kind: str, tmp_path: Path) -> None:
    make, message = UNREADABLE[kind]
    path = tmp_path / "export.dat"
    path.write_bytes(make(path))
    read = Read(path, write(tmp_path, [GOOD], "csv", "fine"))
    assert any(m.startswith(f"{path}: ") and message in m for m in read.files), read.messages
    assert (read.rows, read.counted, read.rejected) == (1, 1, 0)


def test_a_directory_a_missing_file_and_one_without_permission_are_problems(tmp_path: Path) -> None:
    assert Read(tmp_path).files == [f"{tmp_path}: is a directory; name the files in it"]
    assert Read("no/such.csv").files == ["no/such.csv: does not exist; check the name and the folder"]
    assert "cannot be opened" in Read("a\0b").files[0]
    secret = tmp_path / "secret.csv"
    secret.write_text(MANY)
    secret.chmod(0)
    if not os.access(secret, os.R_OK):  # The superuser reads everything.
        assert Read(secret).files == [f"{secret}: may not be read by you; ask for the permission to read it"]


def test_a_header_alone_is_fine_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(HEAD)
    read = Read(path)
    assert (read.rows, read.messages) == (0, [])
    assert read.notes == [f"{path}: has no rows; nothing to do, if that is true"]


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_of_a_truncated_gzip_every_whole_line_is_kept(kept: float, tmp_path: Path) -> None:
    path = tmp_path / "facts.csv.gz"
    data = gzip.compress(MANY.encode())
    path.write_bytes(data[: int(len(data) * kept)])
    read = Read(path)
    assert len(read.files) == 1
    assert f"{path}: is cut off: its compressed data end too early; read up to line " in read.files[0]
    assert 0 < read.counted < 20_000
    assert read.rejected == 0
    assert {fact.learner for fact in read.facts} == {"ann"}, "half a line would be half a learner"


def test_of_a_gzip_with_a_wrong_checksum_every_line_is_kept_and_the_doubt_is_said(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv.gz"
    data = bytearray(gzip.compress(MANY.encode()))
    data[-6] ^= 1
    path.write_bytes(bytes(data))
    read = Read(path)
    assert "is damaged: its compressed data are wrong (crc check failed" in read.files[0]
    assert "do not trust what was read of it" in read.files[0]
    assert read.counted == 20_000


def test_compression_and_format_are_recognised_by_content_not_by_name(tmp_path: Path) -> None:
    packed = tmp_path / "a.csv"
    packed.write_bytes(gzip.compress((HEAD + ROW.format("1")).encode()))
    table = tmp_path / "b.txt"
    table.write_bytes(write(tmp_path, [good(id="2")], "parquet").read_bytes())
    packed_table = tmp_path / "c"
    packed_table.write_bytes(gzip.compress(write(tmp_path, [good(id="3")], "parquet").read_bytes()))
    zstd = tmp_path / "d.csv"
    zstd.write_bytes(pa.compress((HEAD + ROW.format("4")).encode(), "zstd", asbytes=True))
    read = Read(packed, table, packed_table, zstd)
    assert read.messages == []
    assert sorted(fact.id for fact in read.facts) == ["1", "2", "3", "4"]
    assert read.places[("lms", "3")] == f"{packed_table}:1"


@pytest.mark.parametrize("name", ["a*b.parquet", "a[1].parquet", "it's ?.parquet", "organisation=x"])
def test_a_name_is_a_name_and_no_pattern(name: str, tmp_path: Path) -> None:
    data = write(tmp_path, [GOOD], "parquet").read_bytes()
    (tmp_path / "a-b.parquet").write_bytes(data)
    (tmp_path / "a1.parquet").write_bytes(data)
    (tmp_path / name).write_bytes(data)
    assert Read(tmp_path / name).rows == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_encodings_and_line_ends_are_recognised(
    delimiter: str, encoding: str, newline: str, tmp_path: Path
) -> None:
    path = tmp_path / "facts.csv"
    text = (HEAD + ROW.format("1") + "2,2026-03-01T09:30:00Z,login,Zoë\n").replace(",", delimiter)
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    read = Read(path)
    assert read.messages == []
    assert [fact.learner for fact in read.facts] == ["ann", "Zoë"]


def test_a_header_is_read_without_regard_to_case_and_near_names_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text("ID,Occurred_At, TYPE ,Learner,Organization\n1,2026-03-01T09:30:00Z,login,ann,north\n")
    read = Read(path)
    assert [(fact.id, fact.learner, fact.organisation) for fact in read.facts] == [("1", "ann", "")]
    assert read.notes == [
        (
            f"{path}: the column Organization is ignored (nearest: organisation); "
            'if it is organisation, say --map organisation="Organization"'
        )
    ]


@pytest.mark.parametrize("format_", ["csv", "ndjson", "parquet"])
def test_a_mapping_names_the_columns_of_the_export(format_: str, tmp_path: Path) -> None:
    row = {"Event": "1", "When": "2026-03-01T09:30:00Z", "type": "login", "User": "ann", "learner": "not me"}
    mapping = {"id": "Event", "occurred_at": "When", "learner": "User"}
    [fact] = Read(write(tmp_path, [row], format_), mapping=mapping).facts
    assert (fact.id, fact.learner) == ("1", "ann")


def test_one_mapping_serves_several_exports(tmp_path: Path) -> None:
    renamed = {("User" if name == "learner" else name): value for name, value in good(id="2").items()}
    inputs = [write(tmp_path, [GOOD], "csv"), write(tmp_path, [renamed], "csv", "renamed")]
    assert [fact.learner for fact in Read(*inputs, mapping={"learner": "User"}).facts] == ["ann", "ann"]


@pytest.mark.parametrize("format_", ["csv", "ndjson", "parquet"])
def test_a_mapping_from_a_column_that_no_export_has_is_a_mistake_of_the_call(format_: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='--map learner=User: no export has a column "User"'):
        Read(write(tmp_path, [GOOD], format_), mapping={"learner": "User"})


def test_options_that_cannot_be_meant_are_all_refused_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        ReadOptions(input_zone="Mars", date_order="dym", mapping={"lerner": "x"}, memory_limit="much")
    said = str(refused.value)
    assert 'there is no column "lerner" (nearest: learner)' in said
    assert 'there is no time zone "Mars"' in said
    assert 'there is no date order "dym"; use one of ymd, dmy, mdy' in said
    assert '"much" is no amount of memory' in said


def test_the_store_leaves_nothing_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with read_facts([write(tmp_path, [GOOD], "csv")], ReadOptions(memory_limit="100MB")) as store:
        assert store.facts == 1
        assert list((tmp_path / "temporary").iterdir())
    assert not list((tmp_path / "temporary").iterdir())
    with pytest.raises(UsageError):
        read_facts([5])
    assert not list((tmp_path / "temporary").iterdir())


def test_a_header_that_a_spreadsheet_of_windows_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_bytes("id,occurred_at,type,learner,prénom\n1,2026-03-01T09:30:00Z,login,ann,Anne\n".encode("cp1252"))
    assert (Read(path).counted, Read(path).files) == (1, [])


def test_a_mapping_for_an_export_that_is_recognised_says_why_it_is_not_asked(tmp_path: Path) -> None:
    """The column is there; it is only that nobody asks for it."""
    log = tmp_path / "logins.csv"
    log.write_text("Time,Username,Was Successful\n2026-03-01T09:30:00Z,ann,Yes\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        Read(log, mapping={"learner": "Username"})
    assert str(caught.value) == (
        f"--map learner=Username: it is not asked: {log} was recognised as absorb-logins, whose columns are known; "
        "leave it out; or read the export by its columns with --input canonical"
    )
    with pytest.raises(UsageError, match='no export that is read by its columns has a column "Username"'):
        Read(log, write(tmp_path, [GOOD], "csv"), mapping={"learner": "Username"})
