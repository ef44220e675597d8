from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class MalipoAdminConfig(AdminConfig):
    default_site = "config.admin_site.MalipoAdminSite"
