from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_issue3_doubted_apps"),
    ]

    operations = [
        migrations.AlterField(
            model_name="receipt",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("no_reference", "No reference was given"),
                    ("no_such_reference", "No payment has this reference"),
                    ("amount_differs", "The amount differs from the payment's"),
                    ("already_paid", "The payment with this reference is paid already"),
                    ("several_candidates", "Several payments fit"),
                    ("awaits_receipt", "A paid prompt still waits for its receipt"),
                    ("released", "An assignment was undone"),
                    ("refund_needed", "To be given back"),
                    ("proof", "The KES 1 of a verification"),
                ],
                max_length=20,
                verbose_name="reason",
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(("status", "held")), fields=["id"], name="receipt_held"
            ),
        ),
    ]
