"""Apache DataFusion.

The first fact is the least text put together of instant, source and id: half the processors' time of `first_value`
with an order. The least struct, as in DuckDB, asks for hundreds of gigabytes and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from benchmarks.generate import COUNTED
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import LIMIT, THREADS, Coded, Task
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext
from pyarrow import parquet

from rollbook.metering.steps import quoted_list

SEPARATOR = "chr(1)"
"""Less than any character of a source, so that texts put together compare as their parts do."""

AT_US = "arrow_cast(arrow_cast(occurred_at, 'Timestamp(Microsecond, None)'), 'Int64')"

PLACED = """
    join (select subscription * 65536 + day as key, from_us, to_us, window_number from calendar) as days
      on days.key = counted.subscription * 65536 + cast(at_us / 86400000000 as int)
     and at_us >= from_us and at_us < to_us
    """


def facts(task: Task) -> Taken:
    """From the facts as they came."""
    clock = Clock()
    context = _context(task)
    context.register_parquet("facts", str(task.facts))
    context.register_parquet("calendar", str(task.calendar))
    orgs = "(select distinct organisation, subscription from calendar) as orgs"
    return _answered(
        context,
        f"""
        select subscription, window_number, learner, cast(substr(first, 1, 16) as bigint) as first_us,
               split_part(first, {SEPARATOR}, 3) as id, facts
        from (
            select counted.subscription, window_number, learner,
                   min(concat(at_us, {SEPARATOR}, counted.source, {SEPARATOR}, counted.id)) as first, count(*) as facts
            from (
                select distinct source, id, subscription, learner, {AT_US} as at_us
                from facts join {orgs} on orgs.organisation = facts.organisation
                where type in ({quoted_list(COUNTED)}) and role <> 'system'
            ) as counted
            left anti join (
                select subscription, source, voids as id
                from facts join {orgs} on orgs.organisation = facts.organisation
                where type = 'fact.voided'
            ) as voided
              on voided.subscription = counted.subscription and voided.source = counted.source
             and voided.id = counted.id
            {PLACED}
            group by counted.subscription, window_number, learner
        )
        """,
        clock,
        task,
    )


def ledger(task: Task, coded: Coded) -> Taken:
    """From a ledger. Its SQL cannot number rows: the columns come through Arrow, with their numbers beside them."""
    clock = Clock()
    context = _context(task)
    context.register_parquet("calendar", str(task.calendar))
    context.register_parquet("voided", str(coded.voided))
    batches = [batch for path, start in zip(coded.files, coded.starts, strict=True) for batch in _numbered(path, start)]
    context.register_record_batches("facts", [batches[part::THREADS] for part in range(THREADS)])
    return _answered(
        context,
        f"""
        select counted.subscription, window_number, learner_number, min(at_us) as first_us,
               min(counted.fact_row) as fact_row, count(*) as facts
        from (
            select subscription, learner_number, {AT_US} as at_us, fact_row
            from facts
            join (select distinct organisation, subscription from calendar) as orgs
              on orgs.organisation = facts.organisation
            where kind in ({", ".join(map(str, coded.kinds))})
        ) as counted
        left anti join voided on voided.fact_row = counted.fact_row
        {PLACED}
        group by counted.subscription, window_number, learner_number
        """,
        clock,
        task,
    )


def _context(task: Task) -> SessionContext:
    runtime = RuntimeEnvBuilder().with_disk_manager_specified(str(task.scratch)).with_fair_spill_pool(LIMIT)
    return SessionContext(SessionConfig().with_target_partitions(THREADS), runtime)


def _numbered(path: Path, start: int) -> Iterator[pa.RecordBatch]:
    """What a file of a ledger has in the columns that are needed, with the number of each row."""
    columns = ["organisation", "learner_number", "occurred_at", "kind"]
    with parquet.ParquetFile(path, read_dictionary=["organisation"]) as file:
        for batch in file.iter_batches(1 << 17, columns=columns):
            rows = pa.array(np.arange(start, start + len(batch)))
            start += len(batch)
            yield batch.append_column("fact_row", rows)


def _answered(context: SessionContext, sql: str, clock: Clock, task: Task) -> Taken:
    answer = context.sql(sql)
    batches = answer.collect()
    taken = clock.stop()
    parquet.write_table(pa.Table.from_batches(batches, schema=batches[0].schema), task.answer)
    return taken
