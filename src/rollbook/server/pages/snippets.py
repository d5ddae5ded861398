"""What is copied into a platform, or typed where it runs, so that its facts come here; with address and key."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from rollbook.model.instants import from_us

SOURCE = "lms"
"""What a platform is called in examples; ids are unique within it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of platform, and the document and heading that say more."""

    name: str
    title: str
    words: Any
    document: str
    heading: str = ""


KINDS = (
    Kind(
        "moodle",
        "Moodle",
        gettext_lazy("Its plugin “Logstore xAPI” forwards what happens. Nothing is installed here."),
        "server/ingest",
        "xapi",
    ),
    Kind(
        "open-edx",
        "Open edX",
        gettext_lazy("A small program reads new lines of tracking.log, every few minutes."),
        "server/senders",
        "open-edx",
    ),
    Kind(
        "xapi", "xAPI", gettext_lazy("Any forwarder or authoring tool that writes to an LRS."), "server/ingest", "xapi"
    ),
    Kind("cloudevents", "CloudEvents", gettext_lazy("An event bus or a webhook."), "server/ingest", "cloudevents"),
    Kind("caliper", "Caliper", gettext_lazy("A sensor such as that of Canvas."), "server/ingest", "caliper"),
    Kind(
        "curl", "curl", gettext_lazy("Your own platform, in any language: facts over HTTP."), "server/ingest", "facts"
    ),
    Kind(
        "python",
        "Python",
        gettext_lazy("Your own platform in Python, with a client that loses nothing."),
        "server/client",
    ),
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text to copy, and where it goes."""

    id: str
    label: str
    text: str


def snippets(kind: Kind, url: str, key: str, basic: tuple[str, str], organisation: str, now_us: int) -> list[Snippet]:
    """What is to be copied for a kind. `basic` is the key as user and password, or two '' where there is none yet."""
    at = f"{from_us(now_us):%Y-%m-%dT%H:%M:%SZ}"
    texts = _TEXTS[kind.name](url, key, basic if basic[0] else ("…", "…"), organisation, at)
    return [Snippet(f"copy-{number}", label, text) for number, (label, text) in enumerate(texts, 1)]


Texts = list[tuple[str, str]]


def _moodle(url: str, _: str, basic: tuple[str, str], *__: str) -> Texts:
    return [
        (gettext("LRS endpoint (Site administration, Plugins, Logging, Logstore xAPI)"), f"{url}/v1/xapi"),
        (gettext("LRS basic auth key or username"), basic[0]),
        (gettext("LRS basic auth secret or password"), basic[1]),
    ]


def _open_edx(url: str, key: str, _: tuple[str, str], organisation: str, __: str) -> Texts:
    variables = {
        "ROLLBOOK_URL": url,
        "ROLLBOOK_KEY": key,
        "ROLLBOOK_SOURCE": "open-edx",
        "ROLLBOOK_ORGANISATION": organisation,
        "ROLLBOOK_SPOOL": "/var/spool/rollbook",
    }
    lines = "\n".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    return [
        (
            gettext("Once, where Open edX runs"),
            'python3 -m venv /opt/rollbook\n/opt/rollbook/bin/pip install "rollbook[client]"',
        ),
        (gettext("/etc/rollbook-edx.env, readable by the program's user alone"), lines),
        (
            gettext("Every five minutes, with open_edx.py from examples/senders"),
            "set -a; . /etc/rollbook-edx.env; /opt/rollbook/bin/python open_edx.py /edx/var/log/tracking/tracking.log",
        ),
    ]


def _xapi(url: str, key: str, basic: tuple[str, str], __: str, at: str) -> Texts:
    statement = {
        "timestamp": at,
        "actor": {"account": {"homePage": "https://lms.example.org", "name": "test-learner"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/initialized"},
        "object": {
            "id": "https://lms.example.org/courses/7",
            "definition": {"type": "http://adlnet.gov/expapi/activities/course"},
        },
    }
    return [
        (gettext("LRS endpoint"), f"{url}/v1/xapi"),
        (gettext("User"), basic[0]),
        (gettext("Password"), basic[1]),
        (
            gettext("A first statement, in a shell"),
            _call(url, "xapi/statements", key, "application/json", statement, ("X-Experience-API-Version: 1.0.3",)),
        ),
    ]


def _cloudevents(url: str, key: str, _: tuple[str, str], organisation: str, at: str) -> Texts:
    event = {
        "specversion": "1.0",
        "id": f"first-{at}",
        "source": "https://lms.example.org",
        "type": "login",
        "time": at,
        "subject": "test-learner",
        "data": {"organisation": organisation},
    }
    return [
        (gettext("Address for your event bus"), f"{url}/v1/cloudevents"),
        (gettext("Header of each call"), f"Authorization: Bearer {key}"),
        (gettext("A first event, in a shell"), _call(url, "cloudevents", key, "application/cloudevents+json", event)),
    ]


def _caliper(url: str, key: str, _: tuple[str, str], __: str, at: str) -> Texts:
    context = "http://purl.imsglobal.org/ctx/caliper/v1p2"
    envelope = {
        "sensor": "https://lms.example.org/sensors/1",
        "sendTime": at,
        "dataVersion": context,
        "data": [
            {
                "@context": context,
                "type": "SessionEvent",
                "action": "LoggedIn",
                "id": f"urn:rollbook:first-{at}",
                "eventTime": at,
                "actor": {"id": "https://lms.example.org/users/test-learner", "type": "Person"},
                "object": {"id": "https://lms.example.org", "type": "SoftwareApplication"},
            }
        ],
    }
    return [
        (gettext("Address of the sensor's endpoint"), f"{url}/v1/caliper"),
        (gettext("API key, or bearer token"), key),
        (gettext("A first envelope, in a shell"), _call(url, "caliper", key, "application/json", envelope)),
    ]


def _curl(url: str, key: str, _: tuple[str, str], organisation: str, at: str) -> Texts:
    return [
        (
            gettext("A first fact, in a shell"),
            _call(url, "facts", key, "application/json", [_fact(organisation, at)]),
        )
    ]


def _python(url: str, key: str, _: tuple[str, str], organisation: str, at: str) -> Texts:
    fact = json.dumps(_fact(organisation, at))
    program = f"""from rollbook.client import Client

with Client({url!r}, {key!r}, spool="rollbook-spool") as client:
    receipt = client.send([{fact}])
    print(receipt)
"""
    return [
        (gettext("Once"), 'pip install "rollbook[client]"'),
        (gettext("A first fact, from Python"), program),
    ]


def _fact(organisation: str, at: str) -> dict[str, str]:
    return {
        "id": f"first-{at}",
        "source": SOURCE,
        "occurred_at": at,
        "organisation": organisation,
        "learner": "test-learner",
        "type": "login",
    }


def _call(url: str, path: str, key: str, typed: str, body: object, headers: tuple[str, ...] = ()) -> str:
    """One call for any POSIX shell."""
    lines = [
        f"curl {url}/v1/{path}",
        *(f"-H {shlex.quote(it)}" for it in (f"Authorization: Bearer {key}", f"Content-Type: {typed}", *headers)),
        f"-d {shlex.quote(json.dumps(body))}",
    ]
    return " \\\n  ".join(lines)


_TEXTS: dict[str, Callable[[str, str, tuple[str, str], str, str], Texts]] = {
    "moodle": _moodle,
    "open-edx": _open_edx,
    "xapi": _xapi,
    "cloudevents": _cloudevents,
    "caliper": _caliper,
    "curl": _curl,
    "python": _python,
}
