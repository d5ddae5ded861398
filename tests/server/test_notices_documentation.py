"""docs/server/messages.md says of every event what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollbook.server.notices import delivery, mail, webhooks
from rollbook.server.notices.events import ADMINISTRATORS, COMMON, CUSTOMER, ENDPOINT, EVENTS, NOBODY, OPERATORS, VENDOR

TEXT = (Path(__file__).parents[2] / "docs/server/messages.md").read_text()
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)

WEBHOOKS = {
    CUSTOMER: "the customer's and the vendor's",
    VENDOR: "the vendor's",
    ENDPOINT: "the one that is tried out",
}
MAIL = {
    ADMINISTRATORS: "the customer's administrators",
    OPERATORS: "the vendor's operators",
    NOBODY: "nobody",
}


def section(event: str) -> str:
    return TEXT.split(f"\n### `{event}`\n")[1].split("\n### ")[0]


def test_the_events_are_those_of_the_code_in_its_order() -> None:
    assert re.findall(r"^### `([a-z.-]+)`$", TEXT, re.MULTILINE) == list(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_described_as_it_is(event: str) -> None:
    kind, said = EVENTS[event], section(event)
    assert kind.says in said
    mail = "the address it was ordered for" if event == "report.sent" else MAIL[kind.mail]
    assert f"Webhooks: {WEBHOOKS[kind.audience]}. Mail: {mail}." in said
    assert ROW.findall(said) == list(kind.data.items())


def test_what_all_say_is_described_as_it_is() -> None:
    said = TEXT.split("\n## Events\n")[1].split("\n### ")[0]
    assert ROW.findall(said) == list(COMMON.items())


def test_the_times_and_bounds_are_those_of_the_code() -> None:
    assert delivery.RETRIES_SECONDS == (5, 30, 2 * 60, 10 * 60, 3600, 6 * 3600, 86_400, 86_400)
    assert "5 seconds, 30 seconds, 2 minutes, 10 minutes, 1 hour, 6 hours, 1 day and\n  1 more day" in TEXT
    assert f"within {webhooks.SECONDS_MAX:.0f} seconds" in TEXT
    assert f"more than {mail.ATTACHMENT_BYTES_MAX // 2**20} MiB" in TEXT


def test_every_event_has_its_words() -> None:
    folder = Path(mail.__file__).parents[1] / "templates/mail/words"
    mailed = {name for name, it in EVENTS.items() if it.audience != ENDPOINT}
    assert {it.stem for it in folder.iterdir()} == mailed
