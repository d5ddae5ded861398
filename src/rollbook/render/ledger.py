"""What a ledger holds, for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rollbook.ledger import Manifest
from rollbook.model.instants import iso
from rollbook.render.terminal import say, show

BUILDS_SHOWN = 20
"""Builds that are listed, the newest ones."""


def print_ledger(out: Console, manifest: Manifest) -> None:
    """Its segments, and its builds with what each added, met again, and refused."""
    firsts = [segment.first_us for segment in manifest.segments if segment.first_us is not None]
    since = f" from {iso(min(firsts))}" if firsts else ""
    parts = f"{len(manifest.segments)} segment{'s' * (len(manifest.segments) != 1)}"
    say(out, f"{manifest.facts:,} facts{since}, in {parts}", bold=True)
    segments = Table("segment", "facts", "corrections", "MiB", "digest", box=SIMPLE_HEAD, pad_edge=False)
    for segment in manifest.segments:
        size = sum(written.bytes for written in segment.written) / 2**20
        segments.add_row(
            segment.name, f"{segment.facts:,}", f"{segment.corrections:,}", f"{size:,.1f}", segment.digest[:16]
        )
    builds = Table("built", "rows in", "added", "repeats", "rejected", box=SIMPLE_HEAD, pad_edge=False)
    for record in manifest.builds[-BUILDS_SHOWN:]:
        numbers = (record.rows, record.added, record.duplicates, record.rejected)
        builds.add_row(record.at, *(f"{number:,}" for number in numbers))
    for table in (segments, builds):
        for column in table.columns[1:5]:
            column.justify = "right" if column.header != "digest" else "left"
        show(out, table)
    if len(manifest.builds) > BUILDS_SHOWN:
        say(out, f"and {len(manifest.builds) - BUILDS_SHOWN:,} builds before")
