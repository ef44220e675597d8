from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0013_r7_notice_codes")]

    operations = [
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(("channel", "c2b")),
                fields=["config", "-created_at"],
                name="receipt_c2b",
            ),
        ),
    ]
