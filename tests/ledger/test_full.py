"""Where nothing can be written, a ledger stays as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollbook.ledger import read_manifest
from rollbook.ledger.checking import verify

from .building import add, kept, login

BUILD = """
import os, resource, sys
from pathlib import Path
from rollbook.errors import RollbookError
from tests.ledger.building import add, login
folder, limit, user = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
import duckdb, rollbook.intake.reader
from rollbook.ledger import building
if user:
    os.setuid(user)
plain = building.write_segment
def limited(*given):
    # From here on: what is read has a database of its own, elsewhere.
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return plain(*given)
building.write_segment = limited
try:
    add(folder, *[login(f"new {n}", f"l{n}") for n in range(500)])
except (RollbookError, OSError, duckdb.IOException) as error:
    print(type(error).__name__, error)
"""


def build_with(folder: Path, file_bytes_max: int, user: int = 0) -> subprocess.CompletedProcess[str]:
    """A build in a process in which no file may grow beyond so many bytes."""
    command = [sys.executable, "-c", BUILD, str(folder), str(file_bytes_max), str(user)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


# The files that this build writes have from some hundred bytes to some ten thousand.
@pytest.mark.parametrize("file_bytes_max", [0, 4_200])
def test_a_full_disk_is_an_error_and_leaves_the_ledger_as_it_was(file_bytes_max: int, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    add(ledger, login("1"), login("2", "bo"))
    manifest, files = read_manifest(ledger), {*ledger.rglob("*")}
    done = build_with(ledger, file_bytes_max)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("OSError", "IOException")), done.stdout
    assert "large" in done.stdout
    assert read_manifest(ledger) == manifest
    # What was half written takes up no room.
    assert {*ledger.rglob("*")} - {ledger / "manifest.json.new"} == files
    assert verify(ledger).holds
    add(ledger, login("3", "cid"))
    assert kept(ledger) == {login("1"), login("2", "bo"), login("3", "cid")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody who may not write here")
def test_a_folder_in_which_one_may_not_write_is_named(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    add(ledger, login("1"))
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    done = build_with(ledger, 1 << 30, user=65534)
    assert "LedgerError" in done.stdout, done.stderr
    assert "cannot be written (Permission denied); name a folder in which you may write" in done.stdout
    assert kept(ledger) == {login("1")}
