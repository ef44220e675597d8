"""Webhooks over HTTP: where events are pushed to, and what became of pushing them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.base import MalipoView
from payments.api.payment_serializers import NoBody
from payments.api.webhook_serializers import (
    DeliveryOutput,
    EndpointChanges,
    EndpointInput,
    EndpointOutput,
    EndpointWithSecret,
    TryOutput,
    represent_deliveries,
    represent_outcome,
    represent_with_secret,
)
from payments.errors import NotFound
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.services import webhook_acts, webhook_endpoints
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet

_ADDING = """
Tells the address of every event from now on; `types` narrows them, none or an empty list is all.
`secret` is shown in this answer only. Each call is signed as Standard Webhooks 1.0 says
(`webhook-id`, `webhook-timestamp`, `webhook-signature`); `webhook-id` is the event's id and the same
at every try, so that an event which comes twice is known. Anything but 2xx within ten seconds is
tried again after 5 s, 30 s, 2 min, 10 min, 1 h, 6 h and 24 h; 410 switches the webhook off. What a
receiver missed it reads with `GET /events`.
"""
_SWITCHING = """
`is_active: false` stops it; what waits then has failed. `true` starts it from the newest event on.
"""


class WebhookView(MalipoView):
    """What views of webhooks share: the rows of the key's world, and no key bound to a branch."""

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if self.branch_id is not None:
            # What it would be told is of all branches, as with GET /events.
            raise PermissionDenied("A key bound to a branch has nothing to do with webhooks.")

    def endpoints(self) -> QuerySet[WebhookEndpoint]:
        return WebhookEndpoint.objects.filter(
            shop=self.shop, environment=self.environment, deleted_at=None
        )

    def endpoint(self, endpoint_id: uuid.UUID) -> WebhookEndpoint:
        found: WebhookEndpoint | None = self.endpoints().filter(pk=endpoint_id).first()
        if found is None:
            raise NotFound("There is no such webhook.")
        return found


class EndpointList(WebhookView):
    """The webhooks of the key's world, newest first."""

    actions: ClassVar = {"GET": Action.MANAGE_WEBHOOKS, "POST": Action.MANAGE_WEBHOOKS}
    is_list = True

    @extend_schema(operation_id="webhook_endpoints_list", responses=EndpointOutput(many=True))
    def get(self, request: Request) -> Response:
        del request
        return self.page(self.endpoints(), lambda rows: EndpointOutput(rows, many=True).data)

    @extend_schema(
        operation_id="webhook_endpoints_create",
        request=EndpointInput,
        responses={201: EndpointWithSecret},
        description=_ADDING,
    )
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        del request
        given = self.read(EndpointInput)
        endpoint, secret = webhook_endpoints.create_endpoint(
            shop=self.shop,
            environment=self.environment,
            actor=self.actor,
            now=self.now,
            **given,
        )
        return Response(represent_with_secret(endpoint, secret), status=201)


class EndpointDetail(WebhookView):
    actions: ClassVar = dict.fromkeys(("GET", "PATCH", "DELETE"), Action.MANAGE_WEBHOOKS)

    @extend_schema(operation_id="webhook_endpoints_retrieve", responses=EndpointOutput)
    def get(self, request: Request, endpoint_id: uuid.UUID) -> Response:
        del request
        return Response(EndpointOutput(self.endpoint(endpoint_id)).data)

    @extend_schema(
        operation_id="webhook_endpoints_update",
        request=EndpointChanges,
        responses=EndpointOutput,
        description=_SWITCHING,
    )
    def patch(self, request: Request, endpoint_id: uuid.UUID) -> Response:
        del request
        endpoint = self.endpoint(endpoint_id)
        given = self.read(EndpointChanges, partial=True)
        endpoint = webhook_endpoints.update_endpoint(
            endpoint=endpoint, actor=self.actor, now=self.now, **given
        )
        return Response(EndpointOutput(endpoint).data)

    @extend_schema(operation_id="webhook_endpoints_destroy", responses={204: None})
    def delete(self, request: Request, endpoint_id: uuid.UUID) -> Response:
        del request
        webhook_endpoints.delete_endpoint(
            endpoint=self.endpoint(endpoint_id), actor=self.actor, now=self.now
        )
        return Response(status=204)


class EndpointRotateSecret(WebhookView):
    """A new secret, shown in this answer only; the old one signs beside it for 24 hours."""

    actions: ClassVar = {"POST": Action.MANAGE_WEBHOOKS}

    @extend_schema(
        operation_id="webhook_endpoints_rotate_secret", request=NoBody, responses=EndpointWithSecret
    )
    @sensitive_variables()
    def post(self, request: Request, endpoint_id: uuid.UUID) -> Response:
        del request
        endpoint = self.endpoint(endpoint_id)
        self.read(NoBody)
        endpoint, secret = webhook_endpoints.rotate_secret(
            endpoint=endpoint, actor=self.actor, now=self.now
        )
        return Response(represent_with_secret(endpoint, secret))


class EndpointTest(WebhookView):
    """Send one signed event of type `webhook.test` and see what comes back."""

    actions: ClassVar = {"POST": Action.MANAGE_WEBHOOKS}

    @extend_schema(operation_id="webhook_endpoints_test", request=NoBody, responses=TryOutput)
    def post(self, request: Request, endpoint_id: uuid.UUID) -> Response:
        del request
        endpoint = self.endpoint(endpoint_id)
        self.read(NoBody)
        outcome = webhook_acts.try_out(endpoint=endpoint, actor=self.actor, now=self.now)
        return Response(represent_outcome(outcome))


class EndpointDeliveries(WebhookView):
    """What became of each event, newest first."""

    actions: ClassVar = {"GET": Action.MANAGE_WEBHOOKS}
    is_list = True

    @extend_schema(operation_id="webhook_deliveries_list", responses=DeliveryOutput(many=True))
    def get(self, request: Request, endpoint_id: uuid.UUID) -> Response:
        del request
        rows = WebhookDelivery.objects.filter(endpoint=self.endpoint(endpoint_id))
        return self.page(rows, represent_deliveries)


class DeliveryResend(WebhookView):
    """Send it once more, now: the answer is the delivery after that try."""

    actions: ClassVar = {"POST": Action.MANAGE_WEBHOOKS}

    @extend_schema(
        operation_id="webhook_deliveries_resend", request=NoBody, responses=DeliveryOutput
    )
    def post(self, request: Request, delivery_id: uuid.UUID) -> Response:
        del request
        rows = WebhookDelivery.objects.filter(endpoint__in=self.endpoints())
        delivery = rows.select_related("endpoint", "event").filter(pk=delivery_id).first()
        if delivery is None:
            raise NotFound("There is no such delivery.")
        self.read(NoBody)
        delivery = webhook_acts.resend(delivery=delivery, actor=self.actor, now=self.now)
        return Response(DeliveryOutput(delivery).data)
