"""What the server refuses is told in German: every sentence of the code stands in the table, and is found again."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

import rollbook.server
from rollbook.errors import Problem
from rollbook.server.pages import sentences
from rollbook.server.pages.sentences import both, told
from rollbook.server.refusals import missing
from tests.server import callers, world
from tests.server.callers import Caller

SERVER = Path(rollbook.server.__file__).parent

WHERE = ("access", "billing", "notices", "live", "pages", "pages/office")

RAISED = {"refused": (3, 4), "Problem": (1, 2), "_conflict": (2, 3), "missing": (0,), "too_many": (1,)}
"""What makes problems, and which of its arguments are sentences."""

SPELT_OUT = {"X may call X times in a minute"}
"""Whoever calls too often is a key or somebody who is signed in: the table has a sentence for each."""


def of(node: ast.expr, known: dict[str, list[str]]) -> list[str]:
    """Every sentence that an expression can be, X for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(it.value if isinstance(it, ast.Constant) else "X" for it in parts)]
        case ast.IfExp(body=one, orelse=other):
            return of(one, known) + of(other, known)
        case ast.BinOp(left=left, right=right):
            return [a + b for a in of(left, known) or ["X"] for b in of(right, known) or ["X"]]
        case ast.Name(id=name):
            return known.get(name, [])
    return []


def assigned(function: ast.FunctionDef) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            both_sides = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            pairs = zip(target.elts, node.value.elts, strict=False) if both_sides else [(target, node.value)]
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).extend(of(value, {}))
    return found


def raised() -> Iterator[tuple[str, str]]:
    """(file, sentence) of everything that is refused in so many words."""
    for path in sorted(file for folder in WHERE for file in (SERVER / folder).glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                known = assigned(function)
                for node in ast.walk(function):
                    if isinstance(node, ast.Call):
                        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                        for place in RAISED.get(name, ()):
                            for text in of(node.args[place], known) if place < len(node.args) else ():
                                yield path.name, f"there is no such {text}" if name == "missing" else text


def test_every_sentence_of_the_code_stands_in_the_table():
    found = {(file, text) for file, text in raised() if text.strip("X .:;")} - {("throttle.py", it) for it in SPELT_OUT}
    assert len(found) > 120
    plain, filled = sentences._plain(), sentences._filled()
    lost = [it for it in found if it[1] not in plain and not any(pattern.fullmatch(it[1]) for pattern, _ in filled)]
    assert lost == []


def test_what_is_filled_in_stays_and_a_hint_is_told_too():
    english = "there is no such report (nearest: consumption)"
    with translation.override("de"):
        assert told("wait 12 seconds") == "warten Sie 12 Sekunden"
        assert told(english) == "diesen Bericht gibt es nicht (am nächsten: consumption)"
        assert (
            both(Problem("", "it is empty", "say why, in a sentence")) == "Es ist leer: sagen Sie in einem Satz, warum."
        )
        # What nobody has words for is said as it is, whatever stands in it.
        assert told("100% (of) [what] is this?") == "100% (of) [what] is this?"
    with translation.override("en-gb"):
        assert told("wait 12 seconds") == "wait 12 seconds"


def test_a_sentence_that_somebody_fills_in_fills_nothing_in_further():
    with translation.override("de"):
        assert (
            told("there is no such report (nearest: %(near)s %s)")
            == "diesen Bericht gibt es nicht (am nächsten: %(near)s %s)"
        )


@pytest.mark.usefixtures("ledger")
def test_a_page_is_refused_in_german_and_the_api_in_english():
    customer = world.customer()
    administrator: Caller = callers.administrator(customer)
    german = {"Accept-Language": "de"}
    page = administrator.client.get("/subscriptions/999/usage", headers=german).content.decode()
    assert "Diesen Vertrag gibt es nicht: sehen Sie in die Liste derer, die Sie sehen dürfen." in page
    answer = administrator.call("GET", "/subscriptions/999", **german)
    assert answer.json()["problems"][0]["rule"] == missing("subscription").problems[0].rule
    asked = {"email": "operator@example.org", "role": "viewer"}
    callers.user("operator")
    path = f"/customers/{customer.pk}/people"
    said = administrator.client.post(path, asked, headers={**german, **administrator.headers}).content.decode()
    assert "Diese Adresse kann nicht verwendet werden: " in said
