"""How often something may happen: calls of a key or of a person in a minute, and attempts to sign in.

Counts stand in one table that all processes share. An attempt to sign in is counted there before the password is
looked at. Calls are counted in the process, and added to the table each time another fiftieth of the rate has come
together, or a second has passed since the last time: so whoever calls is held to their rate across all processes, may
exceed it by a fiftieth for each process, and a call that is let through costs no write most of the time.

The table is bounded by what its keys can be: 65,536 numbers for each kind of attempt, one for each API key and user,
one for each customer whose facts were previewed, and one for each object of an act in `ACTS_MAX`. A number of an
attempt is a keyed digest, so neither addresses nor names of accounts stand in it.
"""

from __future__ import annotations

import hmac
import threading
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from rollbook.errors import Problem
from rollbook.server import clock
from rollbook.server.refusals import RefusedError

MINUTE = 60
SIGN_IN_SECONDS = 15 * MINUTE
SIGN_INS_MAX = {"pair": 10, "account": 50, "address": 100, "provider": 30}
"""Attempts in `SIGN_IN_SECONDS`: of one address at one account, at one account, of one address, and of one address by
the provider, each of which asks the provider's server."""

ACTS_MAX = {"tested": 10, "sent-now": 6, "disputed": 10}
"""Acts in `SIGN_IN_SECONDS` that send something: tests of an endpoint, reports a user asks for, and disputes that a
customer begins of a subscription."""

FLUSHES = 50
"""How often a process adds its calls to the table while a key uses up its rate."""

BUCKETS = 65_536

KEY, USER = "key", "user"
"""Who calls: a program, or somebody who is signed in, in however many browsers."""

_RATES = {
    KEY: ("ROLLBOOK_RATE_PER_MINUTE", "a key"),
    USER: ("ROLLBOOK_USER_RATE_PER_MINUTE", "somebody who is signed in"),
}
"""The setting that has the rate, and who they are in words."""

_UPSERT = """insert into throttle (kind, bucket, since, count) values (%s, %s, %s, %s)
on conflict (kind, bucket) do update set
    count = case when throttle.since = excluded.since then throttle.count + excluded.count else excluded.count end,
    since = excluded.since
returning count"""


def add(kind: str, bucket: int, since: int, more: int = 1) -> int:
    """Adds to a count that began at `since`, seconds since 1970; a count that began earlier begins anew."""
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [kind, bucket, since, more])
        return int(cursor.fetchone()[0])


def added(kind: str, bucket: int, since: int) -> int:
    """What was added since an instant; nothing is written."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count from throttle where kind = %s and bucket = %s and since = %s", [kind, bucket, since]
        )
        found = cursor.fetchone()
    return int(found[0]) if found else 0


@dataclass(slots=True)
class _Calls:
    """What one process knows of somebody's minute: what the table said, and what came since."""

    since: int
    told: int = 0
    untold: int = 0
    told_at: float = 0.0


_CALLS: dict[tuple[str, int], _Calls] = {}
_LOCK = threading.Lock()


def count_call(kind: str, number: int) -> None:
    """Counts one call of a key or a user. Raises 429 beyond their rate."""
    setting, who = _RATES[kind]
    rate = settings.CONFIGURATION[setting]
    now = clock.now_us() / 10**6
    since = int(now) // MINUTE * MINUTE
    with _LOCK:
        calls = _CALLS.get((kind, number))
        if calls is None or calls.since != since:
            if len(_CALLS) > BUCKETS:
                _CALLS.clear()
            calls = _CALLS[kind, number] = _Calls(since)
        calls.untold += 1
        due = calls.told < rate and (calls.untold > rate // FLUSHES or now - calls.told_at >= 1)
        over, more = calls.told + calls.untold > rate, calls.untold if due else 0
        if more:
            calls.untold, calls.told, calls.told_at = 0, calls.told + more, now
    if more:
        total = add(kind, number, since, more)
        over = over or total > rate
        with _LOCK:
            calls.told = max(calls.told, total)
    if over:
        raise too_many(since + MINUTE - now, f"{who} may call {rate} times in a minute")


def attempt(account: str, address: str) -> None:
    """Counts one attempt to sign in. Raises 429 where there were too many, whether or not there is such an account."""
    _within(_attempted(account, address))


def to_provider(address: str) -> None:
    """Counts one attempt to sign in by the provider. Raises 429 where there were too many."""
    _within([("provider", _bucket("provider", address))])


def _within(parts: list[tuple[str, int]]) -> None:
    now = clock.now_us() / 10**6
    since = int(now) // SIGN_IN_SECONDS * SIGN_IN_SECONDS
    if any(add(kind, bucket, since) > SIGN_INS_MAX[kind] for kind, bucket in parts):
        raise too_many(since + SIGN_IN_SECONDS - now, "there were too many attempts to sign in")


def act(kind: str, number: int) -> None:
    """Counts one act of `ACTS_MAX`. Raises 429 where there were too many."""
    now = clock.now_us() / 10**6
    since = int(now) // SIGN_IN_SECONDS * SIGN_IN_SECONDS
    if add(kind, number, since) > ACTS_MAX[kind]:
        rule = f"this may be done {ACTS_MAX[kind]} times in a quarter of an hour"
        raise too_many(since + SIGN_IN_SECONDS - now, rule)


def succeeded(account: str, address: str) -> None:
    """Somebody signed in: what came before was the same person mistyping."""
    kind, bucket = _attempted(account, address)[0]
    with connection.cursor() as cursor:
        cursor.execute("delete from throttle where kind = %s and bucket = %s", [kind, bucket])


def too_many(wait_seconds: float, rule: str) -> RefusedError:
    """429 with the seconds to wait."""
    wait = max(1, int(wait_seconds) + 1)
    remedy = f"wait {wait} seconds"
    return RefusedError(429, "too-many", Problem("request", rule, remedy), {"Retry-After": str(wait)})


def _attempted(account: str, address: str) -> list[tuple[str, int]]:
    account = account.casefold()
    texts = (("pair", f"{account}\x1f{address}"), ("account", account), ("address", address))
    return [(kind, _bucket(kind, text)) for kind, text in texts]


def _bucket(kind: str, text: str) -> int:
    found = hmac.digest(settings.SECRET_KEY.encode(), f"throttle {kind} {text}".encode(errors="replace"), "sha256")
    return int.from_bytes(found[:8], "big") % BUCKETS
