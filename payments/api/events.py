"""The feed of what happened: numbered without gaps, so that a till knows it has everything."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import Max
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.base import MalipoView
from payments.api.fields import OwnWorldSerializer, StrictCharField
from payments.models import Event
from payments.services.events import described
from tenants.roles import Action

DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 200


class EventFilters(OwnWorldSerializer):
    """Where to go on, how many, and of which type."""

    after = StrictCharField(required=False, pattern=r"[0-9]{1,18}", hint="Give a sequence number.")
    limit = StrictCharField(required=False, pattern=r"[0-9]{1,3}", hint="Give 1 to 200.")
    type = StrictCharField(required=False, max_length=40, pattern=r"[a-z_.]+")

    def validate_limit(self, value: str) -> int:
        if not 1 <= int(value) <= HIGHEST_LIMIT:
            raise serializers.ValidationError("Give 1 to 200.", code="out_of_range")
        return int(value)


class EventOutput(serializers.Serializer):
    seq = serializers.IntegerField()
    id = serializers.UUIDField()
    type = serializers.CharField()
    environment = serializers.CharField()
    created_at = serializers.DateTimeField()
    data = serializers.DictField()


class EventPage(serializers.Serializer):
    results = EventOutput(many=True)
    last_seq = serializers.IntegerField()


class EventList(MalipoView):
    """Events after a number, oldest first; last_seq is the newest there is."""

    actions: ClassVar = {"GET": Action.VIEW_EVENTS}
    filters = EventFilters

    @extend_schema(operation_id="events_list", parameters=[EventFilters], responses=EventPage)
    def get(self, request: Request) -> Response:
        if self.branch_id is not None:
            # Without the other branches' events the feed would have gaps, with them a leak.
            raise PermissionDenied("A key bound to a branch does not read the shop's events.")
        feed = Event.objects.filter(shop=self.shop, environment=self.environment)
        rows = feed.filter(seq__gt=int(self.query.get("after", 0))).order_by("seq")
        if "type" in self.query:
            rows = rows.filter(type=self.query["type"])
        found = rows[: self.query.get("limit", DEFAULT_LIMIT)]
        newest = feed.aggregate(last=Max("seq"))["last"] or 0
        return Response({"results": [described(row) for row in found], "last_seq": newest})
