"""What people are called, and finding them by it: their id, their name or their address, by how it begins.

Every question is answered from an index, and is bounded. Small letters are as good as capitals; whoever was erased is
not found, because nothing is left of them to look for.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

FOUND_MAX = 200
"""People that one search gives; who looks for more writes more."""

SEARCH_LENGTH_MAX = 320
"""The longest address."""

LABEL = "lower(case when {p}name <> '' then {p}name else {p}learner end)"
"""What somebody is called in a list: the name, or the id where there is none."""

FAMILY = "lower(replace({p}name, rtrim({p}name, replace({p}name, ' ', '')), ''))"
"""The last word of a name: without its last word it ends with a space, and that beginning is taken away."""

ID, EMAIL = "lower({p}learner)", "lower({p}email)"

_BYTES = ' collate "C"'
"""How text is compared on PostgreSQL, so that what begins alike lies together. SQLite compares so by itself."""

_NAMED, _KNOWN = "name <> ''", "erased_at is null"

BY = ((LABEL, _KNOWN), (FAMILY, _NAMED), (ID, _NAMED), (EMAIL, "email <> ''"))
"""What is looked for, and which people have it."""

INDEXES = (
    f"create index person_label on person (customer_id, ({LABEL.format(p='')}<bytes>), id) where {_KNOWN}",
    f"create index person_family on person (customer_id, ({FAMILY.format(p='')}<bytes>)) where {_NAMED}",
    f"create index person_learner on person (customer_id, ({ID.format(p='')}<bytes>)) where {_NAMED}",
    f"create index person_email on person (customer_id, ({EMAIL.format(p='')}<bytes>)) where email <> ''",
    (
        "create index activation_in_order on activation "
        "((window_number + 0), subscription, first_us, source, id, organisation, unit, object, class, window_number)"
    ),
)
"""For both databases, see `in_bytes`. The last one changes with no fact but one that comes before the first.

It begins with an expression, so that nobody has it who does not ask for it: with the plain columns the database took
it to look for one learner, where nothing was counted yet, and a batch of facts took 400 ms instead of 60. It has all
that the list is ordered and filtered by, so that what is passed over is read off the index alone.
"""

_LAST = "\U0010ffff"
"""No text has a character after it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Surrogates of people, and whether there are more than are given."""

    people: tuple[int, ...]
    more: bool


def in_bytes(sql: str, vendor: str = "") -> str:
    """SQL for a database; `<bytes>` is where text is to be compared byte by byte."""
    return sql.replace("<bytes>", _BYTES if (vendor or connection.vendor) == "postgresql" else "")


def search(customer: int, text: str) -> Found:
    """Those of a customer whose id, name, last name or address begins so.

    An id that is written as a whole is found like any other.
    """
    wanted = " ".join(text.split())[:SEARCH_LENGTH_MAX]
    if not wanted:
        return Found((), more=False)
    found: dict[int, None] = {}
    more = False
    with connection.cursor() as cursor:
        for what, which in BY:
            key = f"{what.format(p='')}<bytes>"
            sql = f"""
                select id from person where customer_id = %s and {which} and {key} >= lower(%s) and {key} < lower(%s)
                order by {key} limit {FOUND_MAX + 1}
                """
            cursor.execute(in_bytes(sql), [customer, wanted, wanted + _LAST])
            numbers = [number for (number,) in cursor.fetchall()]
            more |= len(numbers) > FOUND_MAX
            found.update(dict.fromkeys(numbers))
    return Found(tuple(found)[:FOUND_MAX], more or len(found) > FOUND_MAX)
