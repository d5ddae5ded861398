from django.conf import settings
from django.db import migrations, models
from django.db.models import deletion


class Migration(migrations.Migration):
    dependencies = [("rollbook", "0008_people_by_digest")]

    operations = [
        migrations.AddField("user", "disabled_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("endpoint", "state", models.CharField(default="active", max_length=10)),
        # Whether it was removed or answered 410 was not kept: either may be switched on again.
        migrations.RunSQL("update endpoint set state = 'gone' where not active", migrations.RunSQL.noop),
        migrations.RemoveField("endpoint", "active"),
        migrations.AddField(
            "endpoint",
            "created_by",
            models.ForeignKey(blank=True, null=True, on_delete=deletion.SET_NULL, to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            "reportorder",
            "created_by",
            models.ForeignKey(blank=True, null=True, on_delete=deletion.SET_NULL, to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            "reportorder",
            "created_by_key",
            models.ForeignKey(blank=True, null=True, on_delete=deletion.SET_NULL, to="rollbook.apikey"),
        ),
        migrations.AddField("reportorder", "paused", models.CharField(blank=True, default="", max_length=200)),
    ]
