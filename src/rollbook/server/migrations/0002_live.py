"""The tables of facts and live counts, which `engines.database` describes for each database."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from rollbook.engines.database import schema


def create(_: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Makes them."""
    for statement in schema.statements(editor.connection.vendor):
        editor.execute(statement)


class Migration(migrations.Migration):
    """There is no way back: facts are never dropped by a command."""

    dependencies = (("rollbook", "0001_initial"),)
    operations = (migrations.RunPython(create),)
