"""Rosters of a made-up college, as a platform exports them in August and in October, and rules for its enrolments."""
