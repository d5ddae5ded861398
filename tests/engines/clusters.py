"""A real standalone cluster of Spark on loopback: a master and workers, each a process of its own, ended by its id."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

START_SECONDS = 120
"""Within which a process must be there, on a machine that does other things too."""

MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"

LIGHT = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Java that compiles little: what tests run is over before it would pay."""


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """The URL of the master of a cluster, each of whose workers has one core and works in `folder/worker-<n>`."""
    with ExitStack() as running:
        url = running.enter_context(_process(folder / "master.log", MASTER, r"Starting Spark master at (spark://\S+)"))
        for n in range(workers):
            options = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"worker-{n}"), url)
            registered = r"Successfully registered with master (\S+)"
            running.enter_context(_process(folder / f"worker-{n}.log", WORKER, registered, *options))
        yield url


def tasks_done(folder: Path) -> list[int]:
    """How many tasks each worker did, as the logs of what it ran say."""
    logs = [list(worker.glob("app-*/*/stderr")) for worker in sorted(folder.glob("worker-*")) if worker.is_dir()]
    return [sum(log.read_text(errors="replace").count("Finished task") for log in of) for of in logs]


@contextmanager
def _process(log: Path, what: str, says: str, *options: str) -> Iterator[str]:
    """A running process, and what it said when it was ready."""
    spec = find_spec("pyspark")
    assert spec
    assert spec.origin
    home = Path(spec.origin).parent
    address = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
    settings = {"SPARK_NO_DAEMONIZE": "1", "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(home)}
    settings |= {"SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": LIGHT, "PYSPARK_PYTHON": sys.executable}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(home / "bin" / "spark-class"), what, *address, *options],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            env=os.environ | settings,
        )
    try:
        yield _said(process, log, says)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _said(process: subprocess.Popen[bytes], log: Path, says: str) -> str:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(says, log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.2)
    raise AssertionError(f"it does not start:\n{log.read_text(errors='replace')[-2000:]}")
