from django.db import migrations


class Migration(migrations.Migration):
    """Counters of a minute need no write-ahead log: a crash may forget them."""

    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE tenants_ratewindow SET UNLOGGED",
            "ALTER TABLE tenants_ratewindow SET LOGGED",
        )
    ]
