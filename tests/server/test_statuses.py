"""Every status that any line of the server can answer with is described: in words, and in docs/server/api.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from django.test import Client

import rollbook.server
from rollbook.server.api.app import COMMON, api
from rollbook.server.api.errors import DESCRIPTIONS, STATUS_BY_CODE

SOURCE = Path(rollbook.server.__file__).parent
TEXT = (Path(__file__).parents[2] / "docs/server/api.md").read_text()

PROBLEMS = 400
"""From here on a status is one of a problem."""


MODES = ("chmod", "mkdir")
"""Calls whose numbers are permissions of files: 0o700 is 448."""


def statuses(tree: ast.AST) -> Iterator[int]:
    """Numbers that a call is given as a status, wherever it stands among its arguments, and names of `HTTPStatus`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in MODES:
                continue
            given = [*node.args, *(it.value for it in node.keywords if it.arg in ("status", "status_code"))]
            for it in given:
                if isinstance(it, ast.Constant) and type(it.value) is int and PROBLEMS <= it.value < 600:
                    yield it.value
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "HTTPStatus":
            yield HTTPStatus[node.attr]


def answered() -> set[int]:
    found = {
        it
        for file in (SOURCE / "api", SOURCE / "access", SOURCE / "receiving", SOURCE / "live", SOURCE / "billing")
        for path in file.rglob("*.py")
        for it in statuses(ast.parse(path.read_text()))
    }
    for name in ("middleware.py", "refusals.py", "observing/health.py", "observing/telemetry.py"):
        found |= set(statuses(ast.parse((SOURCE / name).read_text())))
    return {it for it in found if it >= PROBLEMS} | set(STATUS_BY_CODE.values())


def test_every_status_that_is_answered_anywhere_has_words() -> None:
    found = answered()
    # What is known to be answered is found at all: the search has not gone blind.
    assert found >= {400, 401, 403, 404, 405, 409, 411, 413, 415, 422, 426, 429, 500, 503}
    assert found <= DESCRIPTIONS.keys()


def test_every_status_with_words_stands_in_the_page_about_the_api() -> None:
    table = TEXT.split("| status | when |")[1].split("\n\n")[0]
    said = {int(it) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for it in cell.split(", ")}
    assert said == DESCRIPTIONS.keys()


def test_a_call_without_tls_is_answered_as_the_description_of_every_address_says(settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().post("/v1/facts", "[]", content_type="application/json")
    assert answer.status_code == 426
    assert 426 in COMMON
    document = api.get_openapi_schema()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert "426" in operation["responses"], (method, path)


@pytest.mark.parametrize("status", sorted(DESCRIPTIONS))
def test_words_are_a_sentence_for_people(status: int) -> None:
    assert DESCRIPTIONS[status].endswith(".")
    assert HTTPStatus(status).value == status
