import audit.actions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="auditentry",
            name="action",
            field=models.CharField(
                choices=audit.actions.action_choices, max_length=48, verbose_name="action"
            ),
        ),
    ]
