"""What became of telling a shop's system each event, with the last answer, and a button to resend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.admin.looks import choice_badge
from payments.admin.tables import Table, table
from payments.errors import PaymentsError
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.services import webhook_acts
from payments.webhook_choices import DeliveryProblem, DeliveryStatus
from tenants.admin_access import Fence, rows_for
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


def _may_be_sent(delivery: WebhookDelivery) -> bool:
    return delivery.endpoint.is_active and delivery.endpoint.deleted_at is None


RESEND = ObjectAction(
    "resend",
    gettext_lazy("Send again"),
    Action.MANAGE_WEBHOOKS,
    gettext_lazy("The event goes out once more, now, with the same webhook-id."),
    when=_may_be_sent,
)


class EndpointFilter(admin.SimpleListFilter):
    """Of one address; only those in sight are offered."""

    title = gettext_lazy("webhook")
    parameter_name = "webhook"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        mine = rows_for(request.user, model_admin.view_action, Fence(), now=timezone.now())
        rows = WebhookEndpoint.objects.filter(mine, deleted_at=None)
        return [(str(row.pk), str(row)) for row in rows.order_by("url")[:100]]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        is_known = self.value() in {key for key, _label in self.lookup_choices}
        return queryset.filter(endpoint=self.value()) if is_known else queryset.none()


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ShopScopedModelAdmin):
    """Read only, with one button."""

    view_action = Action.MANAGE_WEBHOOKS
    list_filter = [EndpointFilter, "status", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop", "endpoint"]
    search_fields = ["type"]
    search_help_text = gettext_lazy("Type of event")
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (RESEND,)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("endpoint", "shop")

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shown_shop"] if sees_several_shops(request) else []
        facts = ["what", "shown_status", "came_back", "tries", *shop, "to", "next_try"]
        return [*facts, "created"]

    @admin.display(description=gettext_lazy("event"))
    def what(self, delivery: WebhookDelivery) -> str:
        return str(delivery)

    @admin.display(description=gettext_lazy("state"))
    def shown_status(self, delivery: WebhookDelivery) -> str:
        return choice_badge(DeliveryStatus, delivery.status)

    @admin.display(description=gettext_lazy("came back"))
    def came_back(self, delivery: WebhookDelivery) -> str:
        return came_back(delivery)

    @admin.display(description=gettext_lazy("tries"))
    def tries(self, delivery: WebhookDelivery) -> int:
        return delivery.attempts

    @admin.display(description=gettext_lazy("webhook"))
    def to(self, delivery: WebhookDelivery) -> str:
        return str(delivery.endpoint)

    @admin.display(description=gettext_lazy("next try"))
    def next_try(self, delivery: WebhookDelivery) -> Any:
        return delivery.next_try_at

    @admin.display(description=gettext_lazy("taken"))
    def created(self, delivery: WebhookDelivery) -> Any:
        return delivery.created_at

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> TemplateResponse:
        """Show one delivery; POST here has no meaning."""
        delivery = self.get_permitted(request, object_id, self.view_action)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": delivery,
            "title": str(delivery),
            "subtitle": str(delivery.endpoint),
            "buttons": self.buttons(request, delivery),
            "badges": [choice_badge(DeliveryStatus, delivery.status)],
            "facts": _facts(delivery),
            "answer": delivery.answer,
        }
        return TemplateResponse(request, "admin/payments/webhookdelivery/detail.html", context)

    def resend(self, request: HttpRequest, delivery: WebhookDelivery, *, reason: str) -> str:
        role = request.user.role_in(delivery.shop_id)
        actor = Actor.from_user(request.user, request, role=role, reason=reason)
        row = webhook_acts.resend(delivery=delivery, actor=actor, now=timezone.now())
        if not row.problem:
            return _("It was taken.")
        self.message_user(request, f"{DeliveryProblem(row.problem).label}.", "error")
        return ""


def came_back(delivery: WebhookDelivery) -> str:
    """Say in a few words what the last try was answered."""
    label = str(DeliveryProblem(delivery.problem).label) if delivery.problem else ""
    status = str(delivery.response_status or "")
    return " · ".join(part for part in (status, label) if part) or NONE


def deliveries_table(rows: Iterable[WebhookDelivery]) -> Table:
    """Lay out the newest deliveries of one address."""
    columns = [_("Event"), _("State"), _("Came back"), _("Tries"), _("Next try"), _("Taken")]
    return table(
        _("Deliveries"),
        columns,
        [
            [
                _link(row),
                choice_badge(DeliveryStatus, row.status),
                came_back(row),
                row.attempts,
                row.next_try_at or NONE,
                row.created_at,
            ]
            for row in rows
        ],
    )


def _link(delivery: WebhookDelivery) -> str:
    url = reverse("admin:payments_webhookdelivery_change", args=[delivery.pk])
    return format_html('<a href="{}">{}</a>', url, delivery)


def _facts(delivery: WebhookDelivery) -> list[tuple[Any, Any]]:
    endpoint = delivery.endpoint
    url = reverse("admin:payments_webhookendpoint_change", args=[endpoint.pk])
    is_there = endpoint.deleted_at is None
    return [
        (_("Webhook"), format_html('<a href="{}">{}</a>', url, endpoint) if is_there else endpoint),
        (_("Came back"), came_back(delivery)),
        (_("Took"), f"{delivery.took_ms} ms" if delivery.took_ms is not None else NONE),
        (_("Tries"), delivery.attempts),
        (_("Last try"), delivery.last_tried_at or NONE),
        (_("Next try"), delivery.next_try_at or NONE),
        (_("Delivered"), delivery.delivered_at or NONE),
        (_("Taken"), delivery.created_at),
        (_("webhook-id"), delivery.event_id),
        (_("Shop"), delivery.shop),
    ]
