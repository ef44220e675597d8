from __future__ import annotations

from django.db import migrations, models

import payments.choices


class Migration(migrations.Migration):
    dependencies = [("payments", "0012_r2_pull_transactions")]

    operations = [
        migrations.AlterField(
            model_name="notice",
            name="code",
            field=models.CharField(choices=payments.choices.notice_codes, max_length=24),
        ),
    ]
