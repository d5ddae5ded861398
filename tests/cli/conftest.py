"""What the tests of the commands share: one small ledger that everybody can count."""

from __future__ import annotations

from pathlib import Path

import pytest

from .calls import LEDGER, write_facts


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return write_facts(tmp_path / "ledger.csv", *LEDGER)
