"""The pages about all of a shop's configs: their addresses, and the links on the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls import path, reverse
from django.utils.translation import gettext_lazy

import payments.admin.shop_pages as shop_pages
from payments.admin.config_files import FilePages
from payments.admin.config_templates import TemplatePages
from payments.admin.routing import RoutingPages
from tenants.roles import Action

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern


@dataclass(frozen=True)
class ListPage:
    """A page beside the list; slug is the end of its address."""

    slug: str
    label: Any
    action: Action

    @property
    def method(self) -> str:
        return f"{self.slug}_view"


PAGES = (
    ListPage("why", gettext_lazy("Why this till?"), Action.VIEW_CONFIGS),
    ListPage("matrix", gettext_lazy("Who serves which branch"), Action.VIEW_CONFIGS),
    ListPage("templates", gettext_lazy("Start from a template"), Action.MANAGE_CONFIGS),
    ListPage("import", gettext_lazy("Import"), Action.MANAGE_CONFIGS),
    ListPage("export", gettext_lazy("Export"), Action.EXPORT),
)


class ConfigPages(RoutingPages, TemplatePages, FilePages):
    """Adds the pages to the admin of configs."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"{page.slug}/",
                self.admin_site.admin_view(getattr(self, page.method)),
                name=f"payments_paymentconfig_{page.slug}",
            )
            for page in PAGES
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        links = [
            {"label": page.label, "url": reverse(f"admin:payments_paymentconfig_{page.slug}")}
            for page in PAGES
            if shop_pages.may_open(request, page.action)
        ]
        return super().changelist_view(request, {**(extra_context or {}), "page_links": links})
