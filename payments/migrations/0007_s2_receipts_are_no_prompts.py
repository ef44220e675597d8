from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0006_issue3_watch"),
        ("tenants", "0003_two_people_decide"),
    ]

    operations = [
        migrations.CreateModel(
            name="UnallocatedReceipt",
            fields=[],
            options={
                "verbose_name": "unallocated receipt",
                "verbose_name_plural": "unallocated receipts",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("payments.receipt",),
        ),
        migrations.RemoveConstraint(model_name="payment", name="payment_one_live_per_phone"),
        migrations.RemoveConstraint(model_name="payment", name="payment_one_live_per_order"),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("status__in", ["created", "pending"]),
                    ("origin", "prompt"),
                    models.Q(("phone_index", ""), _negated=True),
                ),
                fields=("shop", "environment", "phone_index"),
                name="payment_one_live_per_phone",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("status__in", ["created", "pending"]),
                    ("origin", "prompt"),
                    models.Q(("order_ref", ""), _negated=True),
                ),
                fields=("shop", "environment", "order_ref"),
                name="payment_one_live_per_order",
            ),
        ),
    ]
