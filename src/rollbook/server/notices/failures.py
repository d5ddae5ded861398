"""What went wrong, for the log: the kind of error and where it arose, never its words, which may name a learner."""

from __future__ import annotations

import traceback
from pathlib import Path

FRAMES_MAX = 6
"""The innermost places of code that are named."""


def told(error: BaseException) -> dict[str, object]:
    """Values for a line of the log."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "at": places}
