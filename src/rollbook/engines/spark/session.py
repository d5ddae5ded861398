"""The way to Spark: one context for a process, as Spark has it, and for each run a session with settings of its own.

A context that the process has already, such as a notebook's, is used as it is. One that was started here follows the
master that is asked for, and ends with the process. Settings of the installation (`SPARK_CONF_DIR`) hold, save those
that the results depend on.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from rollbook.engines.spark.faults import at_start
from rollbook.errors import ClusterError, Problem, UsageError

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

LOCAL = "local[*]"
"""Spark on this machine, on all of its processors."""

CONNECT_SECONDS = 5
"""Within which a master must answer."""

PARTITION_FACTS = 1_000_000
"""Facts of one partition of what is shuffled, about: 100 MB, which a core sorts in its memory."""

PARTITIONS_MAX = 10_000

FACTS_FEW = 10_000
"""For so few facts planning and compiling takes longer than the work: steps are interpreted, and kept by the driver."""

_MASTER = re.compile(r"local(\[(\*|[1-9][0-9]{0,3})\])?|spark://[^\s,:/]+:[0-9]{1,5}(,[^\s,:/]+:[0-9]{1,5})*")

_LOADED = {
    "spark.app.name": "rollbook",
    # A page about every run, open to whoever reaches the machine.
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""Settings of a context that is started here."""

_SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "false",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}
"""Settings of a session on which results depend, whatever the installation says."""

_FEW = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""Settings of a session over few facts."""

_started: list[SparkContext] = []
"""The context that was started here."""


def session(master: str, facts: int) -> SparkSession:
    """A session of its own on the Spark of this master, with partitions for so many facts.

    Raises UsageError for what is no master and ClusterError for one that is not there.
    """
    context = _context(master)
    from pyspark.sql import SparkSession  # noqa: PLC0415 - it need not be installed

    try:
        made = SparkSession(context).newSession()
        for name, value in _settings(context, facts).items():
            made.conf.set(name, value)
    except Exception as error:  # noqa: BLE001 - a context that no master took is found to have ended, in Java's words
        raise at_start(master, error, "") from None
    return made


def _settings(context: SparkContext, facts: int) -> Mapping[str, str]:
    few = facts <= FACTS_FEW
    partitions = 1 if few else min(max(context.defaultParallelism, facts // PARTITION_FACTS + 1), PARTITIONS_MAX)
    return _SETTINGS | (_FEW if few else {}) | {"spark.sql.shuffle.partitions": str(partitions)}


def stop() -> None:
    """Ends the context that was started here, if there is one. Its Java process ends with this one."""
    while _started:
        _started.pop().stop()


def on_cluster(master: str) -> bool:
    """Whether others do the work, who may be absent."""
    return not master.startswith("local")


def _context(master: str) -> SparkContext:
    if not _MASTER.fullmatch(master):
        rule = f'"{master}" names no master of Spark'
        raise UsageError(Problem("--master", rule, "write local[2], or spark://HOST:7077 for a standalone cluster"))
    try:
        from pyspark import SparkContext  # noqa: PLC0415 - it need not be installed
    except ImportError:
        rule = "Spark is not installed here"
        raise ClusterError(Problem("--engine spark", rule, 'install it: pip install "rollbook[spark]"')) from None
    found = SparkContext._active_spark_context  # noqa: SLF001 - there is no public way to ask without starting one
    if found is not None and _runs(found) and (found not in _started or found.master == master):
        return found
    stop()
    if on_cluster(master):
        _knock(master)
    return _start(master)


def _runs(context: SparkContext) -> bool:
    java: Any = context._jsc  # noqa: SLF001 - the only way to know that a cluster has ended it
    return java is not None and not java.sc().isStopped()


def _knock(master: str) -> None:
    """Finds out in a few seconds what Spark would take minutes for."""
    places = master.removeprefix("spark://").split(",")
    refused = []
    for place in places:
        host, _, port = place.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            refused.append(getattr(error, "strerror", None) or str(error) or "no answer")
    if len(refused) == len(places):
        rule = f"no master of Spark can be reached there ({refused[0].lower()})"
        raise ClusterError(Problem(master, rule, "start it, or correct the host and the port"))


def _start(master: str) -> SparkContext:
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - it need not be installed

    conf = SparkConf(loadDefaults=False)
    for name, value in _loaded(master).items():
        conf.set(name, value)
    _quiet()
    with tempfile.TemporaryFile() as said, warnings.catch_warnings(), _bound_to_loopback(master):
        # Spark warns of versions of pandas, which nothing here uses.
        warnings.simplefilter("ignore")
        try:
            if SparkContext._gateway is None:  # noqa: SLF001 - the Java process of this one, which stays when a context ends
                _need_java()
                _launch(conf, said)
            context = SparkContext(conf=conf)
        except Exception as error:  # noqa: BLE001 - of Java, of Spark or of the system: all are told in words
            raise at_start(master, error, _tail(said)) from None
    _started.append(context)
    return context


def _loaded(master: str) -> Mapping[str, str]:
    found = {**_LOADED, "spark.master": master}
    if _is_loopback(master):
        found |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return found


def _is_loopback(master: str) -> bool:
    hosts = master.removeprefix("spark://").split(",")
    return not on_cluster(master) or all(host.startswith(("127.", "localhost:")) for host in hosts)


@contextmanager
def _bound_to_loopback(master: str) -> Iterator[None]:
    """On one machine nothing of Spark listens to others. Elsewhere workers call back: where, the installation says."""
    name = "SPARK_LOCAL_IP"
    if name in os.environ or not _is_loopback(master):
        yield
        return
    os.environ[name] = "127.0.0.1"
    try:
        yield
    finally:
        del os.environ[name]


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not shutil.which(os.path.join(home, "bin", "java") if home else "java"):  # noqa: PTH118 - a name to look for
        rule = f"there is no Java in {home} (JAVA_HOME)" if home else "Spark needs Java, and there is none"
        raise ClusterError(Problem("--engine spark", rule, "install Java 17: apt-get install openjdk-17-jre-headless"))


def _launch(conf: SparkConf, said: IO[bytes]) -> None:
    """Starts Java with what it says kept off the terminal."""
    from pyspark import SparkContext  # noqa: PLC0415 - it need not be installed
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415

    launch: Callable[..., Any] = launch_gateway
    gateway = launch(conf, {"stdout": subprocess.DEVNULL, "stderr": said})
    SparkContext._gateway = gateway  # noqa: SLF001 - where Spark itself keeps it
    SparkContext._jvm = gateway.jvm  # noqa: SLF001


def _quiet() -> None:
    """Faults are told in words; Spark would write each to the terminal with its Java stack."""
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger", "py4j"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _tail(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 20_000))
    return said.read().decode(errors="replace")
