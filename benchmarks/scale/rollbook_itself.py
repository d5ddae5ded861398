"""Rollbook: 200 subscriptions in one query, as the library's own functions run it.

It also refuses what contradicts itself, sees what falls before the term, and finds who is new, continuing or back; the
others need none of this for the answer. From a ledger it finds numbers, as the others do; `named` asks for everything
by name, as from the facts themselves.
"""

from __future__ import annotations

from contextlib import closing

from benchmarks.count import two_threads
from benchmarks.scale.clock import Clock, Taken
from benchmarks.scale.workload import AS_OF_US, LIMIT, Coded, Task, subscriptions

from rollbook.engines import duckdb as fast
from rollbook.intake import FactStore, ReadOptions
from rollbook.ledger import LedgerStore, opened

NAMED = """
    create temp table answer as
    select subscription, window_number, unit as learner, first_us, id, facts from activations
    """


def facts(task: Task) -> Taken:
    """From the facts as they came."""
    asked = subscriptions()
    two_threads()
    clock = Clock()
    with closing(opened([str(task.facts)], _options())) as store:
        fast.meter(store.connection, asked, AS_OF_US, first_us=store.first_us)
        store.connection.execute(NAMED)
        taken = clock.stop()
        _write(store, task)
    return taken


def ledger(task: Task, coded: Coded) -> Taken:
    """From a ledger, by numbers."""
    starts = f"({list(coded.starts)})[(number >> 46) + 1]"
    numbers = f"""
        create temp table answer as
        select subscription, window_number, unit as learner_number, first_us,
               ({starts} + (number & ((1::bigint << 46) - 1)) - 1)::bigint as fact_row, facts
        from active where window_number >= 1
        """
    return _from_ledger(task, numbers, numbers=True)


def named(task: Task, _coded: Coded) -> Taken:
    """From a ledger, by name: the same answer as from the facts themselves."""
    return _from_ledger(task, NAMED)


def _from_ledger(task: Task, statement: str, *, numbers: bool = False) -> Taken:
    """By numbers the answer is there when the pass is done: what follows copies it for the comparison."""
    asked = subscriptions()
    two_threads()
    clock = Clock()
    with closing(opened([str(task.ledger)], _options())) as store:
        if not isinstance(store, LedgerStore):
            raise SystemExit(f"{task.ledger} is no ledger")
        fast.meter(store.connection, asked, AS_OF_US, first_us=store.first_us, ledger=store)
        taken = clock.stop() if numbers else None
        store.connection.execute(statement)
        taken = taken or clock.stop()
        _write(store, task)
    return taken


def _options() -> ReadOptions:
    return ReadOptions(memory_limit=f"{LIMIT >> 20}MiB")


def _write(store: FactStore, task: Task) -> None:
    store.connection.execute(f"copy answer to '{task.answer}' (format parquet)")
