"""Figures for Prometheus: what requests did, what became of facts, and how far jobs are behind.

Counters and histograms are kept by each process. Under `rollbook serve` its processes share a folder and any of them
answers for all; another WSGI server must set PROMETHEUS_MULTIPROC_DIR for that, or each process answers for itself,
and the answer says so. What stands in the database (the outbox, lag, recounts, the worker's sign of life) is asked of
it at each scrape, so it is the same from every process. Labels are routes, statuses and kinds: never who or what.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

from rollbook.server.observing import logs

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

REQUESTS = Counter("rollbook_requests", "Requests, by route and status", ("method", "route", "status"))
SECONDS = Histogram(
    "rollbook_request_seconds",
    "How long requests took",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
FACTS = Counter("rollbook_facts", "Facts that came in, by what became of them", ("fate",))
BATCH_SECONDS = Histogram(
    "rollbook_batch_seconds",
    "How long it took to store and meter a batch of facts",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

FATES = ("accepted", "repeated", "held", "refused")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def requests(get_response: GetResponse) -> GetResponse:
    """The middleware that counts requests and measures them."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        answer = get_response(request)
        route = logs.route_of(request)
        REQUESTS.labels(logs.method_of(request), route, str(answer.status_code)).inc()
        SECONDS.labels(route).observe(time.perf_counter() - began)
        return answer

    return middleware


@contextmanager
def batch() -> Iterator[None]:
    """Measures what is done within as one batch of facts."""
    with BATCH_SECONDS.time():
        yield


def took_in(accepted: int, repeated: int, held: int, refused: int) -> None:
    """Counts the facts of a batch that is stored."""
    for fate, facts in zip(FATES, (accepted, repeated, held, refused), strict=True):
        if facts:
            FACTS.labels(fate).inc(facts)


class Stored(Collector):
    """What the tables say. Where the database does not answer these figures are missing, and nothing else is."""

    def collect(self) -> Iterable[Metric]:
        """Asks a few bounded questions."""
        try:
            return list(_stored(timezone.now()))
        except DatabaseError:
            return [_gauge("rollbook_database_up", "Whether the database answered this scrape", 0)]


def _stored(now: datetime) -> Iterator[Metric]:
    from rollbook.server.live import archive  # noqa: PLC0415 - it needs the tables, and this module is a middleware's
    from rollbook.server.observing import lag  # noqa: PLC0415 - as above

    yield _gauge("rollbook_database_up", "Whether the database answered this scrape", 1)
    messages = GaugeMetricFamily("rollbook_outbox_messages", "Messages that wait or were given up", labels=("state",))
    for state, number in lag.outbox().items():
        messages.add_metric([state], number)
    yield messages
    yield _gauge("rollbook_held_facts", "Facts that are kept apart", lag.held())
    yield _gauge(
        "rollbook_close_lag_seconds",
        "For how long the oldest window that is due has not been closed",
        lag.close_seconds(now),
    )
    missing = sum(1 for _ in archive.away())
    yield _gauge("rollbook_archives_missing", "Customers whose archive is not where it should be", missing)
    worker = lag.worker_seconds(now)
    if worker is not None:
        yield _gauge("rollbook_worker_seconds", "How long ago a worker gave a sign of life", worker)
    last = lag.last_recount()
    if last is not None:
        yield _gauge("rollbook_last_recount_timestamp_seconds", "When counts were last counted again", last.at)
        yield _gauge("rollbook_last_recount_differences", "What it found: always 0", last.differences)


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)


def scrape() -> bytes:
    """All figures in Prometheus' text format."""
    stored = CollectorRegistry()
    stored.register(Stored())
    if os.environ.get(FOLDER):
        shared = CollectorRegistry()
        multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared) + generate_latest(stored)
    note = f"# Counters and histograms are those of process {os.getpid()} alone.\n".encode()
    return note + generate_latest(REGISTRY) + generate_latest(stored)


def answer(request: HttpRequest) -> HttpResponse:
    """GET /metrics: with the bearer token of ROLLBOOK_TELEMETRY_KEY, or without one from this machine alone."""
    if not _may(request):
        words = "send the bearer token of ROLLBOOK_TELEMETRY_KEY; without one, ask from this machine and past any proxy"
        return HttpResponse(f"not allowed: {words}\n", status=403, content_type="text/plain; charset=utf-8")
    return HttpResponse(scrape(), content_type=CONTENT_TYPE)


def _may(request: HttpRequest) -> bool:
    key = settings.CONFIGURATION["ROLLBOOK_TELEMETRY_KEY"]
    if key:
        kind, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), key.encode())
    # Behind a proxy of this machine everybody comes from this machine.
    if any(name in request.META for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")):
        return False
    if settings.CONFIGURATION["ROLLBOOK_TRUSTED_PROXIES"]:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
