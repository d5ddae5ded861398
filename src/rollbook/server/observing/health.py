"""Probes, for load balancers, service managers and monitoring.

/healthz  the process is alive. It asks nothing of anybody, so that a database that is away restarts no process.
/readyz   the database answers, its tables are those of this version, and a worker is alive: 200, or 503 with what is
          missing in words. `?worker=ignore` leaves the worker out: a load balancer should go on sending facts without.
/metrics  see `telemetry`.

They are answered before anything looks at the host's name, at TLS or at a session, because probes come by address.
They say nothing about whose data is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from rollbook.server.observing import telemetry

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PLAIN = "text/plain; charset=utf-8"

_migrated: set[str] = set()
"""Databases whose tables were found to be right: migrations are not undone under a server that runs."""


def probes(get_response: GetResponse) -> GetResponse:
    """The middleware."""
    answers: dict[str, Callable[[HttpRequest], HttpResponse]] = {
        "/healthz": _alive,
        "/readyz": _ready,
        "/metrics": telemetry.answer,
    }

    def middleware(request: HttpRequest) -> HttpResponseBase:
        probe = answers.get(request.path)
        if probe is None:
            return get_response(request)
        request.rollbook_probe = request.path.strip("/")  # type: ignore[attr-defined]
        if request.method not in ("GET", "HEAD"):
            return HttpResponse("use GET\n", status=405, content_type=PLAIN, headers={"Allow": "GET, HEAD"})
        answer = probe(request)
        answer["Cache-Control"] = "no-store"
        return answer

    return middleware


def _alive(_: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type=PLAIN)


def _ready(request: HttpRequest) -> HttpResponse:
    problems = list(missing(with_worker=request.GET.get("worker") != "ignore"))
    words = "".join(f"{problem}\n" for problem in problems) or "ready\n"
    return HttpResponse(words, status=503 if problems else 200, content_type=PLAIN)


def missing(*, with_worker: bool = True) -> Iterator[str]:
    """What keeps the server from doing its work, in words."""
    from rollbook.server.live import digest_key  # noqa: PLC0415 - they need the tables, and this module is a middleware's
    from rollbook.server.observing import heartbeat  # noqa: PLC0415 - as above

    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        if not _is_migrated():
            yield "the tables are not those of this version: run rollbook migrate"
            return
        if problem := digest_key.wrong():
            yield str(problem)
        if with_worker and not heartbeat.alive(timezone.now()):
            yield "no worker gave a sign of life lately: start rollbook worker; facts are taken in meanwhile"
    except (DatabaseError, InterfaceError):
        connection.close()
        yield "the database does not answer: look at it, and at DATABASE_URL"


def _is_migrated() -> bool:
    name = str(connection.settings_dict["NAME"])
    if name not in _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        _migrated.add(name)
    return True
