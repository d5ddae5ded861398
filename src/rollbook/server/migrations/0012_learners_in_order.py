"""What the list of learners is found by: who came when, and what people are called.

Each order is read off an index, so that a page costs the same among a million. The indexes of people are partial: an
index of the customer alone is taken for the digest's where nothing was counted yet. Expressions and collations are
written out, because Django cannot say them for both databases; SQLite forgets them when it remakes the table `person`,
and then they are to be made again: a test looks for them.
"""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from rollbook.server.live import called


def create(_: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Makes them."""
    for statement in called.INDEXES:
        editor.execute(called.in_bytes(statement, editor.connection.vendor))


def drop(_: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Removes them."""
    for statement in called.INDEXES:
        editor.execute(f"drop index {statement.split()[2]}")


class Migration(migrations.Migration):
    dependencies = (("rollbook", "0011_what_the_back_office_looks_for"),)
    operations = (migrations.RunPython(create, drop),)
