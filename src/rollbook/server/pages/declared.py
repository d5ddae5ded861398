"""The pages that have declared themselves, see `registry.page`. Links and the navigation ask whether there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http.response import HttpResponseBase

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Page:
    """One address: how it is called, what it needs (any of these scopes), and which methods it answers."""

    name: str
    route: str
    needs: tuple[str, ...]
    methods: tuple[str, ...]
    view: View


PAGES: dict[str, Page] = {}
"""All of them, by name."""
