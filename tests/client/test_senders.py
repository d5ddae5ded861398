"""The example senders, run as they stand, against real databases, files and servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.client.receiver import KEY, Planned, Receiver, receiving

SENDERS = Path(__file__).parents[2] / "examples" / "senders"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def run(receiver: Receiver, folder: Path, *command: str, **more: str) -> str:
    environment = {"ROLLBOOK_URL": receiver.url, "ROLLBOOK_KEY": KEY, "ROLLBOOK_SPOOL": str(folder / "spool")}
    done = subprocess.run(
        command,
        env={**os.environ, **environment, "ROLLBOOK_SOURCE": "site-1", **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_platform_of_your_own_sends_in_four_lines(receiver: Receiver, tmp_path: Path) -> None:
    run(receiver, tmp_path, sys.executable, str(SENDERS / "custom.py"))
    [fact] = receiver.facts.values()
    assert (fact["id"], fact["learner"], fact["type"]) == ("login-4711", "ana", "login")


def test_curl_sends_without_showing_the_key(receiver: Receiver, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        (pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip)("there is no curl: apt-get install curl")
    facts = tmp_path / "facts.ndjson"
    facts.write_text('{"id": "1", "type": "login"}\n{"id": "2", "type": "login"}\n')
    said = run(receiver, tmp_path, str(SENDERS / "custom.sh"), str(facts))
    assert json.loads(said)["new"] == 2
    assert receiver.keys == [f"Bearer {KEY}"]


COLUMNS = (
    "id bigint, eventname text, component text, action text, target text, objecttable text, objectid bigint, "
    "contextid bigint, userid bigint, courseid bigint, relateduserid bigint, anonymous smallint, other text, "
    "timecreated bigint, origin text, ip text, realuserid bigint"
)
FIRST = 1_772_442_000  # 2026-03-02T09:00:00Z


def _event(connection: psycopg.Connection[object], number: int, seconds: int, user: int = 7) -> None:
    connection.execute(
        "insert into mdl_logstore_standard_log values (%s, %s, 'core', 'loggedin', 'user', 'user', %s, 1, %s, 0, null, 0,"
        " 'N;', %s, 'web', '192.0.2.1', null)",
        [number, r"\core\event\user_loggedin", user, user, seconds],
    )
    connection.commit()


def test_moodle_sends_what_is_new_and_what_became_visible_late(
    receiver: Receiver, tmp_path: Path, postgres_url: str
) -> None:
    command = (sys.executable, str(SENDERS / "moodle.py"))
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"create table mdl_logstore_standard_log ({COLUMNS})")
        _event(connection, 1, FIRST)
        _event(connection, 3, FIRST + 60)
        run(receiver, tmp_path, *command, MOODLE_DATABASE=postgres_url, ROLLBOOK_ORGANISATION="north")
        assert len(receiver.facts) == 2
        # Number 2 was committed after number 3 had been read; number 4 is new.
        _event(connection, 2, FIRST + 30)
        _event(connection, 4, FIRST + 90, user=8)
        run(receiver, tmp_path, *command, MOODLE_DATABASE=postgres_url, ROLLBOOK_ORGANISATION="north")
    assert sorted(str(fact["occurred_at"]) for fact in receiver.facts.values()) == [
        "2026-03-02T09:00:00Z",
        "2026-03-02T09:00:30Z",
        "2026-03-02T09:01:00Z",
        "2026-03-02T09:01:30Z",
    ]
    assert {(fact["source"], fact["organisation"], fact["type"]) for fact in receiver.facts.values()} == {
        ("site-1", "north", "login")
    }


def test_moodle_keeps_what_it_read_while_the_server_is_away(
    receiver: Receiver, tmp_path: Path, postgres_url: str
) -> None:
    command = (sys.executable, str(SENDERS / "moodle.py"))
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"create table mdl_logstore_standard_log ({COLUMNS})")
        _event(connection, 1, FIRST)
        # A server that asks for an hour's patience counts as away at once.
        receiver.planned.extend([Planned(503, headers={"retry-after": "3600"})] * 3)
        assert "1 facts wait" in run(receiver, tmp_path, *command, MOODLE_DATABASE=postgres_url)
        receiver.planned.clear()
        connection.execute("delete from mdl_logstore_standard_log")
        connection.commit()
        assert "0 facts wait" in run(receiver, tmp_path, *command, MOODLE_DATABASE=postgres_url)
    assert len(receiver.facts) == 1


def _line(number: int) -> bytes:
    event = {
        "username": "ana",
        "event_type": "play_video",
        "event_source": "browser",
        "name": "play_video",
        "event": "{}",
        "time": f"2026-03-02T09:00:00.{number:06}+00:00",
        "context": {"user_id": 7, "course_id": "course-v1:a+b+c", "org_id": "a", "path": "/event"},
        "page": "https://example.org/",
        "referer": "",
        "session": "s",
        "agent": "",
        "ip": "192.0.2.1",
        "host": "example.org",
        "accept_language": "",
    }
    return json.dumps(event).encode() + b"\n"


def test_open_edx_goes_on_where_it_stopped_also_over_a_rotation(receiver: Receiver, tmp_path: Path) -> None:
    log = tmp_path / "tracking.log"
    command = (sys.executable, str(SENDERS / "open_edx.py"), str(log))
    # The last line is still being written.
    log.write_bytes(_line(1) + _line(2) + _line(3)[:40])
    run(receiver, tmp_path, *command)
    assert len(receiver.facts) == 2
    with log.open("ab") as file:
        file.write(_line(3)[40:] + _line(4))
    log.rename(tmp_path / "tracking.log-20260302")
    log.write_bytes(_line(5))
    run(receiver, tmp_path, *command)
    run(receiver, tmp_path, *command)
    instants = sorted(str(fact["occurred_at"]) for fact in receiver.facts.values())
    assert instants == [f"2026-03-02T09:00:00.00000{number}Z" for number in range(1, 6)]
    # Nothing was read twice.
    assert sum(map(len, receiver.batches)) == 5
