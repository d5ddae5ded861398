"""A chart that was drawn. It stands apart from those who draw, whose libraries take a quarter of a second to load."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart: what it shows in words, for those who do not see it, and as SVG by size.

    legend  (style, words) of each series; the page sets it as text, where it can wrap and be read aloud
    """

    title: str
    words: str
    legend: tuple[tuple[str, str], ...]
    svg: dict[str, str]
