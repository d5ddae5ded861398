"""The HTTP server, and the embedded one that `rollbook serve --demo` makes.

On SIGTERM or Ctrl-C no new connections are taken, and requests under way end before the processes do. Processes are
spawned, not forked: nothing of this one, such as an open database, is shared with them.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from http import HTTPStatus
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.errors import ConfigurationError as GranianError
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from rollbook.errors import Problem, UsageError
from rollbook.server import secrets
from rollbook.server.observing import logs

APPLICATION = "rollbook.server.wsgi:application"
METRICS = "PROMETHEUS_MULTIPROC_DIR"

HEADER_SECONDS = 10
"""Within which a request's headers must have come."""

BACKLOG = 1024
WAITING_PER_THREAD = 256
"""Connections that a process has for each of its threads, whether or not a request came on them; others wait. With 16
a few dozen clients that sent nothing kept everybody waiting until `HEADER_SECONDS` had passed."""

END_SECONDS = 60
"""How long requests under way are given to end, at most."""

START_SECONDS = 60
"""Within which server and worker usually run; they need some seconds."""

LOOK_SECONDS = 0.2
"""How often it is looked whether they do."""

WORKER_END_SECONDS = 150
"""How long the embedded worker is given to end the job that runs."""


def serve(host: str, port: int, workers: int, threads: int, style: str, application: str = APPLICATION) -> None:
    """Serves until it is told to stop. `style` is how lines of the log are written, see `logs`.

    Raises UsageError where it cannot listen there.
    """
    _refuse_taken(host, port)
    if multiprocessing.get_start_method(allow_none=True) != "spawn":
        multiprocessing.set_start_method("spawn", force=True)
    server = _Server(
        application,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=workers,
        blocking_threads=threads,
        backlog=BACKLOG,
        backpressure=threads * WAITING_PER_THREAD,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000),
        respawn_failed_workers=True,
        workers_kill_timeout=END_SECONDS,
        log_dictconfig=logs.of_granian(style),
        log_level=LogLevels(logs.level_of(style)),
        log_access=False,
    )
    try:
        server.serve()
    except GranianError as error:
        raise UsageError(Problem("rollbook serve", str(error), "change its options")) from error


class _Server(MPServer):
    """Granian, whose processes are told to end by this one alone.

    Ctrl-C in a terminal reaches all of them, and a moment later this one tells them too. One that is told twice (seen
    with Granian 2.8.9) may take note of neither, or leave requests under way without an answer, and is killed after a
    minute. What is blocked when a process begins stays blocked in it.
    """

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        with _ctrl_c_blocked():
            super()._spawn_workers(spawn_target, target_loader)  # type: ignore[no-untyped-call]

    def _respawn_workers(self, workers: Any, spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        with _ctrl_c_blocked():
            super()._respawn_workers(workers, spawn_target, target_loader, delay)


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """What comes meanwhile comes afterwards."""
    resource_tracker.ensure_running()  # it would be started with the first process, and end the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unlikely(configuration: Mapping[str, Any]) -> str:
    """What in the settings is hardly meant, in words, or nothing."""
    base = configuration["ROLLBOOK_BASE_URL"]
    if not (configuration["ROLLBOOK_TLS"] and base.startswith("http://")):
        return ""
    return (
        f"ROLLBOOK_TLS is true and ROLLBOOK_BASE_URL is {base}: calls without https:// are refused. "
        "Behind a proxy with TLS, write https:// there; until there is one, set ROLLBOOK_TLS=false"
    )


def _refuse_taken(host: str, port: int) -> None:
    """Granian shares a port with whoever listens there already, and each would get some of the requests."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        rule = f"it cannot listen there: {error.strerror}"
        raise UsageError(Problem(f"{host}:{port}", rule, "stop what listens there, or give --host or --port")) from None


def runs(host: str, port: int, since: datetime, over: threading.Event) -> bool:
    """Waits until the server here answers and a worker has done everything once since an instant (UTC).

    Where the worker takes longer than a minute it is waited for no more. False where `over` was set meanwhile, or the
    server did not answer within as long.
    """
    from rollbook.server.observing import heartbeat  # noqa: PLC0415 - Django is set up by then
    from rollbook.server.operation import jobs  # noqa: PLC0415 - as above

    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where it listens everywhere
    until = time.monotonic() + START_SECONDS
    answered = False
    while not over.wait(LOOK_SECONDS) and time.monotonic() < until:
        if not answered:
            answered = _answers(here, port)
        elif heartbeat.came_round(list(jobs.JOBS)[-1], since):
            break
    return answered and not over.is_set()


def _answers(host: str, port: int) -> bool:
    """Connections are taken before anybody answers them: it is asked once, and waited for."""
    try:
        with closing(http.client.HTTPConnection(host, port, timeout=START_SECONDS)) as asked:
            asked.request("GET", "/healthz")
            return asked.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


@contextmanager
def figures_shared() -> Iterator[None]:
    """A folder in which processes keep their figures, so that each can tell those of all; one that is given stays."""
    if os.environ.get(METRICS):
        Path(os.environ[METRICS]).mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="rollbook-metrics-") as folder:
        os.environ[METRICS] = folder
        try:
            yield
        finally:
            del os.environ[METRICS]


def embed(folder: Path, port: int) -> None:
    """Makes the environment that of a server which keeps everything in one folder, for its owner alone.

    Secrets are made once. What the environment says already stands. The folder becomes the current one, so that what
    is kept as files, such as mail, is kept there.
    """
    os.umask(0o077)
    folder = folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    os.chdir(folder)
    file = folder / "secrets.env"
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as made:  # noqa: PTH123
            made.write(secrets.lines())
            made.flush()
            os.fsync(made.fileno())
    except FileExistsError:
        pass
    kept = dict(line.split("=", 1) for line in file.read_text(encoding="ascii").splitlines() if "=" in line)
    given = {
        **kept,
        "DATABASE_URL": f"sqlite:///{folder / 'rollbook.db'}",
        "ROLLBOOK_TLS": "false",
        "ROLLBOOK_BASE_URL": f"http://localhost:{port}",
        # A terminal keeps what it was told last: who can sign in.
        "ROLLBOOK_LOG_FORMAT": "quiet" if sys.stderr.isatty() else "console",
    }
    for name, value in given.items():
        os.environ.setdefault(name, value)


@contextmanager
def worker() -> Iterator[None]:
    """A worker beside the server, which ends with it. Ctrl-C in a terminal reaches both at once."""
    # Until it listens to signals itself, Ctrl-C does nothing to it: it is told to end in any case.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        running = subprocess.Popen([sys.executable, "-m", "rollbook.cli", "worker"])
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
        try:
            running.wait(WORKER_END_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
