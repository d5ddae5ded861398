"""What a statement must be, by the tables of xAPI 1.0.3 part two; and whatever is sent, the server stands."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollbook.server.api.xapi_statement import StatementError, check_statement

from .forwarders import code, sender, stored
from .test_facts_api_hostile import ANYTHING
from .test_xapi_api import ID, STATEMENT, VERSION
from .world import customer

ACTIVITY = {"id": "https://lms.example.org/courses/7"}
AGENT = {"mbox": "mailto:ana@example.org"}
GROUP = {"objectType": "Group", "name": "team", "member": [AGENT]}
REFERENCE = {"objectType": "StatementRef", "id": ID}
SUB = {"objectType": "SubStatement", "actor": AGENT, "verb": {"id": "http://a/b"}, "object": ACTIVITY}
FULL: dict[str, Any] = STATEMENT | {
    "result": {
        "score": {"scaled": 0.5, "raw": 5, "min": 0, "max": 10},
        "success": True,
        "completion": False,
        "response": "a long essay " * 1000,
        "duration": "PT1H30M5.5S",
        "extensions": {"http://example.com/x": None},
    },
    "context": {
        "registration": ID.upper(),
        "instructor": AGENT,
        "team": GROUP,
        "contextActivities": {"parent": [ACTIVITY], "grouping": ACTIVITY, "category": [], "other": [ACTIVITY]},
        "revision": "1",
        "platform": "LMS",
        "language": "en-US",
        "statement": REFERENCE,
        "extensions": {"http://example.com/x": {"a": [None, 1]}},
    },
    "stored": "2026-03-01T09:00:00.123456789+00:00",
    "authority": {"objectType": "Group", "member": [AGENT, AGENT]},
    "version": "1.0.0",
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The full statement with one part replaced; a value of ... takes it out."""
    statement = deepcopy(FULL)
    *above, last = path.split(".")
    part = statement
    for name in above:
        part = part[name]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return statement


@pytest.mark.parametrize(
    "statement",
    [
        FULL,
        STATEMENT,
        changed("actor", {"mbox_sha1sum": "EBD31E95054C018B10727CCFFD2EF2EC3A016EE9"}),
        changed("actor", {"openid": "https://ana.example.org"}),
        changed("actor", GROUP),
        changed("actor", {"objectType": "Group", **AGENT}),
        STATEMENT | {"object": AGENT | {"objectType": "Agent"}},
        STATEMENT | {"object": GROUP},
        STATEMENT | {"object": REFERENCE},
        STATEMENT | {"object": SUB},
        changed("version", "2.0.0"),
        changed("result.duration", "P3W"),
        changed("timestamp", "2026-03-01T09:00:00+0130"),
        changed("context.contextAgents", [{"objectType": "contextAgent", "agent": AGENT, "relevantTypes": ["http://a/b"]}]),
        changed("context.contextGroups", [{"objectType": "contextGroup", "group": GROUP}]),
        changed("object.definition", {"interactionType": "choice", "choices": [{"id": "a", "description": {"en": "A"}}]}),
        changed("object", ACTIVITY | {"objectType": "GroupActivity"}),  # Open edX
        changed("object.definition", {"extensions": {"http://h5p.org/x-api/h5p-local-content-id": 7}}),
    ],
)  # fmt: skip
def test_statements_as_the_specification_has_them_are_taken(statement: dict[str, Any]) -> None:
    check_statement(statement)


@pytest.mark.parametrize(
    ("path", "value", "place", "rule"),
    [
        ("actor", ..., "actor", "it is missing"),
        ("actor", None, "actor", "it is no object"),
        ("actor", {}, "actor", "exactly one of"),
        ("actor", {"name": "Ana"}, "actor", "exactly one of"),
        ("actor", AGENT | {"openid": "https://a/b"}, "actor", "exactly one of"),
        ("actor", {"mbox": "ana@example.org"}, "actor.mbox", "no address mailto"),
        ("actor", {"mbox": "mailto:ana"}, "actor.mbox", "no address mailto"),
        ("actor", {"mbox_sha1sum": "abc"}, "actor.mbox_sha1sum", "no SHA-1"),
        ("actor", {"openid": "ana"}, "actor.openid", "no IRI"),
        ("actor", {"account": {"name": "ana"}}, "actor.account.homePage", "it is missing"),
        ("actor", {"account": {"homePage": "x", "name": "ana"}}, "actor.account.homePage", "no IRI"),
        ("actor", {"account": {"homePage": "http://a", "name": 7}}, "actor.account.name", "no text"),
        ("actor", AGENT | {"Name": "Ana"}, "actor", "a property that xAPI does not know"),
        ("actor", AGENT | {"member": [AGENT]}, "actor", "a property that xAPI does not know"),
        ("actor", AGENT | {"objectType": "agent"}, "actor.objectType", "none of Agent"),
        ("actor", {"objectType": "Group"}, "actor", "one identifier, or members"),
        ("actor", {"objectType": "Group", "member": []}, "actor", "one identifier, or members"),
        ("actor", {"objectType": "Group", "member": [GROUP]}, "actor.member[0].objectType", "none of Agent"),
        ("verb", "initialized", "verb", "it is no object"),
        ("verb", {}, "verb.id", "it is missing"),
        ("verb", {"id": "initialized"}, "verb.id", "no IRI"),
        ("verb", {"id": "http://a/b", "display": {"en_US": "x"}}, "verb.display", "no language tag"),
        ("verb", {"id": "http://a/b", "display": {"en": 7}}, "verb.display", "no text"),
        ("object", ..., "object", "it is missing"),
        ("object", {"objectType": "Thing", "id": "http://a"}, "object.objectType", "none of Activity"),
        ("object", {"objectType": ["Activity"]}, "object.objectType", "none of Activity"),
        ("object", {"id": 7}, "object.id", "no IRI"),
        ("object", {"objectType": "StatementRef", "id": "7"}, "object.id", "no UUID"),
        ("object", SUB | {"object": SUB}, "object.object.objectType", "none of Activity"),
        ("object", SUB | {"id": ID}, "object", "does not know"),
        ("object.definition", {"type": "course"}, "object.definition.type", "no IRI"),
        ("object.definition", {"interactionType": "guess"}, "object.definition.interactionType", "none of true-false"),
        ("object.definition", {"extensions": {"x": 1}}, "object.definition.extensions", "no IRI"),
        ("id", "7", "id", "no UUID"),
        ("id", None, "id", "no UUID"),
        ("timestamp", "2026-03-01T09:00:00", "timestamp", "no time with an offset"),
        ("timestamp", "2026-03-01T09:00:00-00:00", "timestamp", "no time with an offset"),
        ("timestamp", "2026-03-01", "timestamp", "no time with an offset"),
        ("timestamp", 7, "timestamp", "no time with an offset"),
        ("version", "0.95", "version", "not 1.0.x"),
        ("authority", GROUP, "authority", "two members"),
        ("result", {"success": "true"}, "result.success", "neither true nor false"),
        ("result", {"score": {"scaled": 1.1}}, "result.score.scaled", "between -1 and 1"),
        ("result", {"score": {"raw": 11, "max": 10}}, "result.score.raw", "between min and max"),
        ("result", {"score": {"min": 2, "max": 1}}, "result.score.min", "above max"),
        ("result", {"score": {"raw": True}}, "result.score.raw", "no number"),
        ("result", {"duration": "1 hour"}, "result.duration", "no ISO 8601 duration"),
        ("result", {"duration": "P"}, "result.duration", "no ISO 8601 duration"),
        ("result", {"duration": "PT"}, "result.duration", "no ISO 8601 duration"),
        ("context", {"registration": "7"}, "context.registration", "no UUID"),
        ("context", {"team": AGENT}, "context.team.objectType", "it is missing"),
        ("context", {"contextActivities": {"parents": []}}, "context.contextActivities", "does not know"),
        ("context", {"contextActivities": {"parent": [{}]}}, "context.contextActivities.parent[0].id", "missing"),
        ("context", {"extensions": {"key": 1}}, "context.extensions", "no IRI"),
        ("attachments", [{}], "attachments[0].usageType", "it is missing"),
        ("attachments", {}, "attachments", "it is no list"),
        ("comment", "hello", "", "a property that xAPI does not know"),
    ],
)
def test_statements_that_break_the_specification_are_told_where(path: str, value: Any, place: str, rule: str) -> None:
    with pytest.raises(StatementError) as caught:
        check_statement(changed(path, value))
    assert caught.value.place == place
    assert rule in caught.value.rule


@pytest.mark.parametrize("name", ["revision", "platform"])
def test_some_context_belongs_to_activities_only(name: str) -> None:
    with pytest.raises(StatementError, match="about activities only"):
        check_statement(STATEMENT | {"object": AGENT | {"objectType": "Agent"}, "context": {name: "x"}})


def test_what_is_wrong_repeats_nothing_of_a_statement() -> None:
    for path, value in (
        ("actor", {"mbox": "secret@example.org"}),
        ("actor", AGENT | {"secret": 1}),
        ("context", {"extensions": {"secret": 1}}),
    ):
        with pytest.raises(StatementError) as caught:
            check_statement(changed(path, value))
        assert "secret" not in f"{caught.value.place} {caught.value.rule}"


PARTS = st.fixed_dictionaries({}, optional={name: st.just(value) | ANYTHING for name, value in FULL.items()})


@pytest.mark.usefixtures("ledger")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(PARTS | st.just(FULL), max_size=3) | PARTS | ANYTHING, id_=st.uuids())
def test_whatever_json_is_sent_all_of_it_is_stored_or_nothing(live_server: Any, body: Any, id_: Any) -> None:
    north = customer()
    if isinstance(body, list) and body and isinstance(body[0], dict) and body[0].get("id") == ID:
        body = [{**body[0], "id": str(id_)}, *body[1:]]
    before = len(stored())
    with sender(live_server, north, **{VERSION: "1.0.3"}) as http:
        answer = http.post(
            "/v1/xapi/statements", content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
    if answer.status_code == 200:
        assert len(answer.json()) == (len(body) if isinstance(body, list) else 1)
        assert set(map(str.lower, answer.json())) <= set(stored())
    else:
        assert answer.status_code in (400, 409)
        assert code(answer)
        assert len(stored()) == before
