from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0010_s1_held_receipts")]

    operations = [
        migrations.AlterModelOptions(
            name="notice",
            options={
                "ordering": ["-opened_at"],
                "verbose_name": "warning",
                "verbose_name_plural": "warnings",
            },
        ),
    ]
