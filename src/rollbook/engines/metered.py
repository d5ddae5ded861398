"""The result of metering: tables on a connection, whichever engine filled them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from rollbook.metering.outcome import Conflict
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window


@dataclass(frozen=True, slots=True)
class Metered:
    """What was found for each subscription; a subscription is named by its place in `subscriptions`.

    connection  has the relations
        activations  subscription, window_number, scope, organisation, unit, object, guest, class, first_us,
                     source, id, facts
        counts       subscription, window_number, class, active: how many activations; a class may have several rows
        held         subscription, organisation, unit, object, on_us, off_us (null while it goes on), on_source,
                     on_id, off_source, off_id; none for plans that count
        windows      subscription, window_number, start_us, end_us: those that have begun
        fates        subscription, source, id, fate: the disposition of every fact of a covered organisation
    windows     the same windows as values, by subscription
    conflicts   links that contradict each other, by subscription
    fate_counts how many facts ended so, by (subscription, fate), where the engine counted them by itself
    """

    connection: duckdb.DuckDBPyConnection
    subscriptions: tuple[Subscription, ...]
    as_of_us: int
    windows: tuple[tuple[Window, ...], ...]
    conflicts: tuple[tuple[Conflict, ...], ...]
    fate_counts: Mapping[tuple[int, str], int] | None = None

    def table(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The rows of a query over the relations above."""
        return self.connection.sql(sql, params=list(parameters)).to_arrow_table()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """The same, as tuples."""
        return self.connection.execute(sql, list(parameters)).fetchall()
