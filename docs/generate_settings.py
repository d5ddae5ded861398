"""Writes the table of docs/server/settings.md from the settings themselves: `python docs/generate_settings.py`."""

from __future__ import annotations

from pathlib import Path

from rollbook.server.configuration import SETTINGS

FILE = Path(__file__).parent / "server" / "settings.md"
BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->\n"


def table() -> str:
    """All settings, in their order."""
    head = ["| variable | without it | what it is for |", "|---|---|---|"]
    rows = [f"| `{it.name}` | {f'`{it.default}`' if it.default else ''} | {it.help} |" for it in SETTINGS]
    return "\n".join(head + rows) + "\n"


if __name__ == "__main__":
    before, _, rest = FILE.read_text(encoding="utf-8").partition(BEGIN)
    FILE.write_text(before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2], encoding="utf-8")
