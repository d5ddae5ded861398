"""Probes and figures: what they say, to whom, and what they never say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from rollbook.server import clock, configuration
from rollbook.server.live import contracts
from rollbook.server.models import Done, Message, Statement
from rollbook.server.observing import health, lag
from tests.server import world
from tests.server.callers import by_key

pytestmark = pytest.mark.usefixtures("ledger")


def _set(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    changed = configuration.Configuration({**settings.CONFIGURATION.values, **values})
    monkeypatch.setattr(settings, "CONFIGURATION", changed)


def _alive(seconds_ago: float = 0) -> None:
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    Done.objects.update_or_create(job="worker", number=0, defaults={"done_for": "", "at": at})


def _figures(**headers: str) -> dict[tuple[str, ...], float]:
    answer = Client().get("/metrics", **headers)
    assert answer.status_code == 200, answer.content
    samples = (it for family in text_string_to_metric_families(answer.content.decode()) for it in family.samples)
    return {(it.name, *(f"{name}={value}" for name, value in sorted(it.labels.items()))): it.value for it in samples}


def test_a_process_is_alive_whatever_the_database_does(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"alive\n")


def test_a_server_is_ready_with_its_tables_and_a_worker() -> None:
    assert Client().get("/readyz").status_code == 503
    _alive()
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.content) == (200, b"ready\n")


def test_without_a_worker_it_says_so_and_a_load_balancer_may_leave_that_aside() -> None:
    # A worker counts as gone after ten minutes.
    _alive(601)
    answer = Client().get("/readyz")
    assert (answer.status_code, b"start rollbook worker" in answer.content) == (503, True)
    assert Client().get("/readyz?worker=ignore").status_code == 200


def test_a_migration_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", set())
    with connection.cursor() as cursor:
        cursor.execute("select max(id) from django_migrations where app = 'rollbook'")
        [last] = cursor.fetchone()
        cursor.execute("update django_migrations set app = 'elsewhere' where id = %s", [last])
        try:
            answer = Client().get("/readyz?worker=ignore")
        finally:
            cursor.execute("update django_migrations set app = 'rollbook' where id = %s", [last])
    assert (answer.status_code, b"run rollbook migrate" in answer.content) == (503, True)
    assert Client().get("/readyz?worker=ignore").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz?worker=ignore", "/metrics"])
def test_probes_come_by_address_and_without_tls(path: str, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["rollbook.example.org"]
    assert Client().get(path, headers={"host": "10.1.2.3:8000"}).status_code == 200
    assert Client().get("/v1/openapi.json", headers={"host": "10.1.2.3:8000"}, secure=True).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_asked_and_told_nothing(path: str) -> None:
    assert Client().post(path).status_code == 405


def test_figures_are_for_this_machine_where_there_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200
    assert Client().get("/metrics", REMOTE_ADDR="::1").status_code == 200
    for elsewhere in ("192.0.2.7", "", "unix:"):
        assert Client().get("/metrics", REMOTE_ADDR=elsewhere).status_code == 403
    # Through a proxy on this machine the whole world comes from this machine.
    for header in ("x-forwarded-for", "forwarded", "via", "x-real-ip"):
        assert Client().get("/metrics", headers={header: "192.0.2.7"}).status_code == 403
    _set(monkeypatch, ROLLBOOK_TRUSTED_PROXIES=1)
    assert Client().get("/metrics").status_code == 403


def test_figures_are_for_whoever_has_the_key_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, ROLLBOOK_TELEMETRY_KEY="a-key-of-some-length")
    given = {"authorization": "Bearer a-key-of-some-length", "x-forwarded-for": "192.0.2.7"}
    assert Client().get("/metrics", headers=given).status_code == 200
    for wrong in ("", "Bearer ", "Bearer a-key", "Basic a-key-of-some-length", "Bearer ä"):
        assert Client().get("/metrics", headers={"authorization": wrong}).status_code == 403


def test_requests_are_counted_by_route_and_status_and_never_by_address() -> None:
    before = _figures()
    Client().get("/v1/subscriptions/7/learners/zoe-4711?window=2")
    Client().get("/zoe-4711")
    after = _figures()
    name = (
        "rollbook_requests_total",
        "method=GET",
        "route=v1/subscriptions/<number>/learners/<path:learner>",
        "status=401",
    )
    assert after[name] - before.get(name, 0) == 1
    assert not [key for key in after if "zoe" in str(key) or "4711" in str(key)]


def test_facts_are_counted_by_what_became_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source_ns", lambda: world.at("2026-02-01T00:00") * 1000)
    world.subscribe(world.customer())
    rows = [
        world.row("1", "ana", "2026-01-05T10:00"),
        world.row("1", "ana", "2026-01-05T10:00"),
        world.row("2", "bo", "2026-01-06T10:00", organisation="nobody's"),
        {"id": "3", "occurred_at": "yesterday", "type": "login", "learner": "ana"},
    ]
    before = _figures()
    answer = by_key("facts:write").call("POST", "/facts", rows)
    receipt = answer.json()
    after = _figures()
    gained = {
        fate: after[("rollbook_facts_total", f"fate={fate}")] - before.get(("rollbook_facts_total", f"fate={fate}"), 0)
        for fate in ("accepted", "repeated", "held", "refused")
    }
    assert gained == {"accepted": 1, "repeated": 1, "held": 1, "refused": 1}
    assert (receipt["new"], receipt["repeats"], receipt["held"]) == (1, 1, 1)
    assert after[("rollbook_batch_seconds_count",)] - before.get(("rollbook_batch_seconds_count",), 0) == 1


def test_what_waits_and_what_is_late_is_told() -> None:
    figures = _figures()
    assert figures[("rollbook_outbox_messages", "state=waiting")] == 0
    assert ("rollbook_worker_seconds",) not in figures
    now = datetime.now(UTC)
    for number, state in enumerate(("waiting", "waiting", "dead", "sent")):
        Message.objects.create(message_id=f"m{number}", channel="mail", event="x", content={}, state=state, next_at=now)
    _alive(30)
    Done.objects.create(job="recount", number=0, done_for="2", at=datetime(2026, 3, 1, tzinfo=UTC))
    figures = _figures()
    assert figures[("rollbook_outbox_messages", "state=waiting")] == 2
    assert figures[("rollbook_outbox_messages", "state=dead")] == 1
    assert 30 <= figures[("rollbook_worker_seconds",)] < 60
    assert figures[("rollbook_last_recount_timestamp_seconds",)] == datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert figures[("rollbook_last_recount_differences",)] == 2
    assert figures[("rollbook_database_up",)] == 1


def test_the_lag_of_closing_is_that_of_the_oldest_window_that_is_due() -> None:
    stored = world.subscribe(world.customer(), "monthly-login")
    # Its windows are calendar months from January on, and close when the grace that the plan gives is over.
    grace = timedelta(days=contracts.plan_of(stored.plan).governance.grace_days)
    assert lag.close_seconds(datetime(2026, 2, 1, tzinfo=UTC) + grace - timedelta(seconds=1)) == 0
    assert lag.close_seconds(datetime(2026, 2, 1, tzinfo=UTC) + grace + timedelta(hours=1)) == 3600
    Statement.objects.create(subscription=stored, number=1, window_number=1, digest="d", record={}, closed_by="test")
    assert lag.close_seconds(datetime(2026, 2, 1, tzinfo=UTC) + grace + timedelta(hours=1)) == 0
    stored.close_on_hold = "a dispute"
    stored.save()
    assert lag.close_seconds(datetime(2026, 12, 1, tzinfo=UTC)) == 0


def test_a_new_process_reads_all_subscriptions_for_the_lag_together() -> None:
    """Ten customers with a subscription each are asked for in as many questions as one; nothing is asked twice."""

    def asked() -> int:
        with CaptureQueriesContext(connection) as questions:
            assert lag.close_seconds(datetime(2027, 2, 1, tzinfo=UTC)) > 0
        return len(questions)

    world.subscribe(world.customer(), "monthly-login")
    lag._DUE_US.clear()
    alone = asked()
    for number in range(9):
        world.subscribe(world.customer(f"Academy {number}", (f"o{number}",)), "monthly-login")
    lag._DUE_US.clear()
    assert asked() == alone
    assert asked() == 2
