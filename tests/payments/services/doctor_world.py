"""Configs under the doctor's eyes, in the sandbox and in production."""

from __future__ import annotations

from payments.services import verification

PHONE = "0712345678"
BASICS = ["fields", "base_url", "oauth", "passkey", "callback", "urls"]
LIVE_NUMBER = "600777"


def visit(config, actor, now, **more):
    return verification.verify_config(config=config, actor=actor, now=now, **more)


def findings(logs):
    return [log.response_payload.get("finding") for log in logs]


def prompt_of(config):
    return config.verifications.filter(stage="prompt").order_by("-created_at", "-pk")[0]
