"""What was made of a subscription's figures, kept while they hold: for a minute, for all who read alike.

The version is asked for before anything is made: what comes in between makes another one, and nothing is missed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from django.utils.translation import get_language

from rollbook.server import clock
from rollbook.server.live.version import versions
from rollbook.server.models import Subscription
from rollbook.server.pages import reading, shell

KEPT_US = 60_000_000
"""How long figures that hold are shown again: pace and shares go on with time."""

KEPT_MAX = 300

Made = TypeVar("Made")

_kept: OrderedDict[tuple[object, ...], tuple[int, object]] = OrderedDict()
_lock = threading.Lock()


def version_of(row: Subscription) -> str:
    """The version of figures and of where the term stands: a window that begins changes a page too."""
    return versions_of([row])[row.pk]


def versions_of(rows: Sequence[Subscription]) -> dict[int, str]:
    """The same of several, by their numbers."""
    seen = versions(rows)
    return {row.pk: f"{seen[row.pk]}{shell.when(row)}" for row in rows}


def kept(what: str, row: Subscription, seen: str, make: Callable[[int], Made]) -> Made:
    """What `make` makes of the figures at an instant (UTC microseconds), or made of the same within a minute.

    what  tells apart what several make of the same figures
    seen  the version, asked for just now
    """
    now_us = clock.now_us()
    key = (what, row.pk, seen, str(reading.locale()), get_language())
    with _lock:
        known = _kept.get(key)
    if known and 0 <= now_us - known[0] < KEPT_US:
        return cast("Made", known[1])
    made = make(now_us)
    with _lock:
        _kept[key] = now_us, made
        while len(_kept) > KEPT_MAX:
            _kept.popitem(last=False)
    return made
