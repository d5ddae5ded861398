"""Programs that send facts over HTTP, and what a test asks about afterwards."""

from __future__ import annotations

from typing import Any

import httpx
from django.db import connection

from rollbook.server.access import keys
from rollbook.server.models import Customer, HeldFact

FAR = 60.0
"""Seconds after which a test gives up on an answer."""


def sender(server: Any, customer: Customer | None = None, *scopes: str, **headers: str) -> httpx.Client:
    """A program with a key of a customer, or of the vendor's platform; close it, or use it in a `with` statement."""
    _, text = keys.make(name="test", scopes=list(scopes or ("facts:write",)), customer=customer)
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {text}"} | headers, timeout=FAR)


def stored(columns: str = "id") -> list[Any]:
    """What is stored: a column of each fact, or several as tuples, in the order of ids."""
    with connection.cursor() as cursor:
        cursor.execute(f"select {columns} from fact order by id")
        rows = cursor.fetchall()
    return [row[0] for row in rows] if "," not in columns else rows


def nothing_stored() -> bool:
    return not stored() and not HeldFact.objects.exists()


def code(answer: httpx.Response) -> str:
    """The code of the first problem, whose shape is that of all problems."""
    problems = answer.json()["problems"]
    assert all(set(it) == {"code", "place", "rule", "remedy"} for it in problems)
    assert all(it["rule"] and it["remedy"] for it in problems)
    return str(problems[0]["code"])


def adds_up(receipt: dict[str, Any]) -> bool:
    """received = new + repeats + held + facts that were rejected."""
    rejected = {it["index"] for it in receipt["rejected"]}
    return bool(receipt["received"] == receipt["new"] + receipt["repeats"] + receipt["held"] + len(rejected))
