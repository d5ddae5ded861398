"""The server's statements say what was worked out by hand for every case of a plan: the library closes, nobody else."""

from __future__ import annotations

import pytest

from tests.server.closings import server_lines
from tests.statements.running import StatementCase, all_statement_cases

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.mark.parametrize("case", all_statement_cases(), ids=lambda case: case.name)
def test_every_statement_of_a_case_is_as_it_was_worked_out_by_hand(case: StatementCase) -> None:
    """Facts come in when they arrive, and windows close at the instants of the case; no live count differs after."""
    assert [*server_lines(case)] == [*case.expected]
