"""docs/server/roster.md shows how a roster is sent: its calls are made, one after the other."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.server.operated import Operated
from tests.server.test_api_documentation import MAKE, shape

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/server/roster.md").read_text()
EXAMPLE = re.compile(r"```sh\n(.*?)```\n\n```json\n(.*?)```", re.DOTALL)

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
    answers = []
    with made.serving() as server:
        for call, shown in EXAMPLE.findall(section):
            ran = subprocess.run(
                ["/bin/bash", "-euo", "pipefail", "-c", call],
                cwd=tmp_path,
                env=made.environment | given | {"ROLLBOOK_URL": server.url},
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
            answers.append((json.loads(ran.stdout), json.loads(shown)))
    assert len(answers) == 2
    for answer, shown in answers:
        assert shape(answer) == shape(shown)
        assert answer["decided"] == shown["decided"]
    assert answers[1][0]["new"] == answers[1][1]["new"]
