"""What the tests of ledgers share: facts in a word, and builds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rollbook.ledger import Built, LedgerStore, build, opened
from rollbook.model.fact import Fact
from rollbook.model.instants import to_us

AT = datetime(2026, 11, 1, tzinfo=UTC)


def at(day: int, hour: int = 9) -> int:
    """An instant in March 2026."""
    return to_us(datetime(2026, 3, day, hour, tzinfo=UTC))


def login(id_: str, learner: str = "ana", day: int = 2, **more: str) -> Fact:
    """That somebody logged in."""
    return Fact(id=id_, at_us=at(day), type="login", learner=learner, **more)


def void(id_: str, target: str, day: int = 20, **more: str) -> Fact:
    """That a fact is taken back."""
    return Fact(id=id_, at_us=at(day), type="fact.voided", voids=target, **more)


def add(folder: Path, *facts: Fact) -> Built:
    """Builds from facts."""
    return build(folder, [list(facts)], at=AT)


def numbers(built: Built) -> tuple[int, int, int, int]:
    """Rows, added, repeats, rejected; they add up."""
    record = built.record
    assert record.rows == record.added + record.duplicates + record.rejected
    return record.rows, record.added, record.duplicates, record.rejected


@contextmanager
def store_of(folder: Path) -> Iterator[LedgerStore]:
    """The ledger, opened."""
    with opened([folder]) as store:
        assert isinstance(store, LedgerStore)
        yield store


def kept(folder: Path) -> set[Fact]:
    """All facts of a ledger; each is there once."""
    with store_of(folder) as store:
        found = list(store.iterate())
        assert len({fact.key for fact in found}) == len(found) == store.facts == store.rows
        return set(found)


def targets(folder: Path) -> set[tuple[str, str, str, str]]:
    """What voids name: organisation, source, id and, through its number, who it was about."""
    with store_of(folder) as store:
        rows = store.connection.execute(
            "select targets.organisation, targets.source, targets.id, learner from targets left join facts "
            "on facts.number = targets.number and facts.source = targets.source and facts.id = targets.id "
            "and facts.organisation = targets.organisation"
        ).fetchall()
    return set(rows)
