"""Calls that documentation shows, with what it says they answer: made one after the other against a real server."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.server.operated import Operated

EXAMPLE = re.compile(r"```sh\n(.*?)```\n\n```json\n(.*?)```", re.DOTALL)


def answers(made: Operated, folder: Path, text: str, given: Mapping[str, str]) -> list[tuple[Any, Any]]:
    """(what was answered, what is shown) of every call in a text. `given` are variables of the shell."""
    found = []
    with made.serving() as server:
        for call, shown in EXAMPLE.findall(text):
            ran = subprocess.run(
                ["/bin/bash", "-euo", "pipefail", "-c", call],
                cwd=folder,
                env=made.environment | dict(given) | {"ROLLBOOK_URL": server.url},
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
            found.append((json.loads(ran.stdout), json.loads(shown)))
    return found
