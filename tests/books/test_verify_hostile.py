"""A bundle may come from anybody: what is none ends in words, in bounded memory, and writes nothing anywhere."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rollbook.books import archive
from rollbook.books.verifying import verify
from rollbook.errors import BookError
from tests.cli.calls import call

from .bundles import Entries, packed

MEBIBYTE = 2**20


def refused(path: Path) -> str:
    """What is said about a bundle that cannot be read: by the library, and by the command, which ends with 2."""
    with pytest.raises(BookError) as raised:
        verify(path)
    ran = call("verify", str(path))
    assert ran.code == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err
    return str(raised.value)


def with_entry(entries: Entries, path: Path, name: str, content: bytes = b"x", **about: int) -> Path:
    info = zipfile.ZipInfo(name)
    for key, value in about.items():
        setattr(info, key, value)
    packed(entries, path)
    with zipfile.ZipFile(path, "a") as bundle:
        bundle.writestr(info, content)
    return path


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "previous/../x", "C:\\x", "plans/x.toml", "notes.txt"])
def test_an_entry_that_does_not_belong_there_is_refused(name: str, entries: Entries, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert "does not belong there" in refused(with_entry(entries, tmp_path / "b.zip", name))
    assert sorted(tmp_path.rglob("*")) == [*before, tmp_path / "b.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["statement.json", "facts.csv"])
def test_an_entry_that_stands_there_twice_is_refused(name: str, entries: Entries, tmp_path: Path) -> None:
    assert "stands there twice" in refused(with_entry(entries, tmp_path / "b.zip", name, entries[name]))


def test_a_name_with_something_behind_its_end_is_refused(entries: Entries, tmp_path: Path) -> None:
    """What reads names up to a zero byte would see README.txt twice."""
    path = packed(
        {"README.txt!evil" if name == "README.txt" else name: entries[name] for name in entries}, tmp_path / "b"
    )
    path.write_bytes(path.read_bytes().replace(b"README.txt!evil", b"README.txt\0evil"))
    assert "does not belong there" in refused(path)


def test_a_link_is_refused(entries: Entries, tmp_path: Path) -> None:
    rest = {name: content for name, content in entries.items() if name != "facts.csv"}
    path = with_entry(rest, tmp_path / "b.zip", "facts.csv", b"/etc/passwd", external_attr=0o120777 << 16)
    assert "is a link" in refused(path)


@pytest.mark.parametrize(
    "name", ["README.txt", "SHA256SUMS", "statement.json", "facts.csv", "secrets.csv", "evidence.csv"]
)
def test_a_missing_entry_is_named(name: str, entries: Entries, tmp_path: Path) -> None:
    rest = {key: content for key, content in entries.items() if key != name}
    assert f"the entry {name} is missing" in refused(packed(rest, tmp_path / "b.zip"))


def test_a_missing_earlier_statement_is_noticed(entries: Entries, tmp_path: Path) -> None:
    moved = {("previous/0002.json" if name.startswith("previous/") else name): entries[name] for name in entries}
    assert "the entry previous/0001.json is missing" in refused(packed(moved, tmp_path / "b.zip"))
    rest = {name: content for name, content in entries.items() if not name.startswith("previous/")}
    assert "one secret for each statement" in refused(packed(rest, tmp_path / "c.zip"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("statement.json", b"\xff\xfe{}", "'utf-8' codec can't decode"),
        ("statement.json", b"[1, 2", "this is no statement"),
        ("statement.json", b"[]", "it does not have the keys"),
        ("statement.json", b'{"number": ' + b"9" * 1_000_000 + b"}", "a number is beyond 64 bits"),
        ("statement.json", b"[" * 1_000_000, "nested too deeply"),
        ("previous/0001.json", b"{}", "previous/0001.json: this is no statement"),
        ("facts.csv", b"", "facts.csv: its first line does not name the columns"),
        ("facts.csv", b"id,learner\r\n1,ann\r\n", "facts.csv: its first line does not name the columns"),
        ("evidence.csv", b"x" * 4_000_000, "evidence.csv: a line has more than"),
        ("evidence.csv", b'"' + b"x\n" * 1_000_000, "field larger than field limit"),
        ("secrets.csv", b"statement,secret\n1,zz\n", "one secret for each statement"),
        ("secrets.csv", b"\xff", "it is not UTF-8"),
    ],
)
def test_content_that_is_none_is_said_with_its_place(
    name: str, content: bytes, words: str, entries: Entries, tmp_path: Path
) -> None:
    assert words in refused(packed(entries | {name: content}, tmp_path / "b.zip"))


def test_a_table_that_is_not_utf_8_is_refused(entries: Entries, tmp_path: Path) -> None:
    broken = entries["evidence.csv"].replace("łucja".encode(), b"\xffucja")
    assert "evidence.csv: it is not UTF-8" in refused(packed(entries | {"evidence.csv": broken}, tmp_path / "b.zip"))


@pytest.mark.parametrize("name", ["statement.json", "facts.csv"])
def test_a_bomb_is_stopped_before_it_grows(name: str, entries: Entries, tmp_path: Path) -> None:
    """512 MiB of blanks are half a MiB when they are packed; 64 MiB and 200 times that are the bound for a table."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for other in entries:
            with bundle.open(other, "w") as entry:
                for _ in range(512 if other == name else 0):
                    entry.write(b" " * MEBIBYTE)
                entry.write(entries[other])
    assert path.stat().st_size < MEBIBYTE
    tracemalloc.start()
    try:
        with pytest.raises(BookError, match=f"the entry {name} is too long"):
            verify(path)
        assert tracemalloc.get_traced_memory()[1] < 16 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_an_archive_cannot_lie_about_sizes(entries: Entries, tmp_path: Path) -> None:
    path = packed(entries, tmp_path / "b.zip")
    with zipfile.ZipFile(path) as bundle:
        info = bundle.getinfo("facts.csv")
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02", 0, content.rindex(b"facts.csv"))
    for offset in (20, 24):
        struct.pack_into("<L", content, directory + offset, info.file_size - 10)
    path.write_bytes(content)
    assert "this bundle cannot be read" in refused(path)


def many_entries(_: Entries, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as bundle:
        for number in range(archive.DIRECTORY_BYTES_MAX // 46):
            bundle.writestr(f"{number}", b"")


def cut_off(entries: Entries, path: Path) -> None:
    packed(entries, path)
    path.write_bytes(path.read_bytes()[:-1])


def damaged(entries: Entries, path: Path) -> None:
    packed(entries, path)
    path.write_bytes(path.read_bytes().replace(b"dan", b"Dan", 1))


def uncommon(entries: Entries, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as bundle:
        for name, content in entries.items():
            bundle.writestr(name, content)


def encrypted(entries: Entries, path: Path) -> None:
    packed(entries, path)
    content = bytearray(path.read_bytes())
    place = -1
    while (place := content.find(b"PK\x01\x02", place + 1)) >= 0:
        content[place + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (many_entries, "it has too many entries"),
        (cut_off, "it is no ZIP archive, or is cut off"),
        (damaged, "Bad CRC-32"),
        (uncommon, "packed in an uncommon way"),
        (encrypted, "it is encrypted, or packed in an uncommon way"),
        (lambda _, path: path.write_bytes(b"PK"), "it is no ZIP archive, or is cut off"),
    ],
)
def test_an_archive_that_is_none_is_refused(
    make: Callable[[Entries, Path], object], words: str, entries: Entries, tmp_path: Path
) -> None:
    make(entries, tmp_path / "b.zip")
    assert words.removeprefix("it is encrypted, or ") in refused(tmp_path / "b.zip")


def test_a_packed_bundle_is_as_good_as_one_that_is_not(entries: Entries, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in reversed(entries.items()):
            bundle.writestr(name, content)
    assert verify(tmp_path / "b.zip").holds


@pytest.mark.parametrize("content", [b"", b"{}", b"id,learner\n", b"\xff", b"[" * 100_000])
def test_what_is_neither_a_bundle_nor_a_proof_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "something"
    path.write_bytes(content)
    ran = call("verify", str(path))
    assert ran.code == 2
    assert "ask for it again" in ran.err


def test_a_file_that_is_not_there_is_said() -> None:
    ran = call("verify", "nowhere.zip")
    assert ran.code == 2
    assert "nowhere.zip" in ran.err
