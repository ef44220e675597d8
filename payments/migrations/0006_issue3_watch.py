from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0005_money_nobody_asked_for"),
    ]

    operations = [
        migrations.AddField(
            model_name="breaker",
            name="concern",
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name="breaker",
            name="concern_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="breaker",
            name="concern_data",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
