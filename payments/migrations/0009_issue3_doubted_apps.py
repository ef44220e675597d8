from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0008_s7_one_persons_word"),
    ]

    operations = [
        migrations.AddField(
            model_name="accesstoken",
            name="doubted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
