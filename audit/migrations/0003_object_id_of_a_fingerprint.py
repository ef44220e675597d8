from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_actions_without_migrations"),
    ]

    operations = [
        migrations.AlterField(
            model_name="auditentry",
            name="object_id",
            field=models.CharField(blank=True, max_length=64, verbose_name="object id"),
        ),
    ]
