"""Every fixture of every producer, and what a broken transfer makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rollbook.intake.producers import PRODUCERS

HERE = Path(__file__).parent

_BESIDE = (".expected", ".expected.csv", ".problems.txt", ".md", ".py")


def fixtures() -> list[Path]:
    """The exports in the folders beside this file, each folder named after its producer."""
    return sorted(
        path
        for folder in HERE.iterdir()
        if folder.is_dir() and not folder.name.startswith("_")
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(_BESIDE)
    )


def owners(path: Path) -> set[str]:
    """The producers that a fixture may belong to: the one its folder is named after, or those that begin so."""
    folder = path.relative_to(HERE).parts[0].replace("_", "-")
    names = {producer.name for producer in PRODUCERS}
    return {folder} if folder in names else {name for name in names if name.startswith(folder)}


def mutated(data: bytes, changes: Sequence[tuple[str, int, bytes]]) -> bytes:
    """The bytes after each (way, place, bytes): flipped, cut off, doubled, removed, or with something put in."""
    for way, place, put in changes:
        at = place % (len(data) + 1)
        to = at + 1 + len(put)
        if way == "flip":
            data = data[:at] + bytes(byte ^ 1 << place % 8 for byte in data[at : at + 1]) + data[at + 1 :]
        elif way == "cut":
            data = data[:at]
        elif way == "double":
            data = data[:to] + data[at:]
        elif way == "remove":
            data = data[:at] + data[to:]
        else:
            data = data[:at] + put + data[at:]
    return data
