"""One step of the query, and how values are written into its text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollbook.model.plan import Meter

COUNTS = """
select subscription, window_number, class, count(*) as active
from activations group by subscription, window_number, class
"""
"""SQL of the number of activations by window and class, from themselves."""


@dataclass(frozen=True, slots=True)
class Step:
    """A SELECT with a name. `keep`: its result is small, or used more than once, and worth keeping."""

    name: str
    sql: str
    keep: bool = False


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted_list(texts: Iterable[str]) -> str:
    """Texts as the inside of an SQL list, which may not be empty."""
    return ", ".join(quoted(text) for text in texts)


def slot_columns(meter: Meter) -> tuple[str, ...]:
    """The columns that tell the units of one learner apart: the object, where the unit is a learner in one."""
    return ("organisation", "object") if meter.unit == "enrolment" else ()
