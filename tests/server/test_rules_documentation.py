"""docs/server/rules.md shows what a server answers: each of its calls is made, one after the other."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tests.server.documented import answers
from tests.server.operated import Operated
from tests.server.test_api_documentation import MAKE, shape

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/server/rules.md").read_text()

THERE = """
import json, sys
from datetime import date
sys.path.insert(0, "{root}")
from rollbook.server.live import metering
from rollbook.server.receiving.ingest import Sender, ingest, read_rows
from tests.server.world import customer, subscribe
from rollbook.server.clock import now_us
mine = customer("Harbour College", ("harbour",))
row = subscribe(mine, "wisenet-elearning", date.fromisoformat("{start}"), zone="UTC")
metering.rebuild(row, now_us())
said = json.dumps({{"course": "Knots", "start": "{start}", "end": "{end}"}})
rows = [{{"id": who, "source": "lms", "occurred_at": "{start}T09:00:00Z", "organisation": "harbour", "learner": who,
          "type": "enrolment.created", "object": "Knots", "attributes": said}} for who in ("amina", "bruno")]
print(ingest(read_rows(rows), Sender("lms"), now_us()).new)
"""


def test_every_call_of_the_guide_is_answered_with_what_is_shown(tmp_path):
    made = Operated(tmp_path, f"sqlite:///{tmp_path}/rollbook.db")
    made.done("migrate")
    start = (datetime.now(UTC) - timedelta(days=3)).date().replace(day=1)
    end = date(start.year + 1, 6, 1)
    assert made.python(THERE.format(start=start, end=end, root=ROOT)).strip().endswith("2")
    given = {"ROLLBOOK_KEY": made.python(MAKE).strip(), "JSON": "Content-Type: application/json"}
    found = answers(made, tmp_path, TEXT, given)
    assert len(found) == 4
    for answer, shown in found:
        assert shape(answer) == shape(shown)
    put, dry, on, _ = (answer for answer, _ in found)
    assert (put["state"], on["state"]) == ("trial", "on")
    assert (dry["decided"], dry["newly_active"], dry["stopped"]) == ({"enrolment.enabled": 2}, 2, False)
