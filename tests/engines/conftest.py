"""Each test that asks for a connection runs on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engines import lives
from tests.engines.sparks import spark_here

__all__ = ["spark_here"]


@pytest.fixture(params=lives.DATABASES)
def connection(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A connection to a database with the tables and no rows."""
    if request.param == "sqlite":
        with lives.sqlite() as made:
            yield made
    else:
        with lives.postgresql(request.getfixturevalue("postgres_url")) as made:
            yield made
