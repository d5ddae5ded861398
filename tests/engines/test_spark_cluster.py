"""A real cluster, a master and two workers, counts half a million facts; and what is said where there is none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from benchmarks.generate import generate

import rollbook
from rollbook import ledger, library
from rollbook.engines import spark
from rollbook.engines.spark import faults, running
from rollbook.errors import ClusterError, UsageError
from rollbook.model.subscription import Subscription
from rollbook.plans import find_plan
from tests.engines import clusters, sparks

FACTS = 500_000
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLE = Path(rollbook.__file__).parent / "samples" / "academy.csv"
TERM = ("--plan", "monthly-activity", "--start", "2025-01-01", "--end", "2026-01-01", "--as-of", "2026-01-01")


@dataclass(frozen=True)
class Running:
    """A cluster, the folder in which its workers work, and facts: a file of them, and a ledger built from it."""

    master: str
    folder: Path
    file: Path
    ledger: Path


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Facts with repeats, voids and ties; see `benchmarks.generate`."""
    sparks.required()
    folder = tmp_path_factory.mktemp("cluster")
    file, built = folder / "facts.parquet", folder / "ledger"
    generate(file, FACTS)
    ledger.build(built, [str(file)], at=AS_OF)
    with clusters.cluster(folder, workers=2) as master:
        yield Running(master, folder, file, built)
        spark.stop()


def year() -> Subscription:
    """A year, before which lies another of history that tells who is new."""
    return Subscription(plan=find_plan("monthly-activity"), start=date(2025, 1, 1), end=date(2026, 1, 1), zone="UTC")


def checksum(result: library.Result) -> list[Any]:
    """What was found, in a few numbers: every value of every activation, every count, and what became of facts."""
    columns = "window_number, scope, organisation, unit, object, guest, class, first_us, source, id, facts"
    activations = f"select count(*), sum(hash({columns})::hugeint), sum(facts) from activations"
    counts = "select window_number, class, sum(active)::bigint from counts group by all order by all"
    return [*result.metered.rows(activations), *result.metered.rows(counts), dict(result.dispositions)]


def test_two_workers_count_a_ledger_as_duckdb_counts_it(there: Running) -> None:
    with library.meter(str(there.ledger), year(), as_of=AS_OF) as result:
        expected = checksum(result)
    before = clusters.tasks_done(there.folder)
    with library.meter(str(there.ledger), year(), as_of=AS_OF, engine="spark", master=there.master) as result:
        assert checksum(result) == expected
        assert result.report("usage").num_rows == 12
    assert expected[0][0] > 100_000
    assert before == [0, 0]
    assert all(tasks > 0 for tasks in clusters.tasks_done(there.folder)), "each worker did its part"
    spark.stop()


def call(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command, with what it says."""
    command = [sys.executable, "-m", "rollbook.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=570, env=os.environ | settings, check=False)


def test_the_command_hands_a_file_of_facts_over_to_the_cluster(there: Running) -> None:
    """The same output for the same file, repeats and all, and nothing of Java on the terminal."""
    plain = call("meter", str(there.file), *TERM)
    ran = call("meter", str(there.file), *TERM, "--engine", "spark", "--master", there.master)
    assert (ran.returncode, ran.stdout, ran.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    assert "duplicate" in plain.stderr


def said(ran: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a run that ended before anything was counted."""
    assert ran.returncode == 2, ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1, ran.stderr
    return ran.stderr.strip()


def test_a_master_that_is_not_there_is_told_at_once() -> None:
    sparks.required()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ran = call("meter", str(SAMPLE), *TERM, "--engine", "spark", "--master", f"spark://127.0.0.1:{port}")
    assert said(ran) == (
        f"spark://127.0.0.1:{port}: no master of Spark can be reached there (connection refused); "
        "start it, or correct the host and the port"
    )


def test_what_is_no_master_of_this_version_is_told_within_two_minutes() -> None:
    """It takes the connection and never answers, as a master of another version does. Spark asks it for a minute."""
    sparks.required()
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:
        master = f"spark://127.0.0.1:{server.getsockname()[1]}"
        ran = call("meter", str(SAMPLE), *TERM, "--engine", "spark", "--master", master)
    assert said(ran).startswith(f"{master}: what answers there does not take this run as a master of Spark 4.")
    assert time.monotonic() - began < 180


def test_a_cluster_without_workers_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparks.required()
    monkeypatch.setattr(faults, "WORKERS_SECONDS", 4)
    with clusters.cluster(tmp_path, workers=0) as master:
        with pytest.raises(ClusterError) as told:
            library.meter(str(SAMPLE), year(), as_of=AS_OF, engine="spark", master=master)
        spark.stop()
    assert str(told.value).startswith(f"{master}: no worker took the work within 4 seconds; look whether workers are")


def test_facts_that_a_worker_cannot_see_are_told_with_their_folder(
    spark_here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver sees the file when it plans, and it is gone when a worker opens it."""
    shown = running.show_facts

    def show_and_remove(session: Any, files: list[Path]) -> None:
        shown(session, files)
        files[0].unlink()

    monkeypatch.setattr(running, "show_facts", show_and_remove)
    with pytest.raises(ClusterError) as told:
        library.meter(str(SAMPLE), year(), as_of=AS_OF, engine="spark", master=spark_here)
    [problem] = told.value.problems
    assert problem.place == spark_here
    assert problem.rule.startswith("the cluster cannot read the facts in /")
    assert problem.remedy.startswith("build a ledger")


def test_without_the_package_it_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ClusterError, match=r'Spark is not installed here; install it: pip install "rollbook\[spark\]"'):
        library.meter(str(SAMPLE), year(), as_of=AS_OF, engine="spark")


def test_without_java_it_is_told_how_to_install_it(tmp_path: Path) -> None:
    sparks.required()
    ran = call("meter", str(SAMPLE), *TERM, "--engine", "spark", JAVA_HOME=str(tmp_path))
    assert said(ran) == (
        f"--engine spark: there is no Java in {tmp_path} (JAVA_HOME); "
        "install Java 17: apt-get install openjdk-17-jre-headless"
    )


@pytest.mark.parametrize(
    "master", ["localhost:7077", "spark://host", "http://host:80", "local[0]", "local[2] --conf x=y", "yarn"]
)
def test_what_names_no_master_is_a_wrong_call(master: str) -> None:
    sparks.required()
    with pytest.raises(UsageError, match="names no master of Spark; write local"):
        library.meter(str(SAMPLE), year(), as_of=AS_OF, engine="spark", master=master)


def test_a_master_belongs_to_spark_alone() -> None:
    with pytest.raises(UsageError, match="the engine duckdb has none; leave it out, or use the engine spark"):
        library.meter(str(SAMPLE), year(), as_of=AS_OF, master="local[2]")
