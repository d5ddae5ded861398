"""What docs/server/api.md and messages.md show is what the API is, and what a server answers that runs as people run it."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollbook.server.access.principals import SCOPES
from rollbook.server.api.app import api, declared

from .operated import Operated

DOCS = Path(__file__).parents[2] / "docs/server"
TEXT = (DOCS / "api.md").read_text()
ROW = re.compile(r"^\| `([A-Z]+) (/v1/[^`]*)` \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
EXAMPLE = re.compile(r"```sh\n(.*?)```\n\n```json\n(.*?)```", re.DOTALL)
RULE_NUMBER = re.compile(r"\b[A-Z]-\d{2}\b")
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a user made up for a test

MAKE = f"""
from rollbook.server.access import keys
from rollbook.server.access.principals import SCOPES
from rollbook.server.models import User
User.objects.create_user("olga@example.org", "olga@example.org", "{PASSWORD}", role="operator")
print(keys.make(name="docs", scopes=sorted(SCOPES), customer=None)[1])
"""


def test_the_table_has_every_address_with_what_it_needs():
    document = api.get_openapi_schema()
    mounted = {(method.upper(), path) for path, them in document["paths"].items() for method in them}
    needs = {(it["method"].upper(), it["path"]): it["needs"] or "nobody" for it in declared(api)}
    found = [(method, path, need.replace("`", "")) for method, path, need in ROW.findall(TEXT)]
    assert {(method, path): need for method, path, need in found} == {it: needs[it] for it in mounted}
    assert len(found) == len(mounted)


def test_every_scope_is_named_in_the_pages_about_them():
    security = (DOCS / "security.md").read_text()
    for scope in SCOPES:
        assert f"`{scope}`" in TEXT
        assert f"| `{scope}` |" in security
    assert "manage` is everything" not in security


def test_descriptions_of_the_api_carry_no_numbers_of_rules():
    assert RULE_NUMBER.findall(json.dumps(api.get_openapi_schema(), default=str)) == []


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Any, Any]]:
    """Of each example: what is called, what the page shows, and what is answered. Each goes on from those before."""
    folder = tmp_path_factory.mktemp("documented")
    made = Operated(folder, f"sqlite:///{folder}/rollbook.db")
    made.done("migrate")
    given = {"ROLLBOOK_KEY": made.python(MAKE), "ROLLBOOK_USER": "olga@example.org", "ROLLBOOK_PASSWORD": PASSWORD}
    found = []
    # The page's year is over some day: the year of three days ago has a second of January.
    year = str((datetime.now(UTC) - timedelta(days=3)).year)
    with made.serving() as server:
        given |= {"ROLLBOOK_URL": server.url, "JSON": "Content-Type: application/json"}
        for call, shown in EXAMPLE.findall(TEXT):
            ran = subprocess.run(
                ["/bin/bash", "-euo", "pipefail", "-c", call.replace("2026-", f"{year}-")],
                cwd=folder,
                env=made.environment | given,
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
            found.append((call, json.loads(shown), json.loads(ran.stdout)))
    return found


def test_every_example_is_answered_with_what_is_shown(answers):
    assert len(answers) == 13
    for call, shown, answer in answers:
        assert "problems" not in answer, (call, answer)
        if "subscriptions" in shown and not answer["subscriptions"]:
            continue  # in the first days of a year the term of the page is over, and nobody is asked
        assert shape(answer) == shape(shown), call


def test_the_key_that_is_shown_is_called_a_secret_and_the_subscription_is_on_hold(answers):
    said = {next(iter(it)): it for _, _, it in answers if isinstance(it, dict)}
    assert said["key"]["secret"].startswith("rbk_")
    added = next(it for _, _, it in answers if "closes_at_once" in it)
    assert (added["on_hold"], added["closes_at_once"], added["plan"]) == (True, 0, "campus")


def shape(value: Any) -> Any:
    """What a value is made of: the names of its fields, and of a list the shape of its first item."""
    if isinstance(value, dict):
        return {name: shape(it) for name, it in value.items() if name != "columns"}
    return [shape(it) for it in value[:1]] if isinstance(value, list) else ""
