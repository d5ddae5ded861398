"""A vendor's list held against a count: what `rollbook reconcile` and the server ask.

Who stands where, and why, is `rollbook.advice.reconcile`'s; here are the windows that a list means, and what became of
the facts of those whom only the vendor lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import pyarrow as pa

from rollbook import library
from rollbook.advice import reconcile
from rollbook.errors import Problem, UsageError
from rollbook.intake.vendor_list import VendorList
from rollbook.metering.calendar import windows
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window

AskSeen = Callable[[Window, Sequence[str]], Mapping[str, Sequence[reconcile.Seen]]]
"""What became of the facts of some learners, in and around a window."""


def by_window(
    listed: VendorList, name: str, subscription: Subscription, begun: Sequence[Window], as_of_us: int, number: int = 0
) -> dict[Window, list[reconcile.Theirs]]:
    """The rows of a list by the window that they are of.

    name    what the list is called, for problems
    begun   the windows that have begun
    number  the window that is asked about, whose rows alone are given; 0 for all. Rows that name no window are of it,
            or of the last that is over

    Raises UsageError where a row means no window that has begun.
    """
    known = {it.number: it for it in begun}
    if number and number not in known:
        rule = f"there is no window {number} yet: {len(known)} have begun"
        raise UsageError(Problem("--window", rule, f"give a number from 1 to {len(known)}"))
    over = [it.number for it in begun if it.end_us <= as_of_us]
    chosen = number or max(over, default=min(known, default=0))
    if not chosen:
        raise UsageError(Problem("--window", "no window has begun", "look at --start and --as-of"))
    numbers = {row.window: 0 for row in listed.rows}
    for text in numbers:
        of = reconcile.window_of(text, windows(subscription), subscription.zone) if text else chosen
        if of is None or (of not in known and of != number):
            where = next(row.line for row in listed.rows if row.window == text)
            rule = f'"{text}" is none of the {len(known)} windows that have begun'
            remedy = "write a number, a month such as 2026-03 or a day; or leave the column out and say --window"
            raise UsageError(Problem(f"{name}:{where}", rule, remedy))
        numbers[text] = of
    wanted = sorted({number} if number else set(numbers.values()) or {chosen})
    found: dict[Window, list[reconcile.Theirs]] = {known[of]: [] for of in wanted}
    for row in listed.rows:
        in_window = known[numbers[row.window]]
        if in_window in found:
            found[in_window].append(reconcile.Theirs(row.line, row.names))
    return found


def lines(
    window: Window,
    theirs: Iterable[reconcile.Theirs],
    ours: Sequence[reconcile.Ours],
    directory: reconcile.Directory,
    ask: AskSeen,
) -> list[reconcile.Line]:
    """Every row of theirs and every unit of ours in its group, with why: those of one list only first."""
    settled, only = reconcile.match(theirs, ours, directory)
    seen = ask(window, sorted({learner for _, learner, _ in only if learner}))
    found = [*reconcile.only_theirs(only, seen, window.number), *settled]
    return sorted(found, key=lambda it: (reconcile.GROUPS.index(it.group), it.line or 0))


def seen(result: library.Result, window: Window, learners: Sequence[str]) -> dict[str, list[reconcile.Seen]]:
    """What became of the facts of these learners."""
    store, metered = result.store, result.metered
    fates = "fates"
    store.connection.register("asked", pa.table({"learner": pa.array(learners, pa.string())}))
    if metered.connection is not store.connection:
        fates = "other_fates"
        store.connection.register(fates, metered.table("select source, id, fate from fates"))
    rows = store.connection.execute(reconcile.seen_sql(fates), [window.start_us, window.end_us]).fetchall()
    store.connection.unregister("asked")
    found: dict[str, list[reconcile.Seen]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(reconcile.Seen(*row))
    return found
