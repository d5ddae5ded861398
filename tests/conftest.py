"""What all tests share: how many random examples a run tries, and what a missing helper means."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("commit", max_examples=60)
settings.register_profile("long", max_examples=2000)
settings.load_profile(os.environ.get("ROLLBOOK_LAWS", "commit"))
