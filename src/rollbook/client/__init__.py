"""The typed Python client of a Rollbook server: sends facts, keeps them while the server is away, asks for counts.

    with Client("https://rollbook.example.org", key, spool="/var/spool/rollbook") as client:
        client.send([{"id": "7", "occurred_at": "2026-03-01T09:00:00Z", "learner": "ana", "type": "login"}])

Owns: calls and their retries, the spool on disk, the shapes of answers.
Does not own: what a fact is (`model.fact`), reading exports (`intake`), or any rule: the server decides.
"""

from rollbook.client.client import Client
from rollbook.client.errors import (
    ClientError,
    RefusedError,
    SpoolBusyError,
    SpoolError,
    SpoolFullError,
    UnavailableError,
)
from rollbook.client.receipts import Receipt, Rejected

__all__ = [
    "Client",
    "ClientError",
    "Receipt",
    "RefusedError",
    "Rejected",
    "SpoolBusyError",
    "SpoolError",
    "SpoolFullError",
    "UnavailableError",
]
