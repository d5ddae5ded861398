"""What goes wrong on a cluster, in words for whoever runs it: no stack of Java, and never without an end.

Spark waits for ever for workers that do not come, so whoever waits looks from time to time whether any are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from rollbook.errors import ClusterError, Problem

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WORKERS_SECONDS = 120
"""How long a run goes on without any worker; starting one takes ten seconds, or a minute where all is busy."""

LOOK_SECONDS = 2
"""Between two looks at the workers."""

_UNREADABLE = "FileNotFound|FILE_NOT_EXIST|PATH_NOT_FOUND|AccessControlException|AccessDenied|Permission denied"

_KNOWN = (
    (
        _UNREADABLE,
        "the cluster cannot read the facts in {folder}",
        "build a ledger where this machine and every worker may read it under one name, and meter that",
    ),
    (
        "No space left on device",
        "a machine of the cluster has no space left on its disk",
        "free some, or name another disk for Spark with spark.local.dir",
    ),
    (
        "OutOfMemoryError|Java heap space|exitCode: 137",
        "a process of Spark has not enough memory",
        "give it more with spark.executor.memory and spark.driver.memory in spark-defaults.conf",
    ),
    (
        "stopped SparkContext|SparkContext was shut down|Master removed our application|Connection (reset|refused)",
        "Spark ended while it counted",
        "look whether its master and this machine's Java still run, and try again",
    ),
)
"""Patterns of Java's words, with what they mean and what to do."""

_NO_WORKERS_REMEDY = (
    "look whether workers are registered with free cores and memory, can reach this machine, and have the Spark "
    "of the package here, {version}"
)

_NOT_TAKEN = "stopped SparkContext|stopped while waiting|All masters are unresponsive"
"""What Java says where no master took the run."""

_WRONG_JAVA = ("UnsupportedClassVersionError", "Unrecognized option", "Could not create the Java Virtual Machine")


def at_start(master: str, error: Exception, said: str) -> ClusterError:
    """Why no context came to be. `said` is what Java wrote."""
    if isinstance(error, ClusterError):
        return error
    if any(word in said for word in _WRONG_JAVA):
        rule = "Spark cannot run in this version of Java"
        return ClusterError(Problem("--engine spark", rule, "install Java 17, and name its folder in JAVA_HOME"))
    if master.startswith("local") or not re.search(_NOT_TAKEN, _words(error)):
        return ClusterError(Problem(master, f"Spark does not start ({_cause(error)})", "look at its configuration"))
    rule = f"what answers there does not take this run as a master of Spark {_version()} would"
    remedy = "correct the port; or install the cluster's own version of Spark here with pip install pyspark==VERSION"
    return ClusterError(Problem(master, rule, remedy))


@contextmanager
def in_words(session: SparkSession, master: str, folder: str) -> Iterator[None]:
    """Jobs inside end in words: with a result, with what is wrong, or without workers.

    folder  where the facts lie
    """
    from py4j.protocol import Py4JError  # noqa: PLC0415 - it need not be installed
    from pyspark.errors import PySparkException  # noqa: PLC0415

    with _watched(session, master) as deserted:
        try:
            yield
        except (PySparkException, Py4JError, ConnectionError) as error:
            raise _told(master, folder, error, deserted=deserted.is_set()) from None


@contextmanager
def _watched(session: SparkSession, master: str) -> Iterator[Event]:
    """Cancels the jobs of this thread when there has been no worker for too long; the event then says so."""
    deserted, done = Event(), Event()
    if master.startswith("local"):
        yield deserted
        return
    context: Any = session.sparkContext
    group = f"rollbook {id(done)}"
    context.setJobGroup(group, "rollbook", interruptOnCancel=True)

    def look() -> None:
        without = 0
        while not done.wait(LOOK_SECONDS):
            # Where Java is gone, the run ends by itself.
            with suppress(Exception):
                # The driver is one of them.
                present = context._jsc.sc().getExecutorMemoryStatus().size() > 1  # noqa: SLF001 - no public way to ask
                without = 0 if present else without + LOOK_SECONDS
                if without >= WORKERS_SECONDS or deserted.is_set():
                    # Again and again: between two jobs there is none to cancel.
                    deserted.set()
                    context.cancelJobGroup(group)

    watch = Thread(target=look, daemon=True)
    watch.start()
    try:
        yield deserted
    finally:
        done.set()
        watch.join()


def _told(master: str, folder: str, error: Exception, *, deserted: bool) -> ClusterError:
    if deserted:
        rule = f"no worker took the work within {WORKERS_SECONDS} seconds"
        return ClusterError(Problem(master, rule, _NO_WORKERS_REMEDY.format(version=_version())))
    words = _words(error)
    for pattern, rule, remedy in _KNOWN:
        if re.search(pattern, words):
            return ClusterError(Problem(master, rule.format(folder=folder), remedy))
    rule = f"Spark gave up ({_cause(error)})"
    return ClusterError(Problem(master, rule, "look at the logs of its master and workers"))


def _words(error: Exception) -> str:
    """All that Spark says of an error and of what caused it."""
    java = getattr(error, "java_exception", None)
    return f"{error}\n{java.toString() if java else ''}"


def _cause(error: Exception) -> str:
    """The first line, in short: below it stand stacks."""
    for line in _words(error).splitlines():
        short = re.sub(r"^(: )?([a-z_$]+\.)+(?=[A-Z])", "", line.strip())
        if short and not short.startswith("An error occurred while calling"):
            return short[:200]
    return type(error).__name__


def _version() -> str:
    import pyspark  # noqa: PLC0415 - it need not be installed

    return pyspark.__version__
