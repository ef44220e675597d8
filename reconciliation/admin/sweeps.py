from __future__ import annotations

from django.contrib import admin

from reconciliation.models import SweepState
from tenants.admin_base import PlatformModelAdmin


@admin.register(SweepState)
class SweepStateAdmin(PlatformModelAdmin):
    """The heartbeat of the sweeps."""

    add_action = change_action = None
    list_display = ["name", "started_at", "finished_at", "moved", "error"]
    ordering = ["name"]
