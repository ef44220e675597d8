"""What the OpenAPI document says of every operation alike: the key, and the problem document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from payments.api.pagination import NewestFirst


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "tenants.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        del auto_schema
        return {"type": "http", "scheme": "bearer", "bearerFormat": "mlp_test_… or mlp_live_…"}


class ProblemError(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class BothLanguages(serializers.Serializer):
    en = serializers.CharField()
    sw = serializers.CharField()


class Problem(serializers.Serializer):
    """RFC 9457, application/problem+json."""

    type = serializers.URLField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = ProblemError(many=True)
    message = BothLanguages()
    retry_after = serializers.IntegerField(required=False)


class MalipoSchema(AutoSchema):
    """Adds to every operation the problem that any of them may answer with."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            reference = self.resolve_serializer(Problem, "response").ref
            operation["responses"]["default"] = {
                "description": "A problem document; `code` is stable.",
                "content": {"application/problem+json": {"schema": reference}},
            }
        return operation

    def _get_paginator(self) -> NewestFirst | None:
        return NewestFirst() if getattr(self.view, "is_list", False) else None

    def get_tags(self) -> list[str]:
        """Group by what the address names first, below /payments by what comes second."""
        parts = [part for part in self.path.removeprefix("/api/v1/").split("/") if part]
        if parts[0] == "payments" and len(parts) > 1 and not parts[1].startswith("{"):
            return [f"payments/{parts[1]}"]
        return parts[:1]
