"""What all tests share: how many random examples a run tries, and what a missing helper means."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

# How long drawing takes says how busy the machine is, and nothing about the code.
SLOW = (HealthCheck.too_slow,)
settings.register_profile("commit", max_examples=60, deadline=None, suppress_health_check=SLOW)
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("ROLLBOOK_LAWS", "commit"))
