"""Requests to Canvas: the table `web_logs` of Canvas Data 2, and `requests` of Canvas Data 1, as CSV or JSON.

The vocabulary is asked for the controller and the action, `wiki_pages#show`. A request that failed is no access,
whatever was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rollbook.intake.batches import Refused
from rollbook.intake.producers.json_parts import ShapeError, attributes, moment, part, word
from rollbook.intake.producers.producer import CSV, Convert, Producer, Reading, Row
from rollbook.intake.vocabulary import Vocabulary
from rollbook.model.fact import is_status

FAILED = "request.failed"
FIRST_FAILURE = 400
"""The first status of HTTP that says that a request failed."""

_CONTROLLER, _ACTION, _MISSPELT = "web_application_controller", "web_application_action", "web_applicaiton_action"
_NULLS = ("", "\\N", "NULL", "null", "None")
_STATUS = re.compile(r"[1-5]\d\d")
_PARTS = ("key", "value")
"""Where the Data Access Platform puts columns: `key.id`, `value.timestamp`, in JSON as objects."""


class CanvasAccess(Producer):
    """Rows of the log of requests, in one of the formats."""

    name = "canvas-access"
    title = "Canvas access logs"

    def __init__(self, kind: str = CSV) -> None:
        self.kind = kind

    def recognises(self, sample: Mapping[str, Any]) -> bool:
        """Whether the sample has a time, a controller and an action, by themselves or as values of a key."""
        columns = {str(name).strip().removeprefix("value.") for name in _flat(sample)}
        return {"timestamp", _CONTROLLER} <= columns and bool({_ACTION, _MISSPELT} & columns)

    def converter(self, reading: Reading) -> Convert:
        """What makes one fact of each request."""
        vocabulary = reading.vocabulary

        def convert(row: Mapping[str, Any]) -> tuple[Row | Refused]:
            try:
                return (_fact(_columns(row), vocabulary),)
            except ShapeError as error:
                return (error.refused,)

        return convert


def _flat(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with the columns of its key and its value beside each other."""
    if not all(isinstance(row.get(name), dict) for name in _PARTS):
        return row
    return {**part(row, "key"), **part(row, "value")}


def _columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns by the names of the table; what stands for nothing is absent."""
    found = {}
    for name, value in _flat(row).items():
        if not (isinstance(value, str) and value.strip() in _NULLS):
            found[name.strip().removeprefix("key.").removeprefix("value.")] = value
    return found


def _fact(row: Mapping[str, Any], vocabulary: Vocabulary) -> Row | Refused:
    controller, action = word(row, _CONTROLLER), word(row, _ACTION) or word(row, _MISSPELT)
    status = word(row, "http_status")
    if status and not _STATUS.fullmatch(status):
        return Refused(f"http_status is {status[:20]}, which is no status", "export the table as it is")
    event = f"{controller}#{action}" if controller else ""
    failed = bool(status) and int(status) >= FIRST_FAILURE
    meaning = vocabulary[FAILED if failed else event or "request"]
    learner, real = word(row, "user_id"), word(row, "real_user_id")
    if is_status(meaning.type):
        rule = f"{event} is said to be {meaning.type}, and a request does not say whose"
        return Refused(rule, "take it out of the vocabulary; live events say it")
    return {
        "id": word(row, "id"),
        "occurred_at": moment(row, "timestamp"),
        "organisation": word(row, "root_account_id"),
        "learner": learner,
        "type": meaning.type,
        "role": meaning.role if learner else "system",
        "mode": meaning.mode,
        "object": word(row, "course_id"),
        "source": CanvasAccess.name,
        "impersonator": real if learner and real != learner else "",
        "session": word(row, "session_id"),
        "attributes": attributes(
            request=event if event != meaning.type else "",
            status=status,
            method=word(row, "http_method"),
        ),
    }
