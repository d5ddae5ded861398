"""ClickHouse in the process, through chDB.

The first fact is the least tuple of (instant, source, id). Columns that may be null by their type and never are lose
it first, and the organisations' numbers and (organisation, day) are as in DuckDB.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.generate import COUNTED
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import LIMIT, THREADS, Coded, Task
from chdb.session import Session

from rollbook.metering.steps import quoted_list

PLACED = "join cal on cal.key = subscription * 65536 + intDiv(at_us, 86400000000)"
WITHIN = "at_us >= from_us and at_us < to_us"


def facts(task: Task) -> Taken:
    """From the facts as they came."""
    clock = Clock()
    with Session() as session:
        _begin(session, task)
        rows = _parquet(task.facts)
        session.query(
            f"""
            create table answer engine = Memory as
            select subscription, window_number, learner, first.1 as first_us, first.3 as id, facts
            from (
                select subscription, window_number, learner, min((at_us, source, id)) as first, count() as facts
                from (
                    select distinct assumeNotNull(source) as source, assumeNotNull(id) as id, subscription,
                           assumeNotNull(learner) as learner,
                           toUnixTimestamp64Micro(assumeNotNull(occurred_at)) as at_us
                    from {rows} as fact join orgs on orgs.organisation = fact.organisation
                    where type in ({quoted_list(COUNTED)}) and role <> 'system'
                ) as counted
                {PLACED}
                where {WITHIN} and (subscription, source, id) not in (
                    select subscription, assumeNotNull(source), assumeNotNull(voids)
                    from {rows} as fact join orgs on orgs.organisation = fact.organisation
                    where type = 'fact.voided')
                group by subscription, window_number, learner
            )
            """
        )
        return _end(session, clock, task)


def ledger(task: Task, coded: Coded) -> Taken:
    """From the numbers of a ledger."""
    clock = Clock()
    with Session() as session:
        _begin(session, task)
        names, starts = [path.name for path in coded.files], list(coded.starts)
        rows = _parquet(coded.files[0].with_name("facts-*.parquet"))
        session.query(
            f"""
            create table answer engine = Memory as
            select subscription, window_number, learner_number, min(at_us) as first_us, min(number) as fact_row,
                   count() as facts
            from (
                select subscription, assumeNotNull(learner_number) as learner_number,
                       toUnixTimestamp64Micro(assumeNotNull(occurred_at)) as at_us,
                       toInt64(transform(toString(_file), {names}, {starts}, 0) + _row_number) as number
                from {rows} as fact join orgs on orgs.organisation = fact.organisation
                where kind in ({", ".join(map(str, coded.kinds))})
            ) as counted
            {PLACED}
            where {WITHIN} and number not in (select assumeNotNull(fact_row) from {_parquet(coded.voided)})
            group by subscription, window_number, learner_number
            """
        )
        return _end(session, clock, task)


def _begin(session: Session, task: Task) -> None:
    for setting in (f"max_threads = {THREADS}", f"max_memory_usage = {LIMIT}", "session_timezone = 'UTC'"):
        session.query(f"set {setting}")
    # Beyond half of what is allowed, groups are put on disk.
    session.query(f"set max_bytes_before_external_group_by = {LIMIT // 2}")
    session.query("create database work")
    session.query("use work")
    days = _parquet(task.calendar)
    session.query(
        f"""create table orgs engine = Memory as
            select distinct assumeNotNull(organisation) as organisation, assumeNotNull(subscription) as subscription
            from {days}"""
    )
    session.query(
        f"""create table cal engine = Memory as
            select assumeNotNull(subscription) * 65536 + assumeNotNull(day) as key, assumeNotNull(from_us) as from_us,
                   assumeNotNull(to_us) as to_us, assumeNotNull(window_number) as window_number
            from {days}"""
    )


def _end(session: Session, clock: Clock, task: Task) -> Taken:
    taken = clock.stop()
    session.query(f"insert into function {_parquet(task.answer)} select * from answer")
    return taken


def _parquet(path: Path) -> str:
    return f"file('{path}', Parquet)"
