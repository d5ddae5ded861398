"""The two databases behind one way to run a statement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

Row: TypeAlias = tuple[Any, ...]
Parameter: TypeAlias = "int | str | bytes | Sequence[Row]"
"""One value, or the rows of a small relation."""


class Dialect(ABC):
    """How one database writes what the others write differently."""

    name: str

    @abstractmethod
    def placeholder(self, name: str) -> str:
        """A parameter within a statement."""

    @abstractmethod
    def text(self, sql: str) -> str:
        """SQL without parameters, as part of a statement that has some."""

    @abstractmethod
    def rows(self, name: str, columns: Mapping[str, str]) -> str:
        """The SELECT of a relation that is given as the parameter `name`."""

    @abstractmethod
    def find(self, table: str, where: str) -> str:
        """Joins rows of a large table to each row of what stands before in FROM: one by one, by an index."""

    @abstractmethod
    def onward(self, sides: Mapping[str, str]) -> str:
        """The recursive part of `met(scope, learner)`: one step to the other end of a fact, by its condition."""

    def value(self, name: str, kind: str = "bigint") -> str:
        """A parameter of a known type."""
        return f"cast({self.placeholder(name)} as {kind})"


class Database(ABC):
    """A connection, asked through a cursor of its own."""

    dialect: Dialect

    @abstractmethod
    def run(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Any:
        """Runs one statement; the cursor that answers, for its rows or their number."""

    @abstractmethod
    def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs one statement for each row."""

    @abstractmethod
    def has_temporary(self) -> bool:
        """Whether the connection has its temporary tables; a rollback may have taken them."""

    def script(self, statements: Iterable[str]) -> None:
        """Runs statements without parameters."""
        for statement in statements:
            self.run(statement)

    def clear(self, *tables: str) -> None:
        """Empties temporary tables."""
        self.script(f"delete from {table}" for table in tables)

    @contextmanager
    def pipelined(self) -> Iterator[None]:
        """Within, statements are sent without waiting for those before; whoever asks for rows waits for them."""
        yield

    @contextmanager
    def planned(self) -> Iterator[None]:
        """Within, statements are planned for temporary tables, whose sizes no statistics know."""
        yield

    def rows(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> list[Row]:
        """Runs one statement and gives all rows."""
        found: list[Row] = self.run(sql, parameters).fetchall()
        return found
