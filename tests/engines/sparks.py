"""Spark for tests: on this machine, where Java and pyspark are; and many ledgers metered in one query, as so many
subscriptions, because a query costs Spark seconds however little it reads.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rollbook.engines import duckdb as driver
from rollbook.engines import spark
from rollbook.metering.outcome import Outcome
from rollbook.model.fact import Fact
from rollbook.model.subscription import Subscription
from tests.metering.ledgers import connect, outcomes

HOW_TO_GET_IT = "there is no Spark: apt-get install openjdk-17-jre-headless, and pip install pyspark"

HERE = "local[2]"

Ledger = tuple[Sequence[Fact], Subscription]


def required() -> None:
    """Without Spark a test skips, and where it is required it fails. With it, it is set up for short runs."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        (pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip)(HOW_TO_GET_IT)
    os.environ["SPARK_CONF_DIR"] = str(Path(__file__).parent / "spark_conf")


@pytest.fixture(scope="session")
def spark_here() -> Iterator[str]:
    """The master of a Spark on this machine, one for all tests of this process."""
    required()
    yield HERE
    spark.stop()


@dataclass(frozen=True)
class Found:
    """What Spark found in a ledger, and how many facts ended in which way."""

    outcome: Outcome
    fate_counts: Counter[str]


def apart(number: int, ledger: Ledger) -> Ledger:
    """The ledger under names of its own, so that it may lie among others."""
    facts, to = ledger
    organisations = to.organisations
    if organisations is None:
        organisations = tuple(sorted({fact.organisation for fact in facts}))
    renamed = [
        fact.replace(organisation=f"{number}:{fact.organisation}", source=f"{number}:{fact.source}") for fact in facts
    ]
    return renamed, replace(to, organisations=tuple(f"{number}:{name}" for name in organisations))


def run(master: str, ledgers: Sequence[Ledger], as_of_us: int) -> list[Found]:
    """What Spark finds in ledgers, whose plans share one meter. Organisations that name no members have all."""
    facts = [fact for ledger, _ in ledgers for fact in ledger]
    subscriptions = [to for _, to in ledgers]
    covered = [(n, name) for n, to in enumerate(subscriptions) for name in to.organisations or ()]
    with connect(facts) as connection, tempfile.TemporaryDirectory() as folder:
        meter = subscriptions[0].plan.meter
        metered = spark.meter_files(
            connection,
            spark.hand_over(connection, Path(folder)),
            len(facts),
            subscriptions,
            as_of_us,
            master=master,
            first_us=min((fact.at_us for fact in facts), default=0),
            assumed=driver.assumed_members(connection, meter, covered, assume_members=True),
        )
        found = outcomes(metered)
    counts: list[Counter[str]] = [Counter() for _ in ledgers]
    for (number, fate), count in (metered.fate_counts or {}).items():
        counts[number][fate] = count
    return [Found(outcome, counted) for outcome, counted in zip(found, counts, strict=True)]
