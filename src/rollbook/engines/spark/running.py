"""Runs the query on a cluster, and brings what it found to the tables that reports ask.

Who was active comes back, a part at a time. Steps over single facts become views of the driver's own database: a
report that looks at single facts reads them there, and no other does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from rollbook.engines import duckdb as driver
from rollbook.engines.making import drop
from rollbook.engines.metered import Metered
from rollbook.engines.spark.dialect import FRAGMENTS
from rollbook.engines.spark.facts import hand_over, show_facts
from rollbook.engines.spark.faults import in_words
from rollbook.engines.spark.session import FACTS_FEW, session
from rollbook.errors import Problem, UsageError
from rollbook.intake import FactStore
from rollbook.ledger import LedgerStore
from rollbook.metering import inputs, query
from rollbook.metering.steps import Step
from rollbook.model.subscription import Subscription

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS_AT_ONCE = 500_000
"""Rows that come back together: about 100 MB in the driver, twice for a moment."""

RESULTS = ("activations", "counts")
BROUGHT = (*RESULTS, "links", "holdings", "active")
"""Steps whose rows come back, where they have any: no more of them than units in windows, spans and links."""

FATE_COUNTS = Step("fate_counts", "select subscription, fate, count(*) as facts from fates group by subscription, fate")


def meter(
    store: FactStore,
    subscriptions: Sequence[Subscription],
    as_of_us: int,
    *,
    master: str,
    assumed: Sequence[inputs.Row],
) -> Metered:
    """Meters subscriptions whose plans share one meter, all in one query; the result is on the store's connection.

    master   as Spark names it: local[2], or spark://HOST:PORT
    assumed  subscriptions and organisations in which everyone is a member

    A ledger is read where it lies, by every worker. Other facts are handed over in a file among the store's own, so
    workers must be on this machine. Raises ClusterError where the cluster cannot do it.
    """
    files = (
        store.paths if isinstance(store, LedgerStore) and store.facts else hand_over(store.connection, store.scratch)
    )
    return meter_files(
        store.connection,
        files,
        store.facts,
        subscriptions,
        as_of_us,
        master=master,
        first_us=store.first_us,
        assumed=assumed,
    )


def meter_files(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    facts: int,
    subscriptions: Sequence[Subscription],
    as_of_us: int,
    *,
    master: str,
    first_us: int,
    assumed: Sequence[inputs.Row],
) -> Metered:
    """The same for Parquet files of facts, see `spark.facts`, which the connection has in `facts` and `targets`.

    facts     how many there are, about
    first_us  the first instant of them all
    """
    meters = {subscription.plan.meter for subscription in subscriptions}
    if len(meters) != 1:
        raise UsageError(Problem("meter", f"{len(meters)} different meters in one query", "meter one plan at a time"))
    [shared] = meters
    spark = session(master, facts)
    corrections, steps = query.corrections(shared), query.steps(shared, FRAGMENTS)
    drop(connection, [step.name for step in (*corrections, *steps)])
    driver.load_inputs(connection, subscriptions, as_of_us, first_us)
    driver.load(connection, "assumed", assumed)
    kept: list[DataFrame] = []
    with in_words(spark, master, str(files[0].parent)):
        try:
            show_facts(spark, files)
            _show(spark, connection, ("subscriptions", "covered", "windows", "calendar", "assumed"))
            _run(spark, connection, corrections, facts, kept)
            conflicts = driver.load_identities(connection, len(subscriptions))
            _show(spark, connection, ("identities",))
            _run(spark, connection, steps, facts, kept)
            fates = spark.sql(FATE_COUNTS.sql).collect()
        finally:
            # Of a cluster that is gone, which the error says already, nothing is left to give back.
            with suppress(Exception):
                for frame in reversed(kept):
                    frame.unpersist()
    windows = tuple(inputs.metered_windows(subscription, as_of_us) for subscription in subscriptions)
    fate_counts = {(row["subscription"], row["fate"]): row["facts"] for row in fates}
    return Metered(connection, tuple(subscriptions), as_of_us, windows, conflicts, fate_counts)


def _show(spark: SparkSession, connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Hands input tables from the driver's database to the cluster."""
    for name in names:
        columns = ", ".join(inputs.COLUMNS[name])
        table = connection.sql(f"select {columns} from {name}").to_arrow_table()
        spark.createDataFrame(table).createOrReplaceTempView(name)


def _run(
    spark: SparkSession,
    connection: duckdb.DuckDBPyConnection,
    steps: Iterable[Step],
    facts: int,
    kept: list[DataFrame],
) -> None:
    """Shows each step on the cluster, and in the driver's database, there as a table where its rows come back.

    kept  takes the steps that workers keep
    """
    for step in steps:
        frame = spark.sql(step.sql)
        brought = step.name in BROUGHT and (step.keep or step.name in RESULTS)
        rows = 0
        if facts <= FACTS_FEW and (step.keep or brought):
            frame = spark.createDataFrame(frame.toArrow())
        elif step.keep or brought:
            kept.append(frame.persist())
            # A join is planned by sizes that are known: with those of voids unknown, all facts would be shuffled.
            rows = frame.count() if brought or step.name == "voided" else 0
        frame.createOrReplaceTempView(step.name)
        if brought:
            _bring(connection, step.name, frame, rows)
        else:
            connection.execute(f"create temp view {step.name} as {step.sql}")


def _bring(connection: duckdb.DuckDBPyConnection, name: str, frame: DataFrame, rows: int) -> None:
    """Makes a table of the rows, of which the driver holds a part at a time."""
    parts = rows // ROWS_AT_ONCE + 1
    columns = ", ".join(column for column, kind in frame.dtypes if kind in ("string", "bigint"))
    for part in range(parts):
        chosen = frame if parts == 1 else frame.where(f"pmod(xxhash64({columns}), {parts}) = {part}")
        connection.register("bringing", chosen.toArrow())
        verb = f"insert into {name}" if part else f"create temp table {name} as"
        connection.execute(f"{verb} select * from bringing")
        connection.unregister("bringing")
