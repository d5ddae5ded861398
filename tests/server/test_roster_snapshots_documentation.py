"""docs/server/roster.md shows how a roster is sent: its calls are made, one after the other."""

from __future__ import annotations

from pathlib import Path

from tests.server.documented import answers
from tests.server.operated import Operated
from tests.server.test_api_documentation import MAKE, shape

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/server/roster.md").read_text()

THERE = """
import sys
sys.path.insert(0, "{root}")
from tests.server.world import customer
print(customer("Harbour College", ("harbour",)).pk)
"""


def test_a_roster_is_shown_and_taken_in_as_the_guide_says(tmp_path):
    made = Operated(tmp_path, f"sqlite:///{tmp_path}/rollbook.db")
    made.done("migrate")
    assert made.python(THERE.format(root=ROOT)).strip() == "1"
    given = {"ROLLBOOK_KEY": made.python(MAKE).strip()}
    section = TEXT.partition("## Sending a roster")[2].partition("\n## ")[0]
    found = answers(made, tmp_path, section, given)
    assert len(found) == 2
    for answer, shown in found:
        assert shape(answer) == shape(shown)
        assert answer["decided"] == shown["decided"]
    assert found[1][0]["new"] == found[1][1]["new"]
