"""The sample as a visitor meets it: one command in a terminal, then what it says, followed to the letter."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.server.operated import START_SECONDS, free_port

WAIT_SECONDS = 3 * START_SECONDS
VISITOR = {name: it for name, it in os.environ.items() if not name.startswith(("ROLLBOOK_", "DATABASE_", "DJANGO_"))}
"""The environment of somebody who set up nothing."""

LAST = ("not shown again.", "by the next start.")


@dataclass
class Screen:
    """What a terminal shows so far, and the process that writes to it."""

    running: subprocess.Popen[bytes]
    url: str
    read: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        return self.read.decode("latin-1").replace("\r\n", "\n")

    def wait(self) -> str:
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until and self.running.poll() is None:
            if self.text.rstrip().endswith(LAST):
                return self.text
            time.sleep(0.2)
        raise AssertionError(self.text)


@contextmanager
def terminal(folder: Path, **more: str) -> Iterator[Screen]:
    """`rollbook serve --demo` in a terminal of its own, ended with Ctrl-C."""
    controller, screen = pty.openpty()
    port = free_port()
    running = subprocess.Popen(
        [sys.executable, "-m", "rollbook.cli", "serve", "--demo", "--port", str(port)],
        cwd=folder,
        env=VISITOR | {"TERM": "xterm"} | more,
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
    )
    os.close(screen)
    found = Screen(running, f"http://localhost:{port}")

    def read() -> None:
        with suppress(OSError):
            while part := os.read(controller, 65_536):
                found.read.extend(part)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    try:
        yield found
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGINT)
        running.wait(WAIT_SECONDS)
        reading.join(START_SECONDS)
        os.close(controller)


def shell(command: str) -> str:
    """A line as somebody copies it, in the plainest of shells."""
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=VISITOR, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _sign_in(url: str, email: str, password: str) -> dict[str, object]:
    with httpx.Client(base_url=url) as browser:
        token = browser.get("/v1/session").json()["csrf_token"]
        answer = browser.post(
            "/v1/session",
            json={"name": email, "password": password},
            headers={"X-CSRFToken": token, "Origin": url},
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found


def test_what_the_welcome_says_works_as_it_stands_and_is_said_once(tmp_path: Path) -> None:
    # A terminal that knows no colours, of a system that knows no Unicode.
    with terminal(tmp_path, TERM="dumb", PYTHONIOENCODING="latin-1", LC_ALL="de_DE.ISO-8859-1") as screen:
        said = screen.wait()
        assert "\x1b" not in said
        welcome = said[said.index(f"Rollbook runs at {screen.url}") :]
        people = re.findall(r"(\S+@example\.org) +(\S{20})\n +(.+)\n", welcome)
        assert [(email, sees) for email, _, sees in people] == [
            ("administrator@example.org", "administrator of Tandem Telecom: its plan, its learners, what it pays"),
            ("operator@example.org", "operator: all customers, as their vendor sees them"),
        ]
        for email, password, sees in people:
            assert sees.startswith(str(_sign_in(screen.url, email, password)["role"]))
        [counted] = re.findall(r"(\d+) have in this one", welcome)
        assert f"then read {int(counted) + 1};" in welcome
        send, read = [line for line in welcome.splitlines() if line.startswith("curl ")]
        assert shell(read) == f'"active": {counted}'
        receipt = json.loads(shell(send))
        assert (receipt["new"], receipt["rejected"]) == (1, [])
        assert shell(read) == f'"active": {int(counted) + 1}'
        # Sent again it is a repeat.
        assert json.loads(shell(send))["repeats"] == 1
        assert shell(read) == f'"active": {int(counted) + 1}'
        # What goes well is not told: the passwords stay where they are.
        assert "[info" not in screen.text
        [key] = re.findall(r"API key (rbk_\S+)", welcome)
        secrets = [key, *(password for _, password, _ in people)]
        logged = screen.text[: said.index("Rollbook runs at")] + screen.text[len(said) :]
        assert not [it for it in secrets if it in logged]

    with terminal(tmp_path) as screen:
        said = screen.wait()
        assert not [it for it in secrets if it in said]
        assert f"were shown on the terminal when {tmp_path}/rollbook-data was made" in said
        enter, operator, key = [line for line in said.splitlines() if line.startswith(("cd ", "/", "rollbook "))]
        link = shell(f"{enter}\n{operator}")
        assert link.startswith(f"{screen.url}/password/")
        assert httpx.get(link).status_code == 200
        another = shell(f"{enter}\n{key}")
        asked = httpx.get(f"{screen.url}/v1/subscriptions/5/usage", headers={"Authorization": f"Bearer {another}"})
        assert asked.json()["customer"] == "Tandem Telecom"
