"""What a person who knows DuckDB well writes for exactly this work.

The same as in `benchmarks/count.py`, where it says what else was tried; beyond it, organisations become numbers before
repeats are sought, and (organisation, day) is one number, which saves a twentieth of the processors' time. Of the
ledger, reading the organisations' names, of which there are few, is a little quicker than going through the learners.
"""

from __future__ import annotations

import duckdb
from benchmarks.generate import COUNTED
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import LIMIT, THREADS, Coded, Task

from rollbook.metering.steps import quoted_list

DAY_US = 86_400_000_000

SMALL = (
    "create temp table orgs as select distinct organisation, subscription from read_parquet($calendar)",
    """create temp table cal as
       select subscription * 65536 + day as key, from_us, to_us, subscription * 65536 + window_number as slot
       from read_parquet($calendar)""",
)

PLACED = f"""
    join cal on key = subscription * 65536 + at_us // {DAY_US} and at_us >= from_us and at_us < to_us
    """

FACTS = (
    *SMALL,
    """create temp table voids as
       select distinct subscription, source, voids as id
       from read_parquet($facts) join orgs using (organisation)
       where type = 'fact.voided'""",
    f"""create temp table answer as
        select (slot // 65536)::integer as subscription, (slot % 65536)::integer as window_number, learner,
               first.at_us as first_us, first.id, facts
        from (
            select slot, learner, min({{'at_us': at_us, 'source': source, 'id': id}}) as first, count(*) as facts
            from (
                select distinct source, id, subscription, learner, epoch_us(occurred_at) as at_us
                from read_parquet($facts) join orgs using (organisation)
                where type in ({quoted_list(COUNTED)}) and role <> 'system'
            )
            anti join voids using (subscription, source, id)
            {PLACED}
            group by all
        )""",
)


def facts(task: Task) -> Taken:
    """From the facts as they came."""
    paths = {"facts": str(task.facts), "calendar": str(task.calendar)}
    return _answered(task, FACTS, paths)


REFUSED = (
    """create temp table repeated as
       select source, id from read_parquet($facts) group by source, id having count(*) > 1""",
    """create temp table contradicting as
       select source, id
       from (select distinct * from read_parquet($facts) semi join repeated using (source, id))
       group by source, id having count(*) > 1""",
)


def refusing(task: Task) -> Taken:
    """The same, where an id that comes again with another content counts not at all, as Rollbook has it."""
    unanimous = FACTS[-1].replace("anti join voids", "anti join contradicting using (source, id) anti join voids")
    paths = {"facts": str(task.facts), "calendar": str(task.calendar)}
    return _answered(task, (*REFUSED, *FACTS[:-1], unanimous), paths)


def ledger(task: Task, coded: Coded) -> Taken:
    """From the numbers of a ledger: the first fact is the one of the lowest row, for that is how they are sorted."""
    row = f"({list(coded.starts)})[file_index::bigint + 1] + file_row_number"
    statement = f"""
        create temp table answer as
        select (slot // 65536)::integer as subscription, (slot % 65536)::integer as window_number, learner_number,
               min(at_us) as first_us, min(fact_row) as fact_row, count(*) as facts
        from (
            select organisation, learner_number, epoch_us(occurred_at) as at_us, ({row})::bigint as fact_row
            from read_parquet($files, file_row_number = true)
            where kind in ({", ".join(map(str, coded.kinds))})
        )
        anti join read_parquet($voided) as voided using (fact_row)
        join orgs using (organisation)
        {PLACED}
        group by slot, learner_number
        """
    paths = {
        "files": [str(path) for path in coded.files],
        "voided": str(coded.voided),
        "calendar": str(task.calendar),
    }
    return _answered(task, (*SMALL, statement), paths)


def _answered(task: Task, statements: tuple[str, ...], paths: dict[str, str | list[str]]) -> Taken:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": THREADS,
        "memory_limit": f"{LIMIT >> 20}MiB",
        "temp_directory": str(task.scratch),
    }
    clock = Clock()
    with duckdb.connect(config=config) as connection:
        for statement in statements:
            named = {name: path for name, path in paths.items() if f"${name}" in statement}
            connection.execute(statement, named)
        taken = clock.stop()
        connection.execute(f"copy answer to '{task.answer}' (format parquet)")
    return taken
