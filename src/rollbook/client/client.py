"""The client. `send` returns only when every fact was answered for by the server, or is on the disk of this machine.

Facts may be delivered more often than once, never less: their ids make that harmless. Facts that wait go in the order
in which they came, before any that are newer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from rollbook.client.batches import Batch, batches, ids_of
from rollbook.client.calls import Calls, quiet_retries
from rollbook.client.errors import ClientError, RefusedError, UnavailableError
from rollbook.client.questions import Questions
from rollbook.client.receipts import Answer, Receipt
from rollbook.client.spool import Spool
from rollbook.errors import Problem
from rollbook.model.fact import Fact

BATCH_FACTS_MAX = 10_000
BATCH_BYTES_MAX = 8 * 1024 * 1024
SPOOL_BYTES_MAX = 1024 * 1024 * 1024

REST_MIN_SECONDS, REST_MAX_SECONDS = 10.0, 60.0
"""How long a server that was away is left in peace, longer each time; facts go straight to the disk meanwhile."""

UNUSABLE = frozenset({400, 413, 415, 422})
"""Refusals of what was sent, not of who sends: they concern one batch and must not hold up those behind it."""


class Client(Questions):
    """One server, one key. Safe to use from several threads; give each process a spool folder of its own.

    url               such as https://rollbook.example.org
    key               an API key with the scopes of the calls that are made
    spool             a folder for facts while the server is away; without one `send` raises UnavailableError then
    spool_bytes_max   of all that may wait there; beyond it `send` raises SpoolFullError
    batch_facts_max, batch_bytes_max   of one call
    timeout_seconds   of one attempt
    retry_seconds     how long a call is repeated before the server counts as away; 10 with a spool, 45 without
    allow_plain_http  speak http:// to another machine, inside a network of your own
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        spool: str | os.PathLike[str] | None = None,
        spool_bytes_max: int = SPOOL_BYTES_MAX,
        batch_facts_max: int = BATCH_FACTS_MAX,
        batch_bytes_max: int = BATCH_BYTES_MAX,
        timeout_seconds: float = 30.0,
        retry_seconds: float | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        if retry_seconds is None:
            retry_seconds = 45.0 if spool is None else 10.0
        self._retry_seconds = retry_seconds
        self._calls = Calls(
            url,
            key,
            timeout_seconds=timeout_seconds,
            retry_seconds=retry_seconds,
            allow_plain_http=allow_plain_http,
        )
        self._facts_max, self._bytes_max = batch_facts_max, batch_bytes_max
        self._spool: Spool | None = None
        if spool is not None:
            self._spool = Spool(
                spool, facts_max=batch_facts_max, bytes_max=batch_bytes_max, total_bytes_max=spool_bytes_max
            )
        self._replaying = threading.Lock()
        self._failures, self._resting_until = 0, 0.0
        quiet_retries()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes connections and the spool. What waits stays on disk for the next client of this folder."""
        self._calls.close()
        if self._spool is not None:
            self._spool.close()

    @property
    def waiting(self) -> int:
        """Facts on disk that the server has not answered for."""
        return self._spool.facts if self._spool is not None else 0

    def send(self, facts: Iterable[Fact | Mapping[str, Any]]) -> Receipt:
        """Sends facts, in order, in batches; `facts` may be endless and is read a batch at a time.

        Each fact needs an `id` that never changes. When this returns, each is stored by the server, told in
        `rejected`, or on disk here. Where it raises, send the same facts again: repeats change nothing.

        Raises UsageError for what is no fact, UnavailableError when the server is away and there is no spool,
        SpoolFullError when there is no room, and RefusedError when the server refuses the call.
        """
        receipt = Receipt()
        for batch in batches(facts, self._facts_max, self._bytes_max):
            self._send(batch, receipt)
        if self._spool is not None:
            self._replay(receipt)
        receipt.waiting = self.waiting
        return receipt

    def flush(self, *, seconds: float | None = None) -> Receipt:
        """Sends what waits on disk, now. Call it from time to time where `send` is seldom called.

        seconds  from now on, within which an attempt that fails is repeated, with growing pauses; `retry_seconds`
                 where it is not given, and 0 for a single attempt

        Where the server is still away then, `waiting` says how much is left. Raises RefusedError as `send` does.
        """
        self._resting_until = 0.0
        receipt = Receipt()
        self._replay(receipt, time.monotonic() + (self._retry_seconds if seconds is None else max(0.0, seconds)))
        receipt.waiting = self.waiting
        return receipt

    def _send(self, batch: Batch, receipt: Receipt) -> None:
        if self._spool is None:
            receipt.add(self._deliver(batch.body, len(batch.lines)), batch.ids, batch.first)
            return
        # What waits goes first: it is older, and it makes room.
        self._replay(receipt)
        if not self._spool and time.monotonic() >= self._resting_until:
            try:
                answer = self._deliver(batch.body, len(batch.lines))
            except UnavailableError as error:
                self._rest(error)
            else:
                receipt.add(answer, batch.ids, batch.first)
                return
        self._spool.append(batch.lines)

    def _deliver(self, body: bytes, facts: int, until: float | None = None) -> Answer:
        """One call; `until`, by the monotonic clock, it is repeated where it fails."""
        patience = None if until is None else max(0.0, until - time.monotonic())
        if until is None and self._spool is not None and self._failures > 0:
            # A server that was away when it was last asked is asked once: whoever sends must not wait for it again.
            patience = 0.0
        answer = self._calls.post("/v1/facts", Answer, body, "application/x-ndjson", retry_seconds=patience)
        self._failures, self._resting_until = 0, 0.0
        if answer.received != facts:
            rule = f"the server answers for {answer.received:,} of {facts:,} facts"
            raise ClientError(Problem("/v1/facts", rule, "is this a Rollbook server, and of this version?"))
        return answer

    def _replay(self, receipt: Receipt, until: float | None = None) -> None:
        """Sends what waits until nothing does, or the server is away. One thread at a time; another's work is done."""
        if self._spool is None or not self._replaying.acquire(blocking=False):
            return
        try:
            while time.monotonic() >= self._resting_until and (segment := self._spool.oldest()):
                try:
                    answer = self._deliver(segment.body, segment.facts, until)
                except UnavailableError as error:
                    self._rest(error)
                    return
                except RefusedError as error:
                    if error.status not in UNUSABLE:
                        raise
                    receipt.set_aside.append(str(self._spool.set_aside(segment)))
                    continue
                receipt.add(answer, ids_of(segment.body), -1)
                self._spool.remove(segment)
        finally:
            self._replaying.release()

    def _rest(self, error: UnavailableError) -> None:
        self._failures += 1
        seconds = max(error.after_seconds, min(REST_MAX_SECONDS, REST_MIN_SECONDS * 2 ** min(self._failures - 1, 10)))
        self._resting_until = time.monotonic() + seconds
