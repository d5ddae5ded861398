"""Where deeds of closed windows go, and what they say of people, which stays where it can be forgotten."""

from django.db import migrations, models

ATTRIBUTES = """
    create table archived_attributes (number bigint primary key, organisation {text} not null, learner {text} not null,
    actor {text} not null, impersonator {text} not null, attributes {text} not null)
    """
BY_ORGANISATION = "create index archived_attributes_organisation on archived_attributes (organisation)"


def make(_apps: object, editor: object) -> None:
    vendor = editor.connection.vendor  # type: ignore[attr-defined]
    text = 'text collate "C"' if vendor == "postgresql" else "text"
    editor.execute(ATTRIBUTES.format(text=text))  # type: ignore[attr-defined]
    editor.execute(BY_ORGANISATION)  # type: ignore[attr-defined]


def drop(_apps: object, editor: object) -> None:
    editor.execute("drop table archived_attributes")  # type: ignore[attr-defined]


class Migration(migrations.Migration):
    dependencies = [("rollbook", "0021_why_rules_failed")]

    operations = [
        *(
            migrations.AddField("customer", name, models.BigIntegerField(default=0, db_default=0))
            for name in ("archived_until_us", "archived_last", "archived_facts")
        ),
        migrations.AddField("customer", "archived_generation", models.BigIntegerField(default=1, db_default=1)),
        migrations.RunPython(make, drop),
    ]
