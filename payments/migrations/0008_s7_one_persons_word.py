from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0007_s2_receipts_are_no_prompts"),
        ("tenants", "0003_two_people_decide"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="receipt", name="receipt_one_credit"),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("channel", "manual"), _negated=True),
                fields=("environment", "family", "number"),
                name="receipt_one_credit",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("channel", "manual"), ("status", "reversed"), _negated=True),
                fields=("shop", "environment", "family", "number"),
                name="receipt_once_a_shop",
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("resolved_at", None),
                    ("proposed_by", ""),
                    models.Q(("resolved_by", models.F("proposed_by")), _negated=True),
                    _connector="OR",
                ),
                name="review_by_a_second_person",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("external_reference", ""), _negated=True),
                fields=["shop", "external_reference"],
                name="payment_external",
            ),
        ),
    ]
