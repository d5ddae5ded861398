"""Lists come in pages: `after` is the `next` of the page before, and none holds more than `fields.PAGE_MAX` items."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def page(rows: QuerySet[Row], after: int, limit: int, *, newest_first: bool = False) -> tuple[list[Row], int | None]:
    """The rows of a page, and what the next one comes after; None where there is none.

    Rows come in the order of their numbers, so that what is added meanwhile moves nothing.
    """
    bounds: dict[str, Any] = {}
    if after:
        bounds = {"pk__lt": after} if newest_first else {"pk__gt": after}
    found = list(rows.filter(**bounds).order_by("-pk" if newest_first else "pk")[: limit + 1])
    return found[:limit], found[limit - 1].pk if len(found) > limit else None
