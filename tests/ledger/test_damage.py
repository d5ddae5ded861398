"""Whatever lies in the folder of a ledger, a command ends in a sentence, and `verify` says what is wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rollbook.errors import LedgerError, RollbookError
from rollbook.ledger import build, opened, read_manifest
from rollbook.ledger.checking import verify
from rollbook.ledger.layout import FILES_FIXED, FORMAT, MANIFEST
from tests.cli.calls import Ran, call

from .building import AT, add, login, store_of, void

METERING = ("--plan", "monthly-login", "--start", "2026-03-01", "--end", "2026-04-01", "--as-of", "2026-07-01")
FILES = ("facts-000.parquet", *FILES_FIXED)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of two segments, with a void in it."""
    ledger = tmp_path_factory.mktemp("sound") / "ledger"
    logins = [login(f"{number:03}", f"l{number % 40}", day=2 + number % 20) for number in range(400)]
    add(ledger, *logins, void("v", "007"))
    add(ledger, login("new", "bo"))
    assert len(read_manifest(ledger).segments) == 2
    return ledger


@pytest.fixture
def ledger(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "ledger"))


def test_nothing_is_built_into_a_copy_that_has_no_manifest_yet(ledger: Path, tmp_path: Path) -> None:
    (ledger / MANIFEST).rename(tmp_path / MANIFEST)
    with pytest.raises(LedgerError, match=r"no manifest\.json that names them"):
        add(ledger, login("later", "ana"))
    (tmp_path / MANIFEST).rename(ledger / MANIFEST)
    assert verify(ledger).holds


def in_a_sentence(ran: Ran, *words: str) -> None:
    """That a call ended with what is wrong, and gave no result."""
    assert ran.code == 2, ran.out
    assert not ran.out
    assert all(word in ran.err for word in words), ran.err
    assert len(ran.err.strip().splitlines()) == 1


def everything(ledger: Path, tmp_path: Path) -> list[Ran]:
    """Commands that read all kinds of files of a ledger."""
    return [
        call("meter", str(ledger), *METERING, "--format", "csv"),
        call("explain", str(ledger), *METERING, "l7"),
        call("intake", str(ledger)),
        call("ledger", "build", str(ledger), str(tmp_path / "another")),
    ]


@pytest.mark.parametrize("name", [*FILES, "targets"])
def test_a_file_that_is_missing_or_cut_off_is_named_by_every_command_and_by_verify(
    name: str, ledger: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(ledger)
    targets = manifest.targets.name if manifest.targets else ""
    path = ledger / targets if name == "targets" else ledger / "segments" / manifest.segments[0].name / name
    path.write_bytes(path.read_bytes()[:-1])
    in_a_sentence(call("meter", str(ledger), *METERING), path.name, "were written", "copy the ledger again")
    path.unlink()
    for ran in everything(ledger, tmp_path):
        in_a_sentence(ran, path.name, "No such file", "copy the ledger again")
    with pytest.raises(LedgerError, match="No such file"):
        add(ledger, login("another"))
    told = call("ledger", "verify", str(ledger))
    assert told.code == 1
    assert path.name in told.out


@pytest.mark.parametrize("name", [*FILES, "targets"])
def test_any_changed_byte_is_told_by_verify_and_breaks_no_command(name: str, ledger: Path, tmp_path: Path) -> None:
    manifest = read_manifest(ledger)
    targets = manifest.targets.name if manifest.targets else ""
    path = ledger / targets if name == "targets" else ledger / "segments" / manifest.segments[0].name / name
    whole = path.read_bytes()
    # At the end lies what says how a Parquet file is read, at the beginning the same of an array, and data between.
    for place in (20, len(whole) // 2, len(whole) - 12):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        told = call("ledger", "verify", str(ledger))
        assert told.code == 1
        assert f"{path.name}: its bytes are not those that were written" in told.out.replace("\n", "")
        for ran in (call("meter", str(ledger), *METERING), call("explain", str(ledger), *METERING, "l7")):
            assert ran.code in (0, 2), ran.err
            assert "Traceback" not in ran.err
    path.write_bytes(bytes(len(whole)))
    for ran in everything(ledger, tmp_path):
        assert ran.code in (0, 2, 3), ran.err
        assert "Traceback" not in ran.err
        shutil.rmtree(tmp_path / "another", ignore_errors=True)


def test_arrays_of_another_shape_or_with_rows_that_are_not_there_are_refused(ledger: Path) -> None:
    where = ledger / "segments" / read_manifest(ledger).segments[0].name
    rows = np.load(where / "keys-rows.npy")
    np.save(where / "keys-rows.npy", rows + np.uint32(1 << 20))
    with opened([ledger]) as store, pytest.raises(LedgerError, match="rows that are not there"):
        store.places([("", f"{number:03}") for number in range(400)])
    with pytest.raises(LedgerError, match="rollbook ledger verify"):
        add(ledger, *[login(f"{number:03}", f"l{number % 40}", day=2 + number % 20) for number in range(400)])
    np.save(where / "keys-rows.npy", rows.astype(np.int32))
    with opened([ledger]) as store, pytest.raises(LedgerError, match="int32"):
        store.places([("", "007")])
    np.save(where / "learners-rows.npy", np.zeros(39, np.uint64)[:20])
    with opened([ledger]) as store, pytest.raises(LedgerError):
        list(store.of_learners(["l7"]))


def edited(ledger: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The ledger with another manifest."""
    place = ledger / MANIFEST
    manifest = json.loads(place.read_bytes())
    change(manifest)
    place.write_text(json.dumps(manifest), encoding="utf-8")


def renamed(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest["segments"][0].update(name=name)


STRANGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "outside": renamed("../../../etc"),
    "absolute": renamed("/etc"),
    "here": renamed("."),
    "letters": renamed("00000a"),
    "other digits": renamed("٠٠٠٠٠١"),
    "negative": renamed("-00001"),
    "twice": renamed("000002"),
    "next": lambda manifest: manifest.update(next=1),
    "targets outside": lambda manifest: manifest["targets"].update(name="../targets-000001.parquet"),
    "no targets": lambda manifest: manifest.update(targets=None),
    "no segments": lambda manifest: manifest.update(segments=[]),
    "file outside": lambda manifest: manifest["segments"][0]["written"][0].update(name="../../../passwd"),
    "file missing": lambda manifest: manifest["segments"][0]["written"].pop(),
    "file twice": lambda manifest: manifest["segments"][0]["written"].append(manifest["segments"][0]["written"][0]),
    "rows": lambda manifest: manifest["segments"][0].update(rows=5),
    "negative rows": lambda manifest: manifest["segments"][0].update(rows=-400, file_rows=[-400]),
    "many rows": lambda manifest: manifest["segments"][0].update(rows=1 << 40, file_rows=[1 << 40]),
    "many learners": lambda manifest: manifest["segments"][0].update(learners=1 << 20),
    "many segments": lambda manifest: manifest.update(segments=manifest["segments"] * 600),
    "many row groups": lambda manifest: manifest["segments"][0].update(groups=401),
    "many links": lambda manifest: manifest["segments"][0].update(links=2),
    "no number": lambda manifest: manifest["segments"][0].update(rows="5"),
}


@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE.keys())
def test_a_manifest_that_no_build_wrote_is_refused_before_anything_it_names_is_opened(
    change: Callable[[dict[str, Any]], object], ledger: Path
) -> None:
    edited(ledger, change)
    with pytest.raises(LedgerError, match=r"manifest\.json: cannot be read"):
        opened([ledger])
    with pytest.raises(LedgerError):
        verify(ledger)
    with pytest.raises(LedgerError):
        add(ledger, login("another"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 2, "x": ' + b"[" * 100_000,
        b'{"format": "1"}',
    ],
)
def test_a_manifest_that_is_none_is_a_sentence(text: bytes, ledger: Path) -> None:
    (ledger / MANIFEST).write_bytes(text)
    in_a_sentence(call("ledger", "show", str(ledger)), "cannot be read", "build it anew")
    in_a_sentence(call("meter", str(ledger), *METERING), "cannot be read")


@pytest.mark.parametrize("format_", [FORMAT - 1, FORMAT + 1])
def test_another_format_says_so(format_: int, ledger: Path) -> None:
    edited(ledger, lambda manifest: manifest.update(format=format_, segments="otherwise"))
    in_a_sentence(call("meter", str(ledger), *METERING), f"has the format {format_}", "use the version that built it")
    in_a_sentence(call("ledger", "verify", str(ledger)), f"has the format {format_}")


def test_links_in_a_ledger_are_not_followed(ledger: Path, tmp_path: Path) -> None:
    """A stranger's ledger could count what is somebody else's, or have it written over or removed."""
    [first, _] = read_manifest(ledger).segments
    facts = ledger / "segments" / first.name / "facts-000.parquet"
    elsewhere = facts.rename(tmp_path / "elsewhere.parquet")
    facts.symlink_to(elsewhere)
    with pytest.raises(LedgerError, match="is a link"):
        opened([ledger])
    elsewhere.rename(facts)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "000099").mkdir()
    (precious / "000099" / "photograph").write_text("dear", encoding="utf-8")
    (ledger / "segments" / "000098").symlink_to(precious / "000099")
    (ledger / "manifest.json.new").symlink_to(precious / "000099" / "photograph")
    add(ledger, login("another"))
    assert (precious / "000099" / "photograph").read_text(encoding="utf-8") == "dear"
    (ledger / "lock").unlink()
    (ledger / "lock").symlink_to(precious / "000099" / "photograph")
    with pytest.raises(LedgerError, match="cannot be written"):
        add(ledger, login("yet another"))
    (ledger / "lock").unlink()
    (ledger / "segments").rename(tmp_path / "moved")
    (ledger / "segments").symlink_to(tmp_path / "moved")
    with pytest.raises(LedgerError, match="is a link"):
        add(ledger, login("yet another"))
    assert (precious / "000099" / "photograph").read_text(encoding="utf-8") == "dear"


def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(ledger: Path) -> None:
    readers = ledger / "readers"
    readers.unlink()
    os.mkfifo(readers)
    [first, _] = read_manifest(ledger).segments
    with store_of(ledger) as store:
        assert store.facts == 402
    facts = ledger / "segments" / first.name / "facts-000.parquet"
    facts.unlink()
    os.mkfifo(facts)
    with pytest.raises(LedgerError, match="is no file"):
        opened([ledger])
    assert not verify(ledger).holds


def test_a_copy_holds_and_goes_on_by_itself(ledger: Path, sound: Path) -> None:
    assert verify(ledger).holds
    assert build(ledger, [[login("another")]], at=AT).record.added == 1
    assert verify(ledger).holds
    assert read_manifest(sound).facts == 402


def test_damage_that_keeps_the_length_of_all_files_never_leaves_a_traceback(ledger: Path) -> None:
    """Two files of one kind swapped, where a copy went wrong: their lengths differ, so this is told at once."""
    one, two = (ledger / "segments" / it.name / "learners.parquet" for it in read_manifest(ledger).segments)
    aside = one.rename(ledger / "aside")
    two.rename(one)
    aside.rename(two)
    with pytest.raises(RollbookError, match="were written"):
        opened([ledger])
    assert not verify(ledger).holds
