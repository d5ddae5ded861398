"""Makes facts to measure with: as many as asked, the same ones every time, in the shape that real exports have.

    python benchmarks/generate.py 10000000 facts.parquet

Every value of a row follows from the seed and a row number alone, through a digest: nothing is remembered from row
to row, so memory stays bounded whatever the size, and a repeat or a void can name any other row.

What is made: 24 months from 2024 in random order; 200 organisations, the k-th with about 1/k of the learners of the
first; 3 million learners for each 100 million facts, and at least 300,000, each of whom learns for 120 days from some
day on; 12 types, equally often. One fact in ten
knows only its day, so instants tie and lie on the edges of months. One row in a hundred repeats another exactly, and
one in a thousand is a void of an earlier fact.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb

ORGANISATIONS = 200
LEARNERS_LEAST = 300_000
FACTS_A_LEARNER = 33
FIRST_SECOND = 1_704_067_200
"""2024-01-01, UTC."""
SECONDS = 731 * 86_400
"""To 2026-01-01."""
LEARNING_SECONDS = 120 * 86_400
"""From a learner's first fact to the last, about: a course or two."""

REPEATS_EVERY, VOIDS_EVERY = 100, 1000

COUNTED = (
    "course.started",
    "lesson.started",
    "lesson.resumed",
    "microlearning.opened",
    "material.accessed",
    "ilt.attended",
)
"""The half of the types that the measured plan counts."""

OTHERS = ("login", "session.entered", "path.viewed", "course.viewed", "course.completed", "enrolment.enabled")

TYPES = COUNTED + OTHERS

ROW_GROUP = 250_000
"""Rows of one group of the file: enough groups for every thread, few enough to read fast."""


def generate(path: Path, rows: int, seed: int = 1, threads: int = 2) -> None:
    """Writes a Parquet file of the canonical columns."""
    connection = duckdb.connect(config={"threads": threads, "memory_limit": "2GB"})
    with connection:
        for macro in macros(rows, seed):
            connection.execute(f"create macro {macro}")
        # Numbers out of a table, eight bytes each, are worked on by all threads; numbers out of `range` by one.
        connection.execute(f"create table numbers as select i from range({rows}) as counting(i)")
        connection.execute(
            f"copy ({facts_sql()}) to '{path}' (format parquet, compression zstd, row_group_size {ROW_GROUP})"
        )


def macros(rows: int, seed: int) -> tuple[str, ...]:
    """What a row number says about a fact. `draw` is its lot: each value takes a digit of it, in a base of its own."""
    learners = max(LEARNERS_LEAST, rows // FACTS_A_LEARNER)
    return (
        f"digest(name, i) as md5(concat(name, ' ', i, ' of ', {seed}))",
        f"draw(name, i) as md5_number_lower(concat(name, ' ', i, ' of ', {seed}))",
        # A repeat is any other row; a void names a row that is neither a repeat nor a void.
        f"is_repeat(i) as i % {REPEATS_EVERY} = {REPEATS_EVERY - 1}",
        f"is_void(i) as i % {VOIDS_EVERY} = {VOIDS_EVERY // 2}",
        f"""repeated(i) as (draw('repeat', i) % {rows})::bigint
            - case when is_repeat(draw('repeat', i) % {rows}) then 1 else 0 end""",
        f"voided(i) as least((draw('void', i) % {rows})::bigint // 10 * 10 + 3, {rows} - 1)",
        "text_id(name, i) as digest(name, i)::uuid::varchar",
        f"learner_number(lot) as lot % {learners}",
        f"""begins(lot) as
            (draw('begin of', learner_number(lot)) % {SECONDS - LEARNING_SECONDS})::bigint""",
        f"second_of(lot) as begins(lot) + (lot // {learners} % {LEARNING_SECONDS})::bigint",
        f"type_number(lot) as (lot // {learners} // {LEARNING_SECONDS} % {len(TYPES)})::bigint",
        f"rest_of(lot) as (lot // {learners} // {LEARNING_SECONDS} // {len(TYPES)})",
        "whole_day(lot) as rest_of(lot) % 10 = 0",
        """at_second(lot) as
            case when whole_day(lot) then second_of(lot) - second_of(lot) % 86400 else second_of(lot) end""",
        # floor(201 ^ u) of an even u in [0, 1) is k with a probability that falls as 1/k.
        f"""organisation_of(lot) as 'organisation-' || lpad(floor(pow({ORGANISATIONS + 1},
            (draw('organisation of', learner_number(lot)) % 1000003) / 1000003.0))::int::varchar, 3, '0')""",
        f"type_of(lot) as ([{', '.join(repr(type_) for type_ in TYPES)}])[type_number(lot) + 1]",
        """role_of(lot) as
            case rest_of(lot) // 10 % 100 when 0 then 'system' when 1 then 'instructor' else 'learner' end""",
        f"source_of(lot) as case when type_number(lot) = {TYPES.index('ilt.attended')} then 'webinar' else 'lms' end",
    )


def facts_sql() -> str:
    """SQL of the rows: a plain fact, or a void with the organisation and source of its target, and some time after."""
    lots = """
        select fact, is_void(fact) as void, case when is_void(fact) then voided(fact) end as target,
               draw('fact', coalesce(target, fact)) as lot
        from (select case when is_repeat(i) then repeated(i) else i end as fact from numbers)
        """
    delay = f"case when void then draw('delay', fact) % ({SECONDS} - at_second(lot)) else 0 end"
    return f"""
        select text_id('fact', fact) as id,
               make_timestamptz(({FIRST_SECOND} + at_second(lot) + ({delay})::bigint) * 1000000) as occurred_at,
               organisation_of(lot) as organisation,
               case when void then '' else text_id('learner', learner_number(lot)) end as learner,
               case when void then 'fact.voided' else type_of(lot) end as type,
               case when void then 'admin' else role_of(lot) end as role,
               source_of(lot) as source,
               case when void then text_id('fact', target) end as voids
        from ({lots})
        """


def main() -> None:
    """Writes the file that the arguments name."""
    parser = argparse.ArgumentParser(description="Make facts to measure with.")
    parser.add_argument("rows", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generate(arguments.path, arguments.rows, arguments.seed)


if __name__ == "__main__":
    main()
