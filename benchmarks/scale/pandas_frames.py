"""pandas, which holds everything in memory: up to ten million facts, from the facts as they came."""

from __future__ import annotations

import pandas as pd
from benchmarks.generate import COUNTED
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import Task

DAY_US = 86_400_000_000


def facts(task: Task) -> Taken:
    """From the facts as they came."""
    clock = Clock()
    days = pd.read_parquet(task.calendar)
    voids = pd.read_parquet(
        task.facts, columns=["organisation", "source", "voids"], filters=[("type", "==", "fact.voided")]
    )
    voided = voids.rename(columns={"voids": "id"}).drop_duplicates()
    rows = pd.read_parquet(
        task.facts,
        columns=["id", "source", "organisation", "learner", "occurred_at"],
        filters=[("type", "in", list(COUNTED)), ("role", "!=", "system")],
    )
    rows["at_us"] = rows.pop("occurred_at").astype("datetime64[us, UTC]").astype("int64")
    rows = rows.drop_duplicates(["source", "id"])
    rows = rows.merge(voided, on=["organisation", "source", "id"], how="left_anti")
    rows["day"] = (rows["at_us"] // DAY_US).astype("int32")
    rows = rows.merge(days, on=["organisation", "day"])
    rows = rows[(rows["at_us"] >= rows["from_us"]) & (rows["at_us"] < rows["to_us"])]
    groups = rows.sort_values(["at_us", "source", "id"]).groupby(
        ["subscription", "window_number", "learner"], sort=False, as_index=False
    )
    answer = groups.agg(first_us=("at_us", "first"), id=("id", "first"), facts=("id", "size"))
    taken = clock.stop()
    answer.to_parquet(task.answer, index=False)
    return taken
