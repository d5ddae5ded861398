"""Apache Spark on this machine alone, two threads. Its start, some ten seconds, lies before the clock.

The answer is written to Parquet while the clock runs: that is what Spark ends with, and keeping it in its memory takes
longer.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.generate import COUNTED
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import THREADS, Coded, Task
from pyspark.sql import DataFrame, SparkSession

from rollbook.metering.steps import quoted_list

MEMORY = "4g"
"""Of its Java machine, which holds what it may; beyond it Spark spills."""

PLACED = """
    join days on days.organisation = counted.organisation and day = cast(at_us div 86400000000 as int)
     and at_us >= from_us and at_us < to_us
    """


def facts(task: Task) -> Taken:
    """From the facts as they came."""
    spark = _session(task.scratch)
    clock = Clock()
    spark.read.parquet(str(task.facts)).createOrReplaceTempView("facts")
    spark.read.parquet(str(task.calendar)).createOrReplaceTempView("days")
    found = spark.sql(
        f"""
        with voided as (
            select distinct organisation, source, voids as id from facts where type = 'fact.voided'
        ), counted as (
            select distinct source, id, organisation, learner, unix_micros(occurred_at) as at_us
            from facts where type in ({quoted_list(COUNTED)}) and role <> 'system'
        )
        select subscription, window_number, learner, first.at_us as first_us, first.id, facts
        from (
            select subscription, window_number, learner, min(struct(at_us, source, id)) as first, count(*) as facts
            from (select * from counted left anti join voided using (organisation, source, id)) as counted
            {PLACED}
            group by subscription, window_number, learner
        )
        """
    )
    return _answered(spark, found, clock, task)


def ledger(task: Task, coded: Coded) -> Taken:
    """From the numbers of a ledger."""
    spark = _session(task.scratch)
    clock = Clock()
    columns = ("organisation", "learner_number", "occurred_at", "kind", "_metadata.file_name", "_metadata.row_index")
    spark.read.parquet(*map(str, coded.files)).select(*columns).createOrReplaceTempView("facts")
    spark.read.parquet(str(task.calendar)).createOrReplaceTempView("days")
    spark.read.parquet(str(coded.voided)).createOrReplaceTempView("voided")
    starts = ", ".join(f"'{path.name}', {start}L" for path, start in zip(coded.files, coded.starts, strict=True))
    found = spark.sql(
        f"""
        select subscription, window_number, learner_number, min(at_us) as first_us, min(fact_row) as fact_row,
               count(*) as facts
        from (
            select organisation, learner_number, unix_micros(occurred_at) as at_us,
                   element_at(map({starts}), file_name) + row_index as fact_row
            from facts where kind in ({", ".join(map(str, coded.kinds))})
        ) as counted
        left anti join voided using (fact_row)
        {PLACED}
        group by subscription, window_number, learner_number
        """
    )
    return _answered(spark, found, clock, task)


def _session(scratch: Path) -> SparkSession:
    return (
        SparkSession.builder.master(f"local[{THREADS}]")
        .config("spark.driver.memory", MEMORY)
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", str(scratch))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", 4 * THREADS)
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )


def _answered(spark: SparkSession, found: DataFrame, clock: Clock, task: Task) -> Taken:
    found.write.parquet(str(task.answer))
    taken = clock.stop()
    spark.stop()
    return taken
