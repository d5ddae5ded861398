"""A server as people run it: the commands in processes of their own, over a database of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROLLBOOK = (sys.executable, "-m", "rollbook.cli")
START_SECONDS = 60
CALL_SECONDS = 180


@dataclass
class Operated:
    """Where a server keeps its things, and how its commands are called."""

    folder: Path
    database_url: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
        return kept | {
            "DATABASE_URL": self.database_url,
            "DJANGO_SETTINGS_MODULE": "rollbook.server.settings",
            "ROLLBOOK_SECRET_KEY": "operation-signs-with-this-and-nobody-else",
            "ROLLBOOK_DIGEST_KEY": "operation-recognises-erased-people-by-it",
            "ROLLBOOK_TLS": "false",
            **self.more,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*ROLLBOOK, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as running:
            try:
                out, err = running.communicate(timeout=CALL_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
                raise
        return subprocess.CompletedProcess(arguments, running.returncode, out, err)

    def done(self, *arguments: str) -> str:
        """Calls what must succeed; its standard output."""
        ran = self.call(*arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def python(self, code: str) -> str:
        """Runs a few lines with Django set up; what they print."""
        ran = subprocess.run(
            [sys.executable, "-c", f"import django\ndjango.setup()\n{code}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    @contextmanager
    def serving(self, *options: str, port: int = 0) -> Iterator[Serving]:
        """`rollbook serve` while the context lasts; its log is read afterwards."""
        port = port or free_port()
        log = self.folder / f"serve-{port}.log"
        with log.open("w") as written:
            running = subprocess.Popen(
                [*ROLLBOOK, "serve", "--port", str(port), *options],
                cwd=self.folder,
                env=self.environment,
                stdout=written,
                stderr=written,
            )
            found = Serving(f"http://127.0.0.1:{port}", running, log)
            try:
                found.wait()
                yield found
            finally:
                found.stop()


@dataclass
class Serving:
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
