"""Who am I, and what do the codes mean: what any key may ask."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.base import MalipoView
from payments.api.pagination import page_of_table
from payments.api.schema import BothLanguages
from payments.errors import NotFound
from payments.providers.daraja import result_codes
from payments.providers.daraja.explanations import ResultCode
from tenants.roles import Action

_ANYBODY: dict[str, Action] = {"GET": Action.IDENTIFY}


class ShopOutput(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    slug = serializers.CharField()


class BranchOutput(serializers.Serializer):
    id = serializers.UUIDField()
    code = serializers.CharField()
    name = serializers.CharField()


class KeyOutput(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)


class IdentityOutput(serializers.Serializer):
    shop = ShopOutput()
    branch = BranchOutput(allow_null=True)
    role = serializers.CharField()
    environment = serializers.CharField()
    key = KeyOutput(source="*")


class ResultCodeOutput(serializers.Serializer):
    """A code explained; a payment's `result` equals it."""

    code = serializers.CharField(allow_null=True)
    provider = serializers.CharField()
    finality = serializers.CharField(allow_null=True)
    fault = serializers.CharField(allow_null=True)
    message = BothLanguages()
    next_step = serializers.CharField()
    who_acts = serializers.CharField()
    retry_after = serializers.IntegerField(allow_null=True)
    source = serializers.CharField()


class Me(MalipoView):
    actions: ClassVar = _ANYBODY

    @extend_schema(responses=IdentityOutput)
    def get(self, request: Request) -> Response:
        del request
        return Response(IdentityOutput(self.key).data)


class ResultCodeList(MalipoView):
    """Every code with a meaning of its own, in the order of the table."""

    actions: ClassVar = _ANYBODY
    is_list = True

    @extend_schema(responses=ResultCodeOutput(many=True))
    def get(self, request: Request) -> Response:
        rows, links = page_of_table(result_codes.ALL, request)
        return Response({"results": [represent_code(row) for row in rows], **links})


class ResultCodeDetail(MalipoView):
    actions: ClassVar = _ANYBODY

    @extend_schema(responses=ResultCodeOutput)
    def get(self, request: Request, code: str) -> Response:
        del request
        if not result_codes.is_known(code):
            raise NotFound
        return Response(represent_code(result_codes.explain(code)))


def represent_code(row: ResultCode) -> dict[str, Any]:
    return dict(ResultCodeOutput(row).data)
