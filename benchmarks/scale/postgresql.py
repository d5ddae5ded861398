"""PostgreSQL: up to ten million facts, from the facts as they came. Its table is filled before the clock starts.

The server is one of its own on this machine, and ends with the run. Two processes work on a query. PostgreSQL has no
least row of several columns, and `distinct on` sorts everything: the first fact is the least text put together of
instant, source and id, in the order of bytes.
"""

from __future__ import annotations

import psycopg
import pyarrow as pa
from benchmarks.generate import COUNTED
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import THREADS, Task
from pyarrow import parquet

from rollbook.metering.steps import quoted_list
from tests.postgres import database, server

SETTINGS = {
    "shared_buffers": "1GB",
    "work_mem": "1GB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
    "max_parallel_workers_per_gather": str(THREADS - 1),
    "fsync": "off",
}

COLUMNS = ("id", "occurred_at", "organisation", "learner", "type", "role", "source", "voids")

TABLES = (
    "set time zone 'UTC'",
    """create unlogged table facts (id text collate "C" not null, occurred_at timestamptz not null,
       organisation text collate "C" not null, learner text collate "C" not null, type text collate "C" not null,
       role text collate "C" not null, source text collate "C" not null, voids text collate "C")""",
    """create unlogged table days (organisation text collate "C" not null, subscription int not null, day int not null,
       from_us bigint not null, to_us bigint not null, window_number int not null)""",
)

AT_US = "(extract(epoch from occurred_at) * 1000000)::bigint"

ANSWER = f"""
    create temp table answer as
    select subscription, window_number, learner, split_part(first, E'\\x01', 1)::bigint as first_us,
           split_part(first, E'\\x01', 3) as id, facts
    from (
        select subscription, window_number, learner,
               min(at_us::text collate "C" || E'\\x01' || source || E'\\x01' || id) as first, count(*) as facts
        from (
            select distinct source, id, organisation, learner, {AT_US} as at_us
            from facts where type in ({quoted_list(COUNTED)}) and role <> 'system'
        ) as counted
        join days on days.organisation = counted.organisation and day = at_us / 86400000000
                 and at_us >= from_us and at_us < to_us
        where not exists (
            select 1 from facts as void
            where void.type = 'fact.voided' and void.organisation = counted.organisation
              and void.source = counted.source and void.voids = counted.id)
        group by subscription, window_number, learner
    ) as found
    """


def facts(task: Task) -> Taken:
    """From a table of the facts as they came."""
    with server(**SETTINGS) as urls, database(urls) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in TABLES:
            connection.execute(statement)
        _fill(connection, "facts", parquet.ParquetFile(task.facts), COLUMNS)
        days = parquet.ParquetFile(task.calendar)
        _fill(connection, "days", days, tuple(days.schema_arrow.names))
        connection.execute("vacuum analyze")
        clock = Clock()
        connection.execute(ANSWER)
        taken = clock.stop(elsewhere=True)
        with connection.cursor() as cursor:
            found = cursor.execute("select * from answer").fetchall()
        names = ("subscription", "window_number", "learner", "first_us", "id", "facts")
        columns = zip(*found, strict=True)
        parquet.write_table(pa.table(dict(zip(names, map(list, columns), strict=True))), task.answer)
    return taken


def _fill(connection: psycopg.Connection, table: str, file: parquet.ParquetFile, columns: tuple[str, ...]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin") as copy:
        for batch in file.iter_batches(50_000, columns=list(columns)):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                copy.write_row(row)
