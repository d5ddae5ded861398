"""What a request says that nobody asked for is refused in words, and what matters has to be said.

A misspelt field that was passed over would be a default that nobody chose: a key of every customer, a day that is now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from django.http import HttpRequest
from pydantic import BaseModel

from rollbook.server.access.principals import Principal
from rollbook.server.api.fields import Body
from rollbook.server.refusals import RefusedError, refused, unknown

UNKNOWN_MAX = 100
"""Unknown names of one request that are answered."""


def fields_at(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The fields that an object has at a path within a body; none where there is no object."""
    found: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int):
            continue
        field = found.model_fields.get(part) if found else None
        found = _model_in(field.annotation) if field else None
    return list(found.model_fields) if found else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((it for it in map(_model_in, get_args(annotation)) if it), None)


def refuse_parameters(request: HttpRequest, known: Iterable[str]) -> None:
    """Raises 422 for parameters of an address that are not known."""
    names = set(known)
    if wrong := sorted(set(request.GET) - names)[:UNKNOWN_MAX]:
        raise RefusedError(422, "input-invalid", [unknown("query", it, names, "parameter") for it in wrong])


def whose_is_said(principal: Principal, body: Body, of_nobody: str) -> None:
    """Raises 422 where somebody who may make a thing for all customers does not say whose it is.

    of_nobody  what `null` makes, in words
    """
    if principal.vendor and "customer" not in body.model_fields_set:
        rule = "it is missing, and whose it is has to be said"
        raise refused(422, "input-invalid", "body.customer", rule, f"give a customer's number, or null for {of_nobody}")
