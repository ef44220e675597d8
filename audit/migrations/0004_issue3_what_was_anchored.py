from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_object_id_of_a_fingerprint"),
    ]

    operations = [
        migrations.AddField(
            model_name="audithead",
            name="anchored_seq",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="audithead",
            name="anchored_hash",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="audithead",
            name="anchored_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
