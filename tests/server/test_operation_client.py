"""The client against the server itself, which runs as people run it, with two processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from rollbook.client import Client, RefusedError
from tests import server_settings
from tests.server.operated import Operated

AGREE = """
from datetime import date
from dateutil.relativedelta import relativedelta
from rollbook import plans
from rollbook.model.subscription import Subscription
from rollbook.server.live import contracts, metering
from rollbook.server.access import keys
from rollbook.server.access.principals import SCOPES
from rollbook.server.clock import now_us
from rollbook.server.models import Customer, Organisation
customer = Customer.objects.create(name='Academy')
Organisation.objects.create(name='north', customer=customer)
start = date.today().replace(day=1)
agreed = Subscription(plan=plans.find_plan('secondnature-mau'), start=start, end=start + relativedelta(years=1), customer='Academy')
metering.rebuild(contracts.subscribe(customer, agreed), now_us())
print(keys.make(name='all', scopes=[it for it in SCOPES if it != 'manage'], customer=customer)[1])
print(keys.make(name='few', scopes=['facts:write'], customer=customer)[1])
"""


@pytest.fixture
def operated(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Operated, str, str]:
    """A server with one customer, and two of its keys: one for everything, one that may send."""
    url = (
        request.getfixturevalue("postgres_url")
        if server_settings.KIND == "postgresql"
        else f"sqlite:///{tmp_path}/rollbook.db"
    )
    made = Operated(tmp_path, url)
    made.done("migrate")
    everything, sending = made.python(AGREE).split()
    return made, everything, sending


def login(number: int, learner: str) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=60 - number)
    return {"id": f"f{number}", "occurred_at": at.isoformat(), "learner": learner, "type": "login", "source": "lms"}


def test_every_method_of_the_client_is_understood_by_the_server(operated: tuple[Operated, str, str]) -> None:
    made, everything, sending = operated
    with made.serving("--workers", "2") as server:
        with Client(server.url, everything) as client:
            facts = [login(1, "ana"), login(2, "bo"), login(3, "ana"), {"id": "f4", "type": "login", "learner": "x"}]
            receipt = client.send(facts)
            assert (receipt.received, receipt.new, receipt.rejected_facts) == (4, 3, 1)
            assert {(it.index, it.id) for it in receipt.rejected} == {(3, "f4")}
            assert client.send(facts[:3]).repeats == 3

            usage = client.usage(1)
            assert (usage.customer, usage.plan.id, usage.window) == ("Academy", "secondnature-mau", 1)
            assert [pool.active for pool in usage.windows[0].pools] == [2]
            learners = list(client.learners(1))
            assert [(it.learner, it.fact, it.facts, it.class_) for it in learners] == [
                ("ana", "f1", 2, "new"),
                ("bo", "f2", 1, "new"),
            ]
            explained = client.explain(1, "ana")
            assert explained.ids == ["ana"]
            assert [it.id for window in explained.windows for it in window.facts if it.proves] == ["f1"]
            assert client.admit("north", "chloe").subscriptions[0].would_count
            preview = client.preview([login(9, "dan")])
            assert (preview.new, preview.changes[0].active) == (1, (2, 3))
            assert [it.learner for it in client.learners(1)] == ["ana", "bo"]
            assert client.statements(1).statements == []
            with pytest.raises(RefusedError) as missing:
                client.usage(99)
            assert missing.value.status == 404
        with Client(server.url, sending) as client, pytest.raises(RefusedError) as refused:
            client.usage(1)
        assert refused.value.status == 403

        # Two processes answered, and either of them tells the figures of both.
        figures = [httpx.get(f"{server.url}/metrics").text for _ in range(6)]
        told = {
            line
            for text in figures
            for line in text.splitlines()
            if line.startswith('rollbook_facts_total{fate="accepted"}')
        }
        assert told == {'rollbook_facts_total{fate="accepted"} 3.0'}
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    routes = [line["route"] for line in lines if line["event"] == "request" and line["route"].startswith("v1")]
    assert routes.count("v1/facts") == 2
    assert "v1/subscriptions/<number>/learners/<path:learner>" in routes
    assert everything.split("_", 2)[2] not in server.log.read_text()


def test_facts_wait_while_the_server_is_stopped_and_arrive_when_it_is_started(
    operated: tuple[Operated, str, str], tmp_path: Path
) -> None:
    made, everything, _ = operated
    with made.serving() as server:
        pass
    with Client(server.url, everything, spool=tmp_path / "spool", retry_seconds=0) as client:
        assert client.send(login(number, f"l{number}") for number in range(5)).waiting == 5
    port = int(server.url.rpartition(":")[2])
    with made.serving(port=port) as back, Client(server.url, everything, spool=tmp_path / "spool") as client:
        assert back.url == server.url
        receipt = client.send([login(5, "l5")])
        assert (receipt.new, receipt.waiting) == (6, 0)
        assert [it.learner for it in client.learners(1)] == [f"l{number}" for number in range(6)]
