"""A roster as a platform exports it becomes a snapshot: who is there, who is enrolled, and which of that is on.

Owns: which files belong to a roster, what their columns mean, and whether they hold everybody.
Does not own: files, lines and records (`streams`, `lines`, `csv_rows`), texts and days (`gate`, `times`); nor what a
snapshot changes (`rollbook.roster`).
"""

from rollbook.intake.rosters.reading import RosterOptions, RosterReading, read_roster

__all__ = ["RosterOptions", "RosterReading", "read_roster"]
