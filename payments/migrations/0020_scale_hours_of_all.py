from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0019_r4_tallies")]

    operations = [
        migrations.AddIndex(
            model_name="hoursum",
            index=models.Index(fields=["environment", "created_at"], name="hour_sum_of_all"),
        ),
    ]
