"""The sending process is killed at any moment, many times: what `send` returned for is never lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from rollbook.client import Client
from tests.client.receiver import KEY, Planned, receiving

KILLS = 500 if os.environ.get("ROLLBOOK_FAULTS") == "long" else 25

SENDER = """
import sys
from rollbook.client import Client
url, folder, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Client(url, "k", spool=folder, retry_seconds=0, batch_facts_max=4) as client:
    print("ready", flush=True)
    number = first
    while True:
        size = number % 7 + 1
        ids = [f"f{n}" for n in range(number, number + size)]
        client.send({"id": i, "occurred_at": "2026-03-01T09:00:00Z", "learner": "ana", "type": "login"} for i in ids)
        print(*ids, flush=True)
        number += size
"""


def test_no_fact_that_send_returned_for_is_lost_however_often_the_sender_is_killed(tmp_path: Path) -> None:
    """The server fails nine calls of ten, so that the sender is killed while it spools, replays and sends."""
    dice = random.Random(7)
    promised: set[str] = set()
    killed_while_spooling = 0
    with receiving() as receiver:
        for kill in range(KILLS):
            receiver.planned.clear()
            receiver.planned.extend(
                Planned(503, store=dice.random() < 0.3) if dice.random() < 0.9 else Planned(0) for _ in range(2000)
            )
            promised |= _run_and_kill(receiver.url, tmp_path, kill * 100_000, dice.uniform(0.0, 0.12))
            killed_while_spooling += bool(list(tmp_path.glob("*.ndjson")))
        receiver.planned.clear()
        with Client(receiver.url, KEY, spool=tmp_path) as client:
            while client.flush().waiting:
                pass
    assert promised
    assert killed_while_spooling > KILLS / 2
    assert promised <= set(receiver.facts)
    assert not list(tmp_path.glob("*.refused"))


def _run_and_kill(url: str, folder: Path, first: int, seconds: float) -> set[str]:
    """Ids that the process said were promised, in lines that it wrote to their end."""
    with subprocess.Popen(
        [sys.executable, "-c", SENDER, url, str(folder), str(first)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    ) as sender:
        assert sender.stdout
        assert sender.stderr
        assert sender.stdout.readline() == b"ready\n", sender.stderr.read().decode()
        threading.Timer(seconds, os.kill, (sender.pid, signal.SIGKILL)).start()
        said, _ = sender.communicate(timeout=30)
    return {id_ for line in said.splitlines(keepends=True) if line.endswith(b"\n") for id_ in line.decode().split()}
