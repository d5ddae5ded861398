"""With another digest key every learner would be somebody new: nothing is taken in, and /readyz says so."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from django.db import connection
from django.test import Client

from rollbook.server.configuration import Configuration
from rollbook.server.live import digest_key
from rollbook.server.models import Done

from . import callers, world
from .operated import Operated

OTHER = "another-key-than-that-of-this-database"
RULE = "it is not the key with which this database was begun"


@pytest.fixture
def other_key(settings) -> None:
    settings.CONFIGURATION = Configuration({**settings.CONFIGURATION.values, "ROLLBOOK_DIGEST_KEY": OTHER})


@pytest.mark.usefixtures("ledger")
def test_readyz_is_not_ready_with_another_key_and_names_nobody(request) -> None:
    digest_key.keep()
    north = world.customer()
    callers.by_key("facts:write", customer=north).post("/facts", [world.row("1", "ana-secret", "2026-01-05T09:00")])
    assert Client().get("/readyz?worker=ignore").status_code == 200
    request.getfixturevalue("other_key")
    refused = Client().get("/readyz?worker=ignore")
    assert refused.status_code == 503
    assert "ROLLBOOK_DIGEST_KEY" in refused.content.decode()
    for hidden in ("ana-secret", OTHER, Done.objects.get(job=digest_key.JOB).done_for):
        assert hidden not in refused.content.decode()
    # Whoever only wants to know that it runs is answered: a restart would not help.
    assert Client().get("/healthz").status_code == 200
    connection.close()


def test_import_with_another_key_takes_nothing_in_and_says_what_to_do(tmp_path: Path) -> None:
    operated = Operated(tmp_path, f"sqlite:///{tmp_path}/rollbook.db")
    operated.done("migrate")
    operated.python(
        "from rollbook.server.models import Customer, Organisation\n"
        "Organisation.objects.create(name='north', customer=Customer.objects.create(name='Northern Academy'))"
    )
    facts = tmp_path / "facts.ndjson"
    facts.write_text(
        "".join(json.dumps(world.row(str(n), f"learner {n}", "2026-01-05T09:00")) + "\n" for n in range(3))
    )
    count = "from rollbook.server.models import Person; print(Person.objects.count())"
    # Also before anybody is there whose digest could be compared.
    for there in ("0", "3"):
        assert operated.python(count) == there
        other = Operated(operated.folder, operated.database_url, {"ROLLBOOK_DIGEST_KEY": OTHER})
        refused = other.call("import", str(facts))
        assert refused.returncode == 2
        assert f"ROLLBOOK_DIGEST_KEY: {RULE}" in refused.stderr
        assert "set it to what it was" in refused.stderr
        assert OTHER not in refused.stderr + refused.stdout
        assert operated.python(count) == there
        operated.done("import", str(facts))
    with operated.serving() as server:
        assert httpx.get(f"{server.url}/readyz?worker=ignore").status_code == 200
