"""A build is killed at any moment, many times: what was built before stands, and the next build completes.

ROLLBOOK_FAULTS=long python -m pytest tests/ledger/test_kills.py
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from rollbook.ledger.checking import verify

from .building import add, kept, login

KILLS = 150 if os.environ.get("ROLLBOOK_FAULTS") == "long" else 6

DAY_FACTS = 20

BUILDER = """
import os, signal, sys, threading, time
from pathlib import Path
from tests.ledger.building import add, login
folder, day, step, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
steps, plain, renaming = 0, os.fsync, Path.replace
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def fsync(descriptor):
    global steps
    steps += 1
    if steps == step:
        die()
    plain(descriptor)
os.fsync = fsync
add(folder / "warm", login("1"))
steps = 0
if not step:
    threading.Timer(seconds, die).start()
while True:
    add(folder / "ledger", *[login(f"{day}-{n}", f"l{n}", day % 28 + 1) for n in range(20)])
    print(day, flush=True)
    day += 1
"""


def test_after_every_kill_the_ledger_holds_and_has_each_completed_build_whole(tmp_path: Path) -> None:
    """Half of the kills come where a file is made to last, and half at any time."""
    dice = random.Random(11)
    days = 0
    for kill in range(KILLS):
        # A build makes about thirty files last, and one that joins segments twice as many.
        step, seconds = (dice.randint(1, 90), 0.0) if kill % 2 else (0, dice.uniform(0.0, 1.5))
        done = subprocess.run(
            [sys.executable, "-c", BUILDER, str(tmp_path), str(days), str(step), str(seconds)],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == -9, done.stderr
        said = days + len(done.stdout.split())
        if not (tmp_path / "ledger" / "manifest.json").exists():
            assert said == 0
            continue
        assert verify(tmp_path / "ledger").holds
        facts = kept(tmp_path / "ledger")
        # The build that was killed after its last step is done although nobody was told.
        days = len(facts) // DAY_FACTS
        assert said <= days <= said + 1
        assert {fact.id for fact in facts} == {f"{day}-{n}" for day in range(days) for n in range(DAY_FACTS)}
    add(tmp_path / "ledger", login("after all"))
    assert len(kept(tmp_path / "ledger")) == days * DAY_FACTS + 1
    assert verify(tmp_path / "ledger").holds
    assert days > KILLS / 3
