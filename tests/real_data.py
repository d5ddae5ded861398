"""Real facts that are no part of the project, where `ROLLBOOK_REAL_DATA` names the directory that has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HOW_TO_GET_IT = (
    "the Open University facts are not here: set ROLLBOOK_REAL_DATA to a directory that has oulad/enrolment_facts.csv, "
    "made from studentRegistration.csv and courses.csv of the Open University Learning Analytics Dataset "
    "(https://analyse.kmi.open.ac.uk/open_dataset)"
)


def open_university() -> Path:
    """The Open University's enrolments; without them a test skips, and where they are required it fails."""
    found = Path(os.environ.get("ROLLBOOK_REAL_DATA", "/nowhere")) / "oulad" / "enrolment_facts.csv"
    if not found.is_file():
        (pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip)(HOW_TO_GET_IT)
    return found
