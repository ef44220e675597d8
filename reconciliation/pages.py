"""
Pages of the back office that belong to no one model: dashboards, tools.

They are named here so that the menu (config/admin_site.py) finds them; each is drawn by a view of
reconciliation/admin that asks the matrix itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls import path, reverse

from tenants.roles import Action, may

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from tenants.models import User


@dataclass(frozen=True)
class Page:
    """One page: its name among the addresses and in the menu, and what a role must be allowed."""

    name: str
    address: str
    title: Any
    action: Action
    view: Callable[[HttpRequest], HttpResponse]
    for_platform: bool = False

    @property
    def url(self) -> str:
        return reverse(f"admin:{self.name}")

    def is_open_to(self, user: User) -> bool:
        """Tell whether the person's role may open the page, in any shop."""
        if self.for_platform:
            return user.is_active and may(user.platform_role, self.action)
        return user.is_active and user.may_anywhere(self.action)


PAGES: dict[str, Page] = {}


def register(page: Page) -> Page:
    PAGES[page.name] = page
    return page


def urls_of(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of all pages, each behind the door of the back office."""
    return [
        path(page.address, site.admin_view(page.view), name=page.name) for page in PAGES.values()
    ]


def menu_for(user: User) -> dict[str, dict[str, Any]]:
    """Return the menu's entries of the pages this person may open, by name."""
    return {
        page.name: {
            "name": page.title,
            "object_name": page.name,
            "admin_url": page.url,
            "waiting": 0,
        }
        for page in PAGES.values()
        if page.is_open_to(user)
    }
