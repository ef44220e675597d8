"""What the tests of the config API send and expect."""

from __future__ import annotations

from tests.conftest import DARAJA_SECRETS

LIST = "/payments/configs"
BODY = {
    "name": "Main till",
    "provider": "mpesa_till",
    "shortcode": "174379",
    "store_number": "600996",
    "credentials": DARAJA_SECRETS,
}
OUTPUT = {
    "id",
    "shop",
    "branch",
    "name",
    "provider",
    "environment",
    "shortcode",
    "store_number",
    "account_number",
    "account_prefix",
    "priority",
    "min_amount",
    "max_amount",
    "daily_limit",
    "monthly_limit",
    "purposes",
    "auto_activate",
    "c2b_version",
    "has_api",
    "refuses_unknown_accounts",
    "assigns_close_references",
    "recheck_above",
    "c2b_registered_at",
    "proven_at",
    "metadata",
    "status",
    "is_active",
    "is_default",
    "health",
    "health_reason",
    "suspended_reason",
    "version",
    "previous_version",
    "credentials",
    "verified_at",
    "verified_by",
    "last_tested_at",
    "last_test_result",
    "last_test_error",
    "rotation_scheduled_at",
    "token_expires_at",
    "credentials_expire_on",
    "last_token_refresh_at",
    "created_at",
    "updated_at",
}


def of(config, act=""):
    return f"{LIST}/{config.pk}{act and '/' + act}"


def errors(response):
    return {(row["field"], row["code"]) for row in response.json()["errors"]}
