"""Stores facts once for ever, whichever way they come.

(owner, source, id) is settled by a constraint: the first one committed stands, the same again changes nothing, and the
same with other content is told as a conflict. An owner is whose ids they are: a customer of the server. Keys are
inserted in order, so two batches that share some wait for each other in one direction only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from rollbook.engines.database import schema
from rollbook.engines.database.connected import prepare
from rollbook.engines.database.dialects import Database
from rollbook.model.fact import Fact
from rollbook.model.instants import DAY_US

DIGEST_BYTES = 16

_encode = msgspec.json.Encoder().encode
_CONTENT = attrgetter(*(name for name in Fact.__struct_fields__ if name != "recorded_us"))


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch, by the places of its facts.

    new         (place, number) of those stored now; numbers rise for ever
    duplicates  places of those that are stored with the same content
    conflicts   places of those whose (source, id) is stored of this owner with other content
    """

    new: tuple[tuple[int, int], ...]
    duplicates: tuple[int, ...]
    conflicts: tuple[int, ...]


def digest(fact: Fact) -> bytes:
    """Of the content: what must be the same when a fact is delivered again. When it was received may differ."""
    return hashlib.blake2b(_encode(_CONTENT(fact)), digest_size=DIGEST_BYTES).digest()


def store(cursor: Any, facts: Sequence[Fact], owner: int = 0, *, alone: bool = False) -> Stored:
    """Stores the facts of an owner that are new, in the caller's transaction.

    alone  the caller keeps everybody else from storing facts of this owner until its transaction ends
    """
    database = prepare(cursor)
    first: dict[tuple[str, str], int] = {}
    for place, fact in enumerate(facts):
        first.setdefault((fact.source, fact.id), place)
    numbers = _insert(database, owner, facts, first, alone=alone) if facts else {}
    kept = _digests(database, owner, [key for key, place in first.items() if place not in numbers])
    duplicates: list[int] = []
    conflicts: list[int] = []
    for place, fact in enumerate(facts):
        if place not in numbers:
            same = digest(fact) == (kept.get(fact.key) or digest(facts[first[fact.key]]))
            (duplicates if same else conflicts).append(place)
    return Stored(tuple(sorted(numbers.items())), tuple(duplicates), tuple(conflicts))


def _insert(
    database: Database, owner: int, facts: Sequence[Fact], first: Mapping[tuple[str, str], int], *, alone: bool
) -> dict[int, int]:
    """The numbers of those facts that are new, by their places. `first`: the place of the first fact of each key."""
    if database.dialect.name == "postgresql":
        from rollbook.engines.database import copying  # noqa: PLC0415 - SQLite needs no driver

        return copying.insert(database, owner, facts, first, digest, alone=alone)  # type: ignore[arg-type]
    numbers: dict[int, int] = {}
    for place in first.values():
        fact = facts[place]
        found = database.run(
            "insert into fact_key (owner, source, id, digest) values (:owner, :source, :id, :digest) "
            "on conflict do nothing returning number",
            {"owner": owner, "source": fact.source, "id": fact.id, "digest": digest(fact)},
        ).fetchone()
        if found:
            numbers[place] = found[0]
    values = ", ".join(f":{name}" for name in schema.FACT)
    database.run_many(
        f"insert into fact ({', '.join(schema.FACT)}) values ({values})",
        [_stored(facts[place], number) for place, number in numbers.items()],
    )
    return numbers


def _stored(fact: Fact, number: int) -> dict[str, Any]:
    """The row of a fact, by `schema.FACT`."""
    computed = {"number": number, "day": fact.at_us // DAY_US, "status": schema.is_kept_for_ever(fact.type)}
    return {name: computed[name] if name in computed else getattr(fact, name) for name in schema.FACT}


def _digests(database: Database, owner: int, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """The content that is stored under these keys; of those that another transaction committed meanwhile, too."""
    if not keys:
        return {}
    dialect = database.dialect
    asked = dialect.rows("asked", {"source": "text", "id": "text"})
    where = f"fact_key.owner = {dialect.value('owner')} and fact_key.source = asked.source and fact_key.id = asked.id"
    rows = database.rows(
        f"""select fact_key.source, fact_key.id, fact_key.digest from ({asked}) as asked
            {dialect.find("fact_key", where)}""",
        {"asked": list(keys), "owner": owner},
    )
    return {(source, id_): bytes(content) for source, id_, content in rows}
