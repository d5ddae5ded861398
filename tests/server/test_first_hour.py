"""What docs/server/operation.md tells an administrator to type is what works, on a machine where nothing is yet."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.server.operated import START_SECONDS, free_port

TEXT = (Path(__file__).parents[2] / "docs/server/operation.md").read_text()
HISTORY = "id,occurred_at,organisation,learner,type\nh1,2020-01-05T09:00:00Z,north,ana,login\n"


def _blocks(heading: str) -> list[str]:
    """The commands below a heading, block by block."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    # Steps of a list are further in by its number; a paragraph that goes on is no command.
    listed = re.findall(r"^\n((?: {7}.*\n)+)", section, re.MULTILINE) or re.findall(
        r"^\n((?: {4}.*\n)+)", section, re.MULTILINE
    )
    return [re.sub(r"^ {4}(?: {3})?", "", block, flags=re.MULTILINE) for block in listed]


class Shell:
    """One shell, as somebody types into it, with a home and a PATH that has Rollbook."""

    def __init__(self, home: Path, port: int) -> None:
        tools = home / "bin"
        tools.mkdir()
        script = tools / "rollbook"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rollbook.cli "$@"\n')
        script.chmod(0o755)
        kept = {it: os.environ[it] for it in os.environ if not it.startswith(("ROLLBOOK_", "DATABASE_", "DJANGO_"))}
        self.environment = kept | {"HOME": str(home), "PATH": f"{tools}:{os.environ['PATH']}"}
        self.home, self.port, self.typed = home, port, ""

    def _at_port(self, commands: str) -> str:
        return commands.replace("localhost:8000", f"localhost:{self.port}")

    def run(self, commands: str) -> str:
        """What commands print, after those that set variables and folders before them."""
        ran = subprocess.run(
            ["/bin/sh", "-ec", f"{self.typed}\n{self._at_port(commands)}"],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=3 * START_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, (commands, ran.stdout, ran.stderr)
        return ran.stdout

    def keep(self, commands: str) -> None:
        """From now on every command comes after these."""
        self.typed += f"{commands}\n"

    def start(self, command: str) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("a") as log:
            return subprocess.Popen(
                ["/bin/sh", "-ec", f"{self.typed}\nexec {command}"],
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=log,
            )


@pytest.mark.parametrize("heading", ["The first hour", "Backups"])
def test_there_are_commands_to_follow(heading: str) -> None:
    assert len(_blocks(heading)) >= 2
    assert all("rollbook" in block or "curl" in block for block in _blocks(heading))


def test_the_first_hour_works_as_it_is_written_and_so_does_a_backup(tmp_path: Path) -> None:
    shell = Shell(tmp_path, free_port())
    secrets, tables, servers, customer, history, agreed, fact = _blocks("The first hour")
    shell.run(secrets)
    shell.keep("\n".join(secrets.splitlines()[2:]))
    *made, key = tables.splitlines()
    link = shell.run("\n".join(made)).splitlines()[-1]
    assert link.startswith("http://localhost:8000/password/")
    shell.keep(f"SETUP={shell.run(key + chr(10) + 'echo $SETUP').strip()}")
    serve, worker = servers.splitlines()
    running = [shell.start(f"{serve} --port {shell.port}"), shell.start(worker)]
    try:
        until = time.monotonic() + 3 * START_SECONDS
        while not _ready(shell.port):
            assert time.monotonic() < until, (tmp_path / "log").read_text()
            time.sleep(0.5)
        assert '"organisations": ["north"]' in shell.run(customer)
        (tmp_path / "rollbook" / "history.csv").write_text(HISTORY)
        assert "1  new" in shell.run(history)
        assert '"closes_at_once": 0' in shell.run(agreed)
        answers = shell.run(fact)
        assert '"new":1' in answers
        usage = json.loads(answers[answers.index('{"subscription"') :])
        assert [it["pools"][0]["active"] for it in usage["windows"]] == [1]
        backup, restore = _blocks("Backups")
        shell.run(backup)
        [file] = (tmp_path / "rollbook" / "backups").iterdir()
        shell.run(re.sub(r"backups/\S+\.backup", f"backups/{file.name}", restore))
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
            process.wait(3 * START_SECONDS)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://localhost:{port}/readyz", timeout=30).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
