from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rollbook", "0009_who_ordered")]

    operations = [
        migrations.RemoveConstraint("reservation", "one_place_each"),
        # Places that are kept now lapse within the hour; until then each is one of no object.
        migrations.AddField("reservation", "object", models.CharField(blank=True, default="", max_length=512)),
        migrations.AddConstraint(
            "reservation",
            models.UniqueConstraint(
                fields=("subscription", "window_number", "organisation", "learner", "object"), name="one_place_each"
            ),
        ),
    ]
