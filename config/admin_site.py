from __future__ import annotations

from django.contrib.admin import AdminSite


class MalipoAdminSite(AdminSite):
    """The back office."""
