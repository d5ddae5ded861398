"""Polars with its streaming engine.

The first fact is that of the least (instant, source, id): `min_by` of a struct, which this engine folds as it goes.
Of one text a fact, put together of the three, it took as long; sorting each group, as long and more memory; joining
the least instants back, twice as long.
"""

from __future__ import annotations

import os

from benchmarks.generate import COUNTED
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import THREADS, Coded, Task

os.environ["POLARS_MAX_THREADS"] = str(THREADS)  # read when it is imported

import polars as pl

SLOT = ("subscription", "window_number")
DAY_US = 86_400_000_000


def facts(task: Task) -> Taken:
    """From the facts as they came."""
    clock = Clock()
    rows = pl.scan_parquet(task.facts)
    voids = rows.filter(pl.col("type") == "fact.voided").select("organisation", "source", id="voids").unique()
    counted = (
        rows.filter(pl.col("type").is_in(COUNTED) & (pl.col("role") != "system"))
        .select("id", "source", "organisation", "learner", at_us=pl.col("occurred_at").dt.epoch("us"))
        .unique()
        .join(voids, on=["organisation", "source", "id"], how="anti")
    )
    found = (
        _placed(counted, task)
        .group_by(*SLOT, "learner")
        .agg(
            first_us=pl.col("at_us").min(),
            id=pl.col("id").min_by(pl.struct("at_us", "source", "id")),
            facts=pl.len(),
        )
    )
    return _answered(found, clock, task)


def ledger(task: Task, coded: Coded) -> Taken:
    """From the numbers of a ledger; rows of several files are numbered through."""
    clock = Clock()
    voided = pl.scan_parquet(coded.voided)
    counted = (
        pl.scan_parquet(list(coded.files), row_index_name="fact_row")
        .filter(pl.col("kind").is_in(coded.kinds))
        .select(
            "organisation",
            "learner_number",
            at_us=pl.col("occurred_at").dt.epoch("us"),
            fact_row=pl.col("fact_row").cast(pl.Int64),
        )
        .join(voided, on="fact_row", how="anti")
    )
    found = (
        _placed(counted, task)
        .group_by(*SLOT, "learner_number")
        .agg(first_us=pl.col("at_us").min(), fact_row=pl.col("fact_row").min(), facts=pl.len())
    )
    return _answered(found, clock, task)


def _placed(counted: pl.LazyFrame, task: Task) -> pl.LazyFrame:
    """Facts in their windows."""
    return (
        counted.with_columns(day=(pl.col("at_us") // DAY_US).cast(pl.Int32))
        .join(pl.scan_parquet(task.calendar), on=["organisation", "day"])
        .filter((pl.col("at_us") >= pl.col("from_us")) & (pl.col("at_us") < pl.col("to_us")))
    )


def _answered(found: pl.LazyFrame, clock: Clock, task: Task) -> Taken:
    answer = found.collect(engine="streaming")
    taken = clock.stop()
    answer.write_parquet(task.answer)
    return taken
