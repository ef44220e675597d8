"""Which master key is needed by how many rows: for platform admins, before one is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _

from payments.admin.tables import Table, table
from payments.fields import field_ring
from payments.services import rewrapping
from tenants.admin_looks import NONE, badge
from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern


class KeyPages:
    """Adds the page to the admin of access tokens, which platform admins alone see."""

    change_list_template = "admin/payments/paymentconfig/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.keys_view)
        return [path("keys/", view, name="payments_accesstoken_keys"), *super().get_urls()]

    def keys_view(self, request: HttpRequest) -> TemplateResponse:
        if not may(request.user.platform_role, Action.OPERATE_PLATFORM):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Master keys"),
            "original": _("Master keys"),
            "hint": _(
                "To change the key: put a new one first in FIELD_ENCRYPTION_KEYS, run"
                " rewrap_secrets, and take the old one away once no row needs it."
            ),
            "tables": [_keys(rewrapping.usage_by_key())],
        }
        return TemplateResponse(request, "admin/payments/paymentconfig/page.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        url = reverse("admin:payments_accesstoken_keys")
        links = [{"label": _("Master keys"), "url": url}]
        return super().changelist_view(request, {**(extra_context or {}), "page_links": links})


def _keys(found: dict[str, dict[str, int]]) -> Table:
    columns = [_("Key"), _("Does"), _("Rows"), _("Where")]
    rows = [
        [key_id, _does(key_id), sum(by_column.values()), _where(by_column)]
        for key_id, by_column in found.items()
    ]
    return table(_("Encryption keys"), columns, rows)


def _does(key_id: str) -> Any:
    if key_id not in settings.FIELD_ENCRYPTION_KEYS:
        return badge(_("Missing"), "bad")
    if key_id == field_ring().writing_key_id:
        return badge(_("Seals and opens"), "good")
    return badge(_("Opens only"))


def _where(by_column: dict[str, int]) -> str:
    return ", ".join(f"{name} {rows}" for name, rows in sorted(by_column.items())) or NONE
