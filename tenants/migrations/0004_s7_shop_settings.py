from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_two_people_decide")]

    operations = [
        migrations.CreateModel(
            name="ShopSettings",
            fields=[],
            options={
                "verbose_name": "shop setting",
                "verbose_name_plural": "shop settings",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("tenants.shop",),
        ),
    ]
