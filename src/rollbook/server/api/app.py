"""The API itself: what is mounted, how bodies are read, and what the OpenAPI document says beyond the routes.

To add routes, write a module of this folder with a `router` and name it in `ROUTERS`:

    from ninja import Router
    from rollbook.server.access.principals import needs, principal_of, subscription_for
    from rollbook.server.api.fields import Id, Line

    router = Router(tags=["usage"])

    @router.get("/subscriptions/{number}/usage", auth=needs("usage:read"), response=UsageOut)
    def usage(request: HttpRequest, number: Id) -> UsageOut:
        row = subscription_for(principal_of(request), number)   # 404 for what they may not see

- Every route says `auth=needs(SCOPE)` or `auth=anybody()`. One that says neither refuses everybody, and a test fails.
- Objects come from `access` (`customer_for`, `subscription_for`, …), never from a table by number.
- What is wrong is raised: `errors.refused(409, "window-closed", place, rule, remedy)`, or any RollbookError; it
  becomes the one shape of problems. Statuses of problems are documented by themselves; those beyond `COMMON` are
  named by the route: `openapi_extra=errors.also(404, 409)`.
- A body that is a Schema must be JSON of at most `BODY_BYTES_MAX`. A route that reads `request` itself (facts) bounds
  it itself and says which contents it takes in `openapi_extra`.
- A body is a `fields.Body`, which refuses fields that it does not know; parameters that a route does not know are
  refused by themselves.
- Texts and numbers of input use `fields`: they keep out what a database refuses, such as NUL.
- A route needs its row in the table of `tests/server/test_routes_by_role.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.errors import ValidationError, ValidationErrorContext
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema
from ninja.params.models import QueryModel
from ninja.parser import Parser
from pydantic import BaseModel

from rollbook.server.access.principals import Anybody, Needs, Undeclared
from rollbook.server.api import errors, strict
from rollbook.server.api.errors import DESCRIPTIONS, also
from rollbook.server.refusals import refused

ROUTERS = (
    "session",
    "management",
    "management_contracts",
    "management_access",
    "management_notices",
    "messages",
    "people",
    "roster",
    "roster_snapshots",
    "roster_rules",
    "roster_requests",
    "facts",
    "waiting",
    "cloudevents",
    "caliper",
    "xapi",
    "usage",
    "groups",
    "reports",
    "statements",
    "admissions",
)
"""Modules of this folder whose `router` is mounted, in the order of the document; one that is not there is left out."""

BODY_BYTES_MAX = 4 * 1024 * 1024
"""Of a body that is read as a whole."""

COMMON = (400, 401, 403, 426, 429, 500)
"""Statuses of problems that any route may answer with."""


class JsonBodies(Parser):
    """Reads JSON, bounded, strictly, and only where it says that it is JSON."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The value. Raises RefusedError 413, 415 or 400."""
        if request.content_type != "application/json":
            raise refused(415, "media-type", "header Content-Type", "the body must be JSON", "send application/json")
        if int(request.META.get("CONTENT_LENGTH") or 0) > BODY_BYTES_MAX:
            raise refused(413, "too-large", "body", f"it is larger than {BODY_BYTES_MAX} bytes", "send it in parts")
        try:
            return json.loads(request.body, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise refused(400, "json-invalid", "body", "it is no JSON", "correct its syntax") from None


def _no_number(_: str) -> Any:
    raise ValueError


class Api(NinjaAPI):
    """The API whose document says what every route needs, and how it may be refused."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """The document, OpenAPI 3.1."""
        document = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        schemas = document["components"].setdefault("schemas", {})
        for schema in (errors.ProblemsOut.json_schema(), errors.ProblemOut.json_schema()):
            schemas.update(schema.pop("$defs", {}))
            schemas[schema["title"]] = _referring(schema)
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "An API key, rbk_…"},
            "keyInTwoParts": {"type": "http", "scheme": "basic", "description": "The key's prefix and its secret"},
            "session": {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
        }
        for operation in declared(self):
            found = document["paths"].get(operation["path"], {}).get(operation["method"])
            if found is not None:
                _describe(found, operation["needs"])
        return document

    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> ValidationError:
        """What is wrong with an input; of an unknown field, which ones are known there."""
        found = super().validation_error_from_error_contexts(error_contexts)
        for error, (model, path) in zip(found.errors, _places(error_contexts), strict=True):
            if error["type"] == "extra_forbidden":
                error["known"] = strict.fields_at(model, path)
        return found


def _only_known_parameters(api: NinjaAPI) -> None:
    """Lets routes that read parameters of their address refuse those that they do not know."""
    for bound in api._get_bound_routers():  # noqa: SLF001 - the only list of what is mounted
        for view in bound.path_operations.values():
            for model in (it for operation in view.operations for it in operation.models):
                if issubclass(model, QueryModel):
                    model.get_request_data = _reader(model)


def _reader(model: type[QueryModel]) -> Any:
    read, known = model.get_request_data, tuple(getattr(model, "__ninja_flatten_map__", ()))

    def strictly(request: HttpRequest, api: NinjaAPI, path_params: dict[str, Any]) -> dict[str, Any] | None:
        strict.refuse_parameters(request, known)
        return read(request, api, path_params)

    return strictly


def _places(contexts: list[ValidationErrorContext[Any]]) -> Iterator[tuple[type[BaseModel], tuple[str | int, ...]]]:
    """Of each thing that is wrong: the model that found it, and the path to the object that it stands in."""
    for it in contexts:
        for error in it.pydantic_validation_error.errors(include_url=False, include_input=False):
            yield it.model, error["loc"][:-1]


def declared(api: NinjaAPI) -> list[dict[str, Any]]:
    """Every route that is mounted: its path, method and need; None where it declares none."""
    routes = []
    for bound in api._get_bound_routers():  # noqa: SLF001 - the only list of what is mounted
        for path, view in bound.path_operations.items():
            full = "/v1/" + "/".join(it.strip("/") for it in (bound.prefix, path) if it.strip("/"))
            for operation in view.operations:
                need = operation.auth_callbacks[0] if len(operation.auth_callbacks) == 1 else None
                scope = need.scope if isinstance(need, Needs | Anybody) else None
                routes += [
                    {"path": _without_converters(full), "method": method.lower(), "needs": scope}
                    for method in operation.methods
                ]
    return routes


def _without_converters(path: str) -> str:
    return "/".join("{" + it.split(":")[-1] if it.startswith("{") and ":" in it else it for it in path.split("/"))


def _referring(schema: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(schema).replace("#/$defs/", "#/components/schemas/"))  # type: ignore[no-any-return]


def _describe(operation: dict[str, Any], need: str | None) -> None:
    statuses = set(COMMON) | {int(it) for it in operation.pop("x-also", ())}
    if operation.get("requestBody"):
        statuses |= {413, 415, 422}
    if operation.get("parameters"):
        statuses |= {422}
    if any(it["in"] == "path" for it in operation.get("parameters", ())):
        statuses |= {404}
    if need == "":
        statuses -= {401}
        operation["security"] = []
    else:
        operation["security"] = [{"key": []}, {"keyInTwoParts": []}, {"session": []}]
        operation["x-needs"] = need
    answers = {str(status): answer for status, answer in operation["responses"].items()}
    for status in sorted(statuses - {int(it) for it in answers if it.isdecimal()}):
        schema = {"$ref": "#/components/schemas/ProblemsOut"}
        answer = {"description": DESCRIPTIONS[status], "content": {"application/json": {"schema": schema}}}
        if status in (429, 503):
            answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
        answers[str(status)] = answer
    operation["responses"] = answers


def build() -> Api:
    """The API with everything that is there."""
    api = Api(
        title="Rollbook",
        version="1",
        description="Counts active learners: facts in, usage out. Problems come in one shape, see ProblemsOut.",
        urls_namespace="v1",
        docs=Swagger(settings={"persistAuthorization": False, "validatorUrl": None}),
        parser=JsonBodies(),
        auth=Undeclared(),
    )
    errors.install(api)
    for name in ROUTERS:
        api.add_router("", import_module(f"rollbook.server.api.{name}").router)
    _only_known_parameters(api)
    return api


api = build()

__all__ = ["ROUTERS", "also", "api", "declared"]
