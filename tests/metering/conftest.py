"""Ledgers in docstrings."""

from __future__ import annotations

import pytest

from rollbook.model.fact import Fact
from tests.metering import written


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> list[Fact]:
    """The facts in the last paragraph of the test's docstring, see `written`."""
    return written.facts((request.function.__doc__ or "").rstrip().split("\n\n")[-1])
