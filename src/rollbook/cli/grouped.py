"""Commands in the help by what one wants to do: each names its group as `rich_help_panel`.

Plain text, as all that is said here, so that it can be read in any terminal and piped anywhere.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

COUNT = "Count, and say why"
MANAGE = "Manage who is there"
PLAN = "Choose a plan, and look ahead"
BILL = "Close periods and prove them"
RUN = "Run a server"
FILL = "Begin on a server"
GROUPS = (COUNT, MANAGE, PLAN, BILL, FILL, RUN)
"""In the order in which one gets to them."""

WORDS_MAX = 170
"""Letters of a command's first sentence; the longest has fewer."""


class Grouped(TyperGroup):
    """Its commands in `GROUPS`. Raises ValueError for a command that names none of them."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes them into the help. Both are of the click that typer carries within, which has no public name."""
        commands = [(name, found) for name in self.list_commands(ctx) if (found := self.get_command(ctx, name))]
        longest = max(len(name) for name, _ in commands)
        rows: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for name, command in commands:
            group = str(getattr(command, "rich_help_panel", None))
            if group not in rows:
                raise ValueError(f"{name} is in no group of the help")
            rows[group].append((name.ljust(longest), command.get_short_help_str(WORDS_MAX)))
        for group, listed in rows.items():
            with formatter.section(group):
                formatter.write_dl(listed)
