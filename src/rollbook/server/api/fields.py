"""The kinds of values that requests carry, bounded, and without what a database refuses."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field


class Body(Schema):
    """What a request says in its body. A field that is not known is refused: a typo must never be a silent default."""

    model_config = ConfigDict(extra="forbid")


NUMBER_MAX = 2**63 - 1
UNITS_MAX = 10**9
SEATS_MAX = 10**6
PAGE_MAX = 500

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _printable(text: str) -> str:
    if _CONTROLS.search(text):
        raise ValueError("it has control characters; leave them out")
    return text


def one_line(text: str) -> str:
    """The text, if it is one line without controls. Raises ValueError."""
    if "\n" in text or "\r" in text or text != text.strip():
        raise ValueError("it is to be one line, without spaces around it")
    return _printable(text)


Id = Annotated[int, Field(ge=1, le=NUMBER_MAX, description="the number of an object")]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
OptionalLine = Annotated[str, Field(max_length=500), AfterValidator(one_line)]
Reason = Annotated[str, Field(min_length=3, max_length=500), AfterValidator(one_line)]
LearnerId = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_printable)]
Document = Annotated[str, Field(min_length=1, max_length=200_000), AfterValidator(_printable)]
Email = Annotated[
    str, Field(min_length=3, max_length=150, pattern=r"^[^@\s\x00-\x1f\x7f]{1,100}@[A-Za-z0-9.-]{1,120}$")
]
Units = Annotated[int, Field(ge=0, le=UNITS_MAX)]
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX, description="how many at most")]
Cursor = Annotated[int, Field(ge=0, le=NUMBER_MAX, description="`next` of the page before")]
Day = Annotated[
    date,
    Field(ge=date(1970, 1, 1), le=date(2198, 12, 31), description="a whole day in the zone of what it is about"),
]
Zone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_+\-/]*$")]
Name = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9._-]+$")]
Organisation = Annotated[str, Field(max_length=256), AfterValidator(_printable)]
Text = Annotated[str, Field(max_length=1024), AfterValidator(_printable)]
"""What something is called in facts: as it stands there, with whatever spaces it has."""
