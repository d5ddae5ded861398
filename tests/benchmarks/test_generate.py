"""What is measured: facts of the promised shape, and two sides that find the same in them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from benchmarks.count import differences, measure
from benchmarks.generate import ORGANISATIONS, TYPES, generate

ROWS = 20_000


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "facts.parquet"
    generate(path, ROWS)
    return path


def number(path: Path, sql: str) -> int:
    with duckdb.connect() as connection:
        [(found,)] = connection.execute(sql, {"path": str(path)}).fetchall()
    return int(found)


def test_one_row_in_a_hundred_repeats_another_exactly(facts: Path) -> None:
    rows = number(facts, "select count(*) from read_parquet($path)")
    ids = number(facts, "select count(distinct (source, id)) from read_parquet($path)")
    contents = number(facts, "select count(*) from (select distinct * from read_parquet($path))")
    assert rows == ROWS
    assert ids == contents
    assert 0.008 < (rows - ids) / rows < 0.012


def test_one_row_in_a_thousand_is_a_void_of_an_earlier_fact(facts: Path) -> None:
    voids = number(facts, "select count(*) from read_parquet($path) where type = 'fact.voided'")
    earlier = """
        select count(*) from read_parquet($path) as void
        where type = 'fact.voided' and exists (
            from read_parquet($path) as fact
            where fact.id = void.voids and fact.source = void.source and fact.organisation = void.organisation
              and fact.occurred_at <= void.occurred_at and fact.type <> 'fact.voided')
        """
    assert 0.0005 < voids / ROWS < 0.0015
    assert number(facts, earlier) == voids


def test_every_type_and_nearly_every_organisation_occurs(facts: Path) -> None:
    assert number(facts, "select count(distinct type) from read_parquet($path)") == len(TYPES) + 1
    assert number(facts, "select count(distinct organisation) from read_parquet($path)") > ORGANISATIONS * 0.9


def test_a_seed_makes_the_same_facts_every_time_and_another_makes_others(facts: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", ROWS)
    generate(tmp_path / "other", ROWS, seed=2)
    digest = "select bit_xor(hash(fact)) from read_parquet($path) as fact"
    assert number(tmp_path / "again", digest) == number(facts, digest)
    assert number(tmp_path / "other", digest) != number(facts, digest)


def test_rollbook_and_the_query_by_hand_find_the_same(facts: Path) -> None:
    found = measure(facts, runs=1)
    assert differences(found) == []
    assert sum(found["rollbook"][0].months) == found["rollbook"][0].rows > 0
