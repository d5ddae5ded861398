"""The API against its own description: Schemathesis draws requests that fit it, and such that do not.

Every answer is to have a documented status, content type and shape, and none may be a fault of the server. In the
suite each operation gets a few examples; `make api-fuzz` draws many more (ROLLBOOK_API_EXAMPLES).
"""

from __future__ import annotations

import json
import os
from importlib import import_module

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from ninja import Schema
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rollbook.server.access import keys, throttle
from rollbook.server.access.principals import SCOPES
from rollbook.server.api.app import ROUTERS
from tests.server import callers, world

pytestmark = pytest.mark.usefixtures("ledger")

EXAMPLES = int(os.environ.get("ROLLBOOK_API_EXAMPLES", "4"))
"""Requests of each operation."""

HEAVY = ("bundle.zip", "/pdf", "/reports/{name}")
"""Answers that take a second each: they have tests of their own."""


def test_the_description_is_one_that_tools_read():
    """Loading it resolves every reference."""
    schema = schemathesis.openapi.from_dict(document())
    assert len(list(schema.get_all_operations())) > 60
    assert document()["openapi"].startswith("3.1")


def test_every_operation_documents_how_it_may_refuse():
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            assert {"400", "403", "429", "500"} <= set(answers), (method, path)
            assert ("401" in answers) or operation["security"] == [], (method, path)
            for status, answer in answers.items():
                if int(status) >= 400 and "application/json" in answer.get("content", {}):
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("/ProblemsOut"), (method, path, status)
            assert "Retry-After" in answers["429"]["headers"]
            assert operation["summary"]


def test_two_shapes_never_have_one_name():
    """The document knows a shape by the name of its class alone."""
    shapes: dict[str, set[str]] = {}
    for module in ROUTERS:
        found = vars(import_module(f"rollbook.server.api.{module}")).values()
        for it in found:
            if isinstance(it, type) and issubclass(it, Schema):
                shapes.setdefault(it.__name__, set()).add(json.dumps(it.json_schema(), sort_keys=True))
    assert len(shapes) > 50
    assert {name for name, them in shapes.items() if len(them) > 1} == set()


def document() -> dict:
    return json.loads(Client().get("/v1/openapi.json").content)


@pytest.mark.parametrize("who", ["operator", "key", "nobody"])
def test_no_request_that_can_be_drawn_breaks_the_server_or_its_description(who, monkeypatch):
    monkeypatch.setattr(throttle, "count_call", lambda *_: None)
    monkeypatch.setattr(throttle, "attempt", lambda *_: None)
    world.subscribe(world.customer(), "monthly-login")
    headers = HEADERS[who]()
    wrong: list[str] = []
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", get_wsgi_application())
    for found in schema.get_all_operations():
        operation = found.ok()
        if not operation.path.endswith(HEAVY):
            _try(operation, headers, wrong)
    assert not wrong, "\n\n".join(wrong)


def _try(operation: schemathesis.APIOperation, headers: dict[str, str], wrong: list[str]) -> None:
    """Adds what is wrong with an operation; the first finding of each is enough."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: schemathesis.Case) -> None:
        case.headers.update(headers)
        case.validate_response(case.call(), checks=CHECKS)

    try:
        send()
    except Exception as error:  # noqa: BLE001 - all of them are to be seen at once
        wrong.append(
            f"{operation.label}: {type(error).__name__} {error} {error.__notes__ if hasattr(error, '__notes__') else ''}"[
                :1500
            ]
        )


def _by_session() -> dict[str, str]:
    caller = callers.operator()
    cookies = "; ".join(f"{name}={it.value}" for name, it in caller.client.cookies.items())
    return {**caller.headers, "Cookie": cookies}


HEADERS = {
    "operator": _by_session,
    "key": lambda: {"Authorization": "Bearer " + keys.make(name="all", scopes=sorted(SCOPES), customer=None)[1]},
    "nobody": dict,
}

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
