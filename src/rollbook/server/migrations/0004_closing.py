from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rollbook", "0003_access"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="facts_settled",
            field=models.BigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="Closing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("window_number", models.PositiveIntegerField(blank=True, null=True)),
                ("asked_at", models.DateTimeField(blank=True, null=True)),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                ("approved_by", models.CharField(blank=True, default="", max_length=200)),
                ("withheld", models.CharField(blank=True, default="", max_length=500)),
                ("withheld_at", models.DateTimeField(blank=True, null=True)),
                (
                    "subscription",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closings",
                        to="rollbook.subscription",
                    ),
                ),
            ],
            options={
                "db_table": "closing",
                "constraints": [
                    models.UniqueConstraint(fields=("subscription", "number"), name="one_closing_a_statement")
                ],
            },
        ),
    ]
