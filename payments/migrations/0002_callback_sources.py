from __future__ import annotations

import ipaddress

from django.conf import settings
from django.db import migrations

# The twelve addresses Safaricom publishes (Daraja portal, Getting Started, 2026).
SAFARICOM = (
    "196.201.212.69",
    "196.201.212.74",
    "196.201.212.127",
    "196.201.212.129",
    "196.201.212.136",
    "196.201.212.138",
    "196.201.213.44",
    "196.201.213.114",
    "196.201.214.200",
    "196.201.214.206",
    "196.201.214.207",
    "196.201.214.208",
)
# In older lists, no longer published; kept so that an operator sees and decides.
LEGACY = ("196.201.212.128", "196.201.212.132")


def fill(apps, schema_editor):
    source = apps.get_model("payments", "CallbackSource")
    given = settings.CALLBACK_ALLOWED_NETWORKS
    rows = [(network, "From CALLBACK_ALLOWED_NETWORKS", True) for network in given] or [
        *((network, "Safaricom", True) for network in SAFARICOM),
        *((network, "Safaricom, legacy", True) for network in LEGACY),
    ]
    for network, note, is_active in rows:
        source.objects.get_or_create(
            network=str(ipaddress.ip_network(network, strict=False)),
            defaults={"note": note, "is_active": is_active},
        )


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
