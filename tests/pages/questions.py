"""How often a page asks the database."""

from __future__ import annotations

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


def asked(client: Client, path: str) -> int:
    """Of a page that was seen before. Calls are counted once a second, whoever calls: that is left out."""
    client.get(path)
    with CaptureQueriesContext(connection) as found:
        assert client.get(path).status_code == 200
    return sum("throttle" not in it["sql"] for it in found.captured_queries)
