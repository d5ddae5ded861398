"""What the server's tests share. Each runs over SQLite, and over PostgreSQL with ROLLBOOK_TEST_DATABASE=postgresql."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from rollbook.server.configuration import Configuration
from rollbook.server.live import people
from tests import server_settings

LIVE_TABLES = ("activation", "holding", "opening", "tally", "fact", "fact_key", "archived_attributes")
"""What `engines.database` keeps: no model, so Django does not empty them."""


@pytest.fixture(autouse=True)
def _database_there() -> None:
    if server_settings.MISSING:
        (pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip)(server_settings.MISSING)


@pytest.fixture
def ledger(transactional_db: None) -> Iterator[None]:  # noqa: ARG001 - it empties the tables
    """An empty database whose transactions are real: what is committed is there, for other connections too."""
    people.forget()
    yield
    with connection.cursor() as cursor:
        for table in LIVE_TABLES:
            cursor.execute(f"delete from {table}")


@pytest.fixture
def archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an archive."""
    folder = tmp_path / "archive"
    folder.mkdir(mode=0o700)
    values = {**settings.CONFIGURATION.values, "ROLLBOOK_ARCHIVE": str(folder)}
    monkeypatch.setattr(settings, "CONFIGURATION", Configuration(values))
    return folder
