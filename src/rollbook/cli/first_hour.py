"""The commands with which a new server gets its first operator and its first key, before anybody can sign in.

Whoever may run them on the server's machine may do everything anyway. What they print is shown once, on standard
output alone.
"""

from __future__ import annotations

from typing import Annotated

import typer

from rollbook.cli.server import server_set_up
from rollbook.errors import Problem, RollbookError, UsageError
from rollbook.model.keys import nearest
from rollbook.render import terminal

SCOPES = (
    "facts:write",
    "usage:read",
    "learners:read",
    "roster:read",
    "roster:write",
    "admissions:write",
    "statements:read",
    "statements:close",
    "manage",
)
"""Those of `server.access.principals`, which is not loaded for --help; a test holds them against each other."""

NAME_LENGTH_MAX = 200

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="Their e-mail address, with which they sign in.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is called in lists, such as LMS.")]
Scopes = Annotated[
    list[str],
    typer.Option("--scope", metavar="SCOPE", help=f"What it may do; again for more. One of: {', '.join(SCOPES)}."),
]
Owner = Annotated[
    str,
    typer.Option(
        "--customer", metavar="NAME", help="Whose data it reaches. By default everybody's: a key of your own platform."
    ),
]


def add_operator(address: Address) -> None:
    """Add an operator, and print the link with which they set their password, once. Again it prints a new link."""
    with server_set_up():
        from rollbook.server.access import accounts  # noqa: PLC0415

        typer.echo(accounts.add_operator(address))
        terminal.say(terminal.console(stderr=True), "it can be used once, within three days; it is not shown again")


def add_key(name: Name, scope: Scopes, customer: Owner = "") -> None:
    """Make an API key, and print it, once."""
    with server_set_up():
        from rollbook.server.access import accounts  # noqa: PLC0415
        from rollbook.server.models import Customer  # noqa: PLC0415

        unknown = [
            Problem("--scope", f'"{it}" is not one of the scopes{nearest(it, SCOPES)}', f"use {', '.join(SCOPES)}")
            for it in scope
            if it not in SCOPES
        ]
        if unknown:
            raise UsageError(unknown)
        if not 0 < len(name.strip()) <= NAME_LENGTH_MAX or not name.isprintable():
            rule = f"it is empty, longer than {NAME_LENGTH_MAX} characters, or more than one line"
            raise UsageError(Problem("NAME", rule, "write a short name"))
        row = Customer.objects.filter(name=customer).first() if customer else None
        if customer and row is None:
            rule = f"there is no customer of this name{nearest(customer, _customers())}"
            raise UsageError(Problem("--customer", rule, "write it as the server has it"))
        try:
            _, text = accounts.add_key(accounts.COMMAND, name.strip(), scope, row.pk if row else None, None)
        except RollbookError as error:
            places = {"body.scopes": "--scope", "keys": "NAME"}
            raise UsageError(
                Problem(places.get(it.place, it.place), it.rule, it.remedy) for it in error.problems
            ) from None
        typer.echo(text)
        terminal.say(terminal.console(stderr=True), "keep it: it is not shown again")


def _customers() -> list[str]:
    """Names that may have been meant, a thousand at most."""
    from rollbook.server.models import Customer  # noqa: PLC0415

    return list(Customer.objects.order_by("name").values_list("name", flat=True)[:1000])
