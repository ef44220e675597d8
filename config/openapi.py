"""What the API's document says of itself; config/settings.py hands it to drf-spectacular."""

from __future__ import annotations

from typing import Any

SETTINGS: dict[str, Any] = {
    "TITLE": "Malipo API",
    "DESCRIPTION": "Take M-Pesa payments at the till, and know whether the money is there.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # Several fields are called status or kind; each gets the name of its own vocabulary.
    "ENUM_NAME_OVERRIDES": {
        "ConfigStatusEnum": "payments.choices.ConfigStatus",
        "PaymentStatusEnum": "payments.choices.PaymentStatus",
        "AttemptStatusEnum": "payments.choices.AttemptStatus",
        "RuleKindEnum": "payments.receipt_choices.RuleKind",
    },
}
