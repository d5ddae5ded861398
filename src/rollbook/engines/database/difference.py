"""What is live becomes what was found, by difference: rows that are the same are not written.

A table's new rows and its old ones lie in temporary tables. Most batches change the number of facts of a few rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollbook.engines.database import schema
from rollbook.engines.database.dialects import Database, Row
from rollbook.engines.database.subscriptions import LiveSubscription


@dataclass(frozen=True, slots=True)
class Table:
    """A live table with the temporary ones of its rows as found, and as they are."""

    name: str
    new: str
    old: str

    @property
    def columns(self) -> tuple[str, ...]:
        """All but the subscription."""
        return tuple(schema.LIVE[self.name])

    @property
    def keys(self) -> tuple[str, ...]:
        """What a row is found by."""
        return schema.KEYS[self.name]

    @property
    def values(self) -> tuple[str, ...]:
        """What may change."""
        return tuple(column for column in self.columns if column not in self.keys)

    def joined(self, one: str, two: str) -> str:
        """SQL of the rows of `one`, with the same row of `two` where there is one."""
        same = " and ".join(f"{two}.{key} = {one}.{key}" for key in self.keys)
        return f"{one} left join {two} on {same}"

    def changed(self) -> str:
        """SQL of the condition that a row is new, or was another; over `joined(new, old)`."""
        new, old = (", ".join(f"{side}.{value}" for value in self.values) for side in (self.new, self.old))
        return f"({self.old}.{self.keys[0]} is null or ({new}) <> ({old}))"


ACTIVATION = Table("activation", "live_new", "live_old")
HOLDING = Table("holding", "live_holdings", "live_holdings_old")
OPENING = Table("opening", "live_opening", "live_opening_old")


def apply(database: Database, live: LiveSubscription, table: Table) -> None:
    """Writes what changed, and removes what is gone."""
    key = database.dialect.value("key")
    columns = ", ".join(table.columns)
    given = ", ".join(f"{table.new}.{column}" for column in table.columns)
    changes = ", ".join(f"{value} = excluded.{value}" for value in table.values)
    database.run(
        f"""insert into {table.name} (subscription, {columns})
            select {key}, {given} from {table.joined(table.new, table.old)} where {table.changed()}
            on conflict (subscription, {", ".join(table.keys)}) do update set {changes}""",
        {"key": live.key},
    )
    if gone := _gone(database, table):
        dialect = database.dialect
        same = " and ".join(f"{name} = {dialect.placeholder(name)}" for name in table.keys)
        database.run_many(
            f"delete from {table.name} where subscription = {dialect.placeholder('key')} and {same}",
            [{"key": live.key, **dict(zip(table.keys, row, strict=True))} for row in gone],
        )


def _gone(database: Database, table: Table) -> list[Row]:
    keys = ", ".join(f"{table.old}.{key}" for key in table.keys)
    return database.rows(
        f"select {keys} from {table.joined(table.old, table.new)} where {table.new}.{table.keys[0]} is null"
    )


def tally(database: Database, live: LiveSubscription) -> None:
    """Adds to the tallies what there is more of, or less."""
    dialect = database.dialect
    cuts = live.cuts()
    columns = ", ".join(schema.TALLY)
    keys = ", ".join(schema.KEYS["tally"])
    counted = ", ".join(name if name != "segment" else "segment_of" for name in schema.KEYS["tally"])
    segment = segment_sql(dialect.rows("cuts", CUTS), "every") if cuts else "0"
    parameters: Mapping[str, object] = {"key": live.key, **({"cuts": cuts} if cuts else {})}
    database.run(
        f"""insert into tally (subscription, {columns})
            select {dialect.value("key")}, {counted}, sum(one)
            from (select every.window_number, organisation, {segment} as segment_of, class, guest, one
                  from (select window_number, organisation, class, guest, first_us, 1 as one from {ACTIVATION.new}
                        union all
                        select window_number, organisation, class, guest, first_us, -1 from {ACTIVATION.old}) as every
                 ) as cut_up
            group by {counted} having sum(one) <> 0
            on conflict (subscription, {keys}) do update set units = tally.units + excluded.units""",
        parameters,  # type: ignore[arg-type]
    )


CUTS = {"window_number": "integer", "at_us": "bigint"}


def segment_sql(cuts: str, relation: str) -> str:
    """How many cuts of a row's window lie at or before its first instant."""
    return f"""(select count(*) from ({cuts}) as cut
                where cut.window_number = {relation}.window_number and cut.at_us <= {relation}.first_us)"""
