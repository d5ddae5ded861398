"""The commands of a server, run as people run them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rollbook.cli import first_hour
from rollbook.server import configuration
from rollbook.server.access import principals
from tests import server_settings
from tests.server.operated import START_SECONDS, Operated, free_port


@pytest.fixture
def operated(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Operated]:
    """A database with nothing in it, not even tables."""
    if server_settings.KIND == "postgresql":
        yield Operated(tmp_path, request.getfixturevalue("postgres_url"))
    else:
        yield Operated(tmp_path, f"sqlite:///{tmp_path}/rollbook.db")


@pytest.fixture
def migrated(operated: Operated) -> Operated:
    operated.done("migrate")
    return operated


def test_secrets_are_long_different_each_time_and_accepted_as_they_are_printed(operated: Operated) -> None:
    first, second = operated.done("server-secrets"), operated.done("server-secrets")
    assert first != second
    made = dict(line.split("=", 1) for line in first.splitlines())
    assert all(len(value) == 64 and re.fullmatch(r"[A-Za-z0-9_-]+", value) for value in made.values())
    # 48 random bytes as base64 are 64 characters; configuration raises for what it cannot use.
    assert configuration.configuration(made)["ROLLBOOK_SECRET_KEY"] == made["ROLLBOOK_SECRET_KEY"]


def test_what_is_wrong_with_the_environment_is_told_in_words_and_all_at_once(operated: Operated) -> None:
    operated.more = {"ROLLBOOK_SECRET_KEY": "", "ROLLBOOK_DIGEST_KEY": "short", "ROLLBOOK_TLS": "perhaps"}
    ran = operated.call("migrate")
    assert ran.returncode == 2
    assert "rollbook server-secrets" in ran.stderr
    assert "ROLLBOOK_DIGEST_KEY: it is shorter than 32" in ran.stderr
    assert 'ROLLBOOK_TLS: it is "perhaps"' in ran.stderr
    assert "Traceback" not in ran.stderr


def test_counting_files_loads_nothing_of_the_server() -> None:
    code = (
        "import sys, rollbook.cli; print([n for n in ('django', 'granian', 'ninja', 'structlog') if n in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("command", ["serve", "worker", "migrate", "recount", "server-secrets"])
def test_without_its_libraries_a_command_says_what_to_install(command: str) -> None:
    code = f"import sys; sys.modules['django'] = None; sys.argv = ['rollbook', {command!r}]; import rollbook.cli as c; c.main()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert 'pip install "rollbook[server]"' in ran.stderr


def test_migrations_may_be_started_several_times_at_once(operated: Operated) -> None:
    running = [operated.start("migrate") for _ in range(3)]
    said = [process.communicate(timeout=180) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    # One of them did the work; the others waited and found nothing to do.
    assert sorted("No migrations to apply" in out for out, _ in said) == [False, True, True]


def test_a_command_over_an_empty_database_says_to_migrate(operated: Operated) -> None:
    ran = operated.call("recount")
    assert ran.returncode == 2
    assert "rollbook migrate" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_new_server_gets_its_operator_and_its_first_key_from_the_command_line(migrated: Operated) -> None:
    link = migrated.done("add-operator", "olga@example.org").strip()
    assert re.fullmatch(r"http://localhost:8000/password/\S+", link)
    key = migrated.done("add-key", "setup", "--scope", "manage", "--scope", "usage:read").strip()
    assert re.fullmatch(r"rbk_[a-z0-9]{10}_[A-Za-z0-9_-]{43}", key)
    with migrated.serving() as server:
        headers = {"Authorization": f"Bearer {key}"}
        made = httpx.post(f"{server.url}/v1/customers", headers=headers, json={"name": "Northern"}, timeout=30)
        assert made.status_code == 201, made.text
    # A key of a customer reaches that customer, and manages nothing.
    assert migrated.done("add-key", "LMS", "--scope", "facts:write", "--customer", "Northern").startswith("rbk_")
    refused = migrated.call("add-key", "LMS", "--scope", "manage", "--customer", "Northern")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--scope: manage is for keys of no customer" in refused.stderr
    refused = migrated.call("add-key", "LMS", "--scope", "fact:write", "--customer", "Northern")
    assert refused.returncode == 2
    assert "nearest: facts:write" in refused.stderr
    refused = migrated.call("add-key", "LMS", "--scope", "facts:write", "--customer", "Nothern")
    assert "nearest: Northern" in refused.stderr


def test_another_digest_key_is_told_everywhere_before_it_makes_somebody_new_of_everybody(migrated: Operated) -> None:
    rightly = dict(migrated.more)
    migrated.done("recount")
    migrated.more = {"ROLLBOOK_DIGEST_KEY": "another-key-than-that-of-this-database"}
    for command in ("recount", "serve", "worker", "migrate"):
        ran = migrated.call(command)
        assert ran.returncode == 2, command
        assert "ROLLBOOK_DIGEST_KEY: it is not the key with which this database was begun" in ran.stderr
    migrated.more = rightly
    migrated.done("recount")


def test_serve_says_when_nobody_could_call_it_without_https(operated: Operated) -> None:
    operated.more = {"ROLLBOOK_TLS": "true"}
    with operated.serving() as server:
        answer = httpx.post(f"{server.url}/v1/facts", json=[])
        assert (answer.status_code, answer.headers["Upgrade"]) == (426, "TLS/1.2")
        assert answer.json()["problems"][0]["code"] == "tls-required"
    # Nothing says under which address it is known: then it is the port on which it listens.
    own = f"http://localhost:{server.url.rpartition(':')[2]}"
    assert f"ROLLBOOK_TLS is true and ROLLBOOK_BASE_URL is {own}" in server.log.read_text()
    operated.more = {"ROLLBOOK_TLS": "true", "ROLLBOOK_BASE_URL": "https://rollbook.example.org"}
    with operated.serving() as server:
        pass
    assert "ROLLBOOK_TLS" not in server.log.read_text()


@pytest.mark.skipif(server_settings.KIND == "postgresql", reason="about files of SQLite")
def test_files_are_their_owners_alone_whatever_the_umask(operated: Operated) -> None:
    before = os.umask(0)
    try:
        operated.done("migrate")
        with operated.serving() as server:
            assert httpx.get(f"{server.url}/readyz?worker=ignore").status_code == 200
            modes = {path.name: path.stat().st_mode & 0o777 for path in operated.folder.glob("rollbook.db*")}
    finally:
        os.umask(before)
    assert "rollbook.db" in modes  # what SQLite puts beside it has its permissions
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.skipif(server_settings.KIND == "postgresql", reason="about files of SQLite")
def test_a_backup_of_no_database_asks_for_its_address(operated: Operated) -> None:
    ran = operated.call("backup", str(operated.folder / "x"))
    assert ran.returncode == 2
    assert "is DATABASE_URL set" in ran.stderr
    assert not list(operated.folder.glob("rollbook.db*"))


def test_the_scopes_in_the_help_are_those_of_the_server() -> None:
    assert tuple(principals.SCOPES) == first_hour.SCOPES


@pytest.mark.parametrize("ended_by", ["whoever started it", "Ctrl-C in a terminal"])
def test_requests_under_way_are_answered_before_the_server_ends(operated: Operated, ended_by: str) -> None:
    port = free_port()
    code = f"from rollbook.server.operation.serving import serve; serve('127.0.0.1', {port}, 2, 2, 'json', 'tests.server.slow:application')"
    script = operated.folder / "serve_slowly.py"
    script.write_text(f"if __name__ == '__main__':\n    {code}\n")
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**operated.environment, "PYTHONPATH": root},
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as server:
        _wait(f"http://127.0.0.1:{port}/healthz")
        answers: list[int] = []
        calls = [
            threading.Thread(
                target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{port}/slow", timeout=30).status_code)
            )
            for _ in range(3)
        ]
        for call in calls:
            call.start()
        time.sleep(0.7)
        if ended_by == "whoever started it":
            server.send_signal(signal.SIGTERM)
        else:
            os.killpg(server.pid, signal.SIGINT)
        for call in calls:
            call.join()
        assert answers == [200, 200, 200]
        assert server.wait(START_SECONDS) == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/slow", timeout=5)


def test_ctrl_c_in_a_terminal_ends_every_process_at_once(migrated: Operated) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "rollbook.cli", "serve", "--port", str(port), "--workers", "6"],
        cwd=migrated.folder,
        env=migrated.environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as server:
        assert server.stderr
        said = ""
        while said.count("Started worker") < 6:  # before that, whatever ends them ends them
            line = server.stderr.readline()
            assert line, said
            said += line
        time.sleep(1)  # one that is told while it begins may not have heard
        os.killpg(server.pid, signal.SIGINT)
        # Whoever does not end is killed after a minute, and that is told.
        said += server.communicate(timeout=2 * START_SECONDS)[1]
    assert server.returncode == 0
    assert "refused to gracefully stop" not in said
    assert "Traceback" not in said


def _wait(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            assert httpx.get(url, timeout=5).status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return


def test_a_worker_ends_when_it_is_told_to_and_gave_a_sign_of_life(migrated: Operated) -> None:
    with migrated.start("worker") as worker, migrated.serving() as server:
        until = time.monotonic() + START_SECONDS
        while (answer := httpx.get(f"{server.url}/readyz")).status_code != 200:
            assert time.monotonic() < until, answer.text
            time.sleep(0.2)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(START_SECONDS) == 0


def test_a_port_that_is_taken_is_told_in_words(operated: Operated) -> None:
    with operated.serving() as first:
        port = first.url.rpartition(":")[2]
        ran = operated.call("serve", "--port", port)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
    assert port in ran.stderr


def test_a_demo_keeps_everything_in_one_folder_for_its_owner_and_stops_with_ctrl_c(tmp_path: Path) -> None:
    operated = Operated(tmp_path, "")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ROLLBOOK_", "DATABASE_URL", "DJANGO_"))
    }
    first, second = (_demo(operated, environment) for _ in range(2))
    # Here is no terminal, and what is written may be kept: secrets stand in a file of their own.
    note = tmp_path / "rollbook-data" / "welcome.txt"
    assert f"Passwords and an API key stand in {note}" in first
    assert f"Passwords and API key stand in {note}" in second
    welcome = note.read_text()
    secrets = re.findall(r"@example\.org +(\S{20})\n|API key (rbk_\S{50,})\n", welcome)
    assert len(secrets) == 3
    assert not [it for pair in secrets for it in pair if it and it in first + second]
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "rollbook-data").iterdir() if path.is_file()
    }
    assert modes["secrets.env"] == 0o600
    assert all(mode == 0o600 for mode in modes.values()), modes
    assert (tmp_path / "rollbook-data").stat().st_mode & 0o777 == 0o700


def _demo(operated: Operated, environment: dict[str, str]) -> str:
    port = free_port()
    log = operated.folder / f"demo-{port}.log"
    with log.open("w") as written:
        running = subprocess.Popen(
            [sys.executable, "-m", "rollbook.cli", "serve", "--demo", "--port", str(port)],
            cwd=operated.folder,
            env=environment,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 3 * START_SECONDS
        while f"Rollbook runs at http://localhost:{port}" not in log.read_text():
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        ready = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30)
        assert ready.status_code == 200, ready.text
    finally:
        # As a terminal does: to everything that it started, and to nothing else.
        os.killpg(running.pid, signal.SIGINT)
        running.wait(3 * START_SECONDS)
    said = log.read_text()
    assert "Traceback" not in said, said
    until = time.monotonic() + START_SECONDS
    while _left_of(running.pid):
        assert time.monotonic() < until, _left_of(running.pid)
        time.sleep(0.2)
    return said


def _left_of(group: int) -> list[str]:
    """Processes of a group that still run; those that ended and wait for their parent do not."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(") ")
        except OSError:
            continue
        state, _, process_group, *_ = rest.split()
        if int(process_group) == group and state != "Z":
            found.append(name)
    return found
