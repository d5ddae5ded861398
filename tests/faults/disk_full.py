"""Lets the disk run full under the server, and then gives it room again.

    python -m tests.faults.disk_full --database postgresql

No file of the database may grow beyond a limit (RLIMIT_FSIZE, which the system enforces as it does a full disk). A batch
that cannot be written must be refused with 503 in words and leave nothing behind; with room again the same batch must
be taken in, and everything must add up.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.faults.kills import Postgres, Processes, Sender, _database, environment, furnish, judge, rest
from tests.server.receivers import webhooks

ROOM_MIB = 2
"""How far the largest file may still grow: a few batches."""

BATCHES_MAX = 400


def main() -> int:
    """One run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    given = options.parse_args()
    with _database(given.database) as (url, postgres), webhooks() as hooks:
        os.environ.update(environment(url))
        import django  # noqa: PLC0415 - the environment comes first

        django.setup()
        key = furnish(hooks.url)
        from django.db import connection  # noqa: PLC0415

        connection.close()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes = Processes(dict(os.environ), port)
        processes.start("server")
        sender = Sender(0, f"http://127.0.0.1:{port}", key, 1, threading.Event())
        try:
            faults = list(_filled(sender, processes, postgres, url))
        finally:
            processes.kill_all()
        rest(hooks)
        faults += judge([sender], hooks)
    print(f"{given.database}: the disk ran full after {len(sender.sent):,} facts; {len(faults)} faults")
    for fault in faults[:50]:
        print("FAULT", fault)
    return 1 if faults else 0


def _filled(sender: Sender, processes: Processes, postgres: Postgres | None, url: str) -> Iterator[str]:
    """Sends until nothing more fits, gives room, and sends the refused batch again."""
    with httpx.Client(base_url=sender.address, headers={"Authorization": f"Bearer {sender.key}"}, timeout=30) as client:
        sender.deliver(client, [sender.row()])
        with _narrow(processes, postgres, url):
            refused = None
            for _ in range(BATCHES_MAX):
                rows = [sender.row() | {"attributes": sender.random.randbytes(1900).hex()} for _ in range(200)]
                sender.batches += 1
                answer = client.post("/v1/facts", json=rows)
                if answer.status_code != 200:
                    refused = answer
                    break
                sender.sent += [row["id"] for row in rows]
            if refused is None:
                yield "the disk never ran full"
                return
            if refused.status_code != 503 or "Retry-After" not in refused.headers:
                yield f"a full disk was answered with {refused.status_code} {refused.text[:200]}"
            again = client.post("/v1/facts", json=rows)
            if again.status_code == 200:
                sender.sent += [row["id"] for row in rows]
        if again.status_code != 200:
            sender.deliver(client, rows)
        if sender.fault:
            yield sender.fault


@contextmanager
def _narrow(processes: Processes, postgres: Postgres | None, url: str) -> Iterator[None]:
    """No file of the database grows beyond what it may, while the context lasts."""
    if postgres:
        files = [path for path in (postgres.folder / "data").rglob("*") if path.is_file()]
        limit = max(path.stat().st_size for path in files) + ROOM_MIB * 2**20
        postgres.kill()
        postgres.start(limit)
        yield
        postgres.kill()
        postgres.start()
    else:
        limit = Path(url.removeprefix("sqlite:///")).stat().st_size + ROOM_MIB * 2**20
        server = processes.running["server"].pid
        for pid in (server, *_children(server)):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        yield
        processes.kill("server")
        processes.start("server")


def _children(parent: int) -> list[int]:
    """All processes below one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            pid = int(path.parent.name)
            found += [pid, *_children(pid)]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
