from __future__ import annotations

from django.db import migrations, models

_IN_FORCE = ~(models.Q(channel="manual") & models.Q(status="reversed"))


class Migration(migrations.Migration):
    dependencies = [("payments", "0014_r7_receipt_c2b")]

    operations = [
        migrations.RemoveConstraint(model_name="receipt", name="receipt_once_a_shop"),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.UniqueConstraint(
                condition=_IN_FORCE,
                fields=("shop", "environment", "number"),
                name="receipt_once_a_shop",
            ),
        ),
    ]
