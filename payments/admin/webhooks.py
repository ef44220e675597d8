"""Webhooks of a shop: where its own systems are told of events, and how that goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from payments.admin.looks import choice_badge
from payments.admin.webhook_deliveries import deliveries_table
from payments.admin.webhook_forms import WebhookForm
from payments.choices import Environment
from payments.errors import PaymentsError
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.services import webhook_acts, webhook_endpoints
from payments.webhook_choices import DeliveryProblem, DisabledReason
from tenants.admin_actions import ObjectAction
from tenants.admin_base import ShopScopedModelAdmin, sees_several_shops
from tenants.admin_filters import ScopedRelatedFilter
from tenants.admin_looks import NONE, badge
from tenants.admin_pages import become, once_page
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

_MAY = Action.MANAGE_WEBHOOKS
_SHOWN = 20
TRY_OUT = ObjectAction(
    "try_out",
    gettext_lazy("Send a test"),
    _MAY,
    gettext_lazy("One signed event of the type webhook.test goes there now; it is in no feed."),
)
NEW_SECRET = ObjectAction(
    "rotate",
    gettext_lazy("New secret"),
    _MAY,
    gettext_lazy("The next page shows it once. For 24 hours the old one signs as well."),
    danger=True,
)
SWITCH_OFF = ObjectAction(
    "switch_off",
    gettext_lazy("Switch off"),
    _MAY,
    gettext_lazy("Nothing more is sent there; what waits has failed and can be sent by hand."),
    danger=True,
    when=lambda endpoint: endpoint.is_active,
)
SWITCH_ON = ObjectAction(
    "switch_on",
    gettext_lazy("Switch on"),
    _MAY,
    gettext_lazy("It is told of what happens from now on; what it missed it reads itself."),
    when=lambda endpoint: not endpoint.is_active,
)
DELETE = ObjectAction(
    "remove",
    gettext_lazy("Delete"),
    _MAY,
    gettext_lazy("Its secret is forgotten and nothing is sent there any more."),
    danger=True,
)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ShopScopedModelAdmin):
    view_action = add_action = change_action = _MAY
    form = WebhookForm
    change_list_template = "admin/payments/webhookendpoint/change_list.html"
    change_form_template = "admin/payments/webhookendpoint/change_form.html"
    list_filter = ["environment", "is_active", ("shop", ScopedRelatedFilter)]
    list_select_related = ["shop"]
    search_fields = ["url"]
    search_help_text = gettext_lazy("Part of the address")
    sortable_by: list[str] = []
    expected_errors = (PaymentsError,)
    object_actions = (TRY_OUT, NEW_SECRET, SWITCH_OFF, SWITCH_ON, DELETE)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(deleted_at=None)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        shop = ["shown_shop"] if sees_several_shops(request) else []
        return ["address", "health", "world", *shop, "last_delivered", "told_of"]

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> list[str]:
        return ["url", "types"] if obj else ["shop", "environment", "url", "types"]

    @admin.display(description=gettext_lazy("address"))
    def address(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.shown_url

    @admin.display(description=gettext_lazy("state"))
    def health(self, endpoint: WebhookEndpoint) -> str:
        return health_badge(endpoint)

    @admin.display(description=gettext_lazy("environment"))
    def world(self, endpoint: WebhookEndpoint) -> str:
        return choice_badge(Environment, endpoint.environment)

    @admin.display(description=gettext_lazy("last delivered"))
    def last_delivered(self, endpoint: WebhookEndpoint) -> Any:
        return endpoint.last_delivered_at

    @admin.display(description=gettext_lazy("told of"))
    def told_of(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.types) or _("Everything")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Put how it goes around the form."""
        endpoint = self.get_object(request, object_id)
        more = _around(endpoint) if endpoint is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool
    ) -> None:
        given = form.cleaned_data
        who = _who(request, obj.shop_id, given.get("reason", ""))
        if change:
            made = webhook_endpoints.update_endpoint(
                endpoint=obj, url=given["url"], types=given["types"], **who
            )
        else:
            wanted = {name: given[name] for name in ("shop", "environment", "url", "types")}
            made, request.webhook_secret = webhook_endpoints.create_endpoint(**wanted, **who)
        become(obj, made)

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Show the secret in the answer itself: readable nowhere else."""
        return self._secret_page(request, obj, request.webhook_secret)

    def try_out(self, request: HttpRequest, endpoint: WebhookEndpoint, *, reason: str) -> str:
        who = _who(request, endpoint.shop_id, reason)
        outcome = webhook_acts.try_out(endpoint=endpoint, **who)
        said = {"status": outcome.status, "ms": outcome.took_ms}
        if outcome.is_delivered:
            return _("It was taken: %(status)s after %(ms)s ms.") % said
        text = DeliveryProblem(outcome.problem).label
        status = f" ({outcome.status})" if outcome.status else ""
        answer = f" {outcome.answer[:200]}" if outcome.answer else ""
        self.message_user(request, f"{text}{status}.{answer}", "error")
        return ""

    def rotate(
        self, request: HttpRequest, endpoint: WebhookEndpoint, *, reason: str
    ) -> HttpResponse:
        who = _who(request, endpoint.shop_id, reason)
        endpoint, secret = webhook_endpoints.rotate_secret(endpoint=endpoint, **who)
        return self._secret_page(request, endpoint, secret)

    def switch_off(self, request: HttpRequest, endpoint: WebhookEndpoint, *, reason: str) -> str:
        return self._switch(request, endpoint, is_active=False, reason=reason)

    def switch_on(self, request: HttpRequest, endpoint: WebhookEndpoint, *, reason: str) -> str:
        return self._switch(request, endpoint, is_active=True, reason=reason)

    def remove(
        self, request: HttpRequest, endpoint: WebhookEndpoint, *, reason: str
    ) -> HttpResponse:
        who = _who(request, endpoint.shop_id, reason)
        webhook_endpoints.delete_endpoint(endpoint=endpoint, **who)
        self.message_user(request, _("The webhook is deleted."), "success")
        return HttpResponseRedirect(reverse("admin:payments_webhookendpoint_changelist"))

    def _switch(
        self, request: HttpRequest, endpoint: WebhookEndpoint, *, is_active: bool, reason: str
    ) -> str:
        who = _who(request, endpoint.shop_id, reason)
        webhook_endpoints.update_endpoint(endpoint=endpoint, is_active=is_active, **who)
        return _("It is switched on.") if is_active else _("It is switched off.")

    def _secret_page(self, request: HttpRequest, endpoint: Any, secret: str) -> HttpResponse:
        return once_page(
            self,
            request,
            endpoint,
            title=_("The secret of the webhook"),
            text=secret,
            hint=_(
                "Copy it now: it cannot be shown again. The receiver checks with it that a call"
                " comes from Malipo (Standard Webhooks)."
            ),
        )


def health_badge(endpoint: WebhookEndpoint) -> str:
    """Draw how an address does, in a word."""
    if endpoint.disabled_reason == DisabledReason.GONE:
        return badge(_("Gone (410)"), "bad")
    if not endpoint.is_active:
        return badge(_("Switched off"))
    if endpoint.failing_since:
        return badge(_("Fails"), "bad")
    if endpoint.last_delivered_at is None:
        return badge(_("Nothing sent yet"), "wait")
    return badge(_("Works"), "good")


def said_of(endpoint: WebhookEndpoint) -> str:
    """Say in a sentence what is to be known first; "" where all is well."""
    if endpoint.disabled_reason == DisabledReason.GONE:
        return _(
            "The address answered 410, gone for good, so nothing is sent there any more. Switch"
            " it on again if that was a mistake."
        )
    if not endpoint.is_active:
        return _("Switched off: nothing is sent there.")
    if endpoint.failing_since:
        since = date_format(timezone.localtime(endpoint.failing_since), "SHORT_DATETIME_FORMAT")
        return _("It fails since %(since)s. The deliveries below say why.") % {"since": since}
    return ""


def _around(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return what the page shows around its form."""
    newest = WebhookDelivery.objects.filter(endpoint=endpoint).order_by("-created_at", "-id")
    badges = [health_badge(endpoint)]
    if endpoint.environment == Environment.SANDBOX:
        badges.append(choice_badge(Environment, endpoint.environment))
    url = reverse("admin:payments_webhookdelivery_changelist")
    return {
        "panels": {"badges": badges},
        "said": said_of(endpoint),
        "is_blocked": bool(endpoint.failing_since or not endpoint.is_active),
        "facts": _facts(endpoint),
        "deliveries": deliveries_table(newest[:_SHOWN]),
        "all_url": f"{url}?webhook={endpoint.pk}",
    }


def _facts(endpoint: WebhookEndpoint) -> list[tuple[Any, Any]]:
    until = endpoint.old_secret_until
    is_rotating = until is not None and until > timezone.now()
    return [
        (_("Last delivered"), endpoint.last_delivered_at or NONE),
        (_("Fails since"), endpoint.failing_since or NONE),
        (_("Newest event taken"), endpoint.last_seq or NONE),
        (_("Old secret signs until"), until if is_rotating else NONE),
        (_("Added by"), endpoint.created_by or NONE),
        (_("Added"), endpoint.created_at),
        (_("Shop"), endpoint.shop),
    ]


def _who(request: HttpRequest, shop_id: Any, reason: str) -> dict[str, Any]:
    role = request.user.role_in(shop_id)
    actor = Actor.from_user(request.user, request, role=role, reason=reason)
    return {"actor": actor, "now": timezone.now()}
