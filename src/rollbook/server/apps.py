"""What Django loads."""

from __future__ import annotations

from django.apps import AppConfig


class ServerConfig(AppConfig):
    """The one application of the project."""

    name = "rollbook.server"
    label = "rollbook"
    verbose_name = "Rollbook"
    default = True
