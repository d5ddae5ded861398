"""Tables of tests are small, and are to be read as large ones are: by columns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollbook.intake import loader


@pytest.fixture(autouse=True, scope="module")
def _by_columns() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "FEW_ROWS", 0)
        yield
