"""The routes of the API, one a line; a resource's list stands beside its views."""

from __future__ import annotations

from django.urls import path

from payments.api import (
    account_rules,
    audit_log,
    c2b,
    configs,
    events,
    identity,
    manual,
    payments,
    receipt_checks,
    receipts,
    reviews,
    rotation,
    webhooks,
)
from payments.api import schema as _schema  # noqa: F401 - registers the key with the document

CONFIG = "payments/configs/<uuid:config_id>"
PAYMENT = "payments/<uuid:payment_id>"
RECEIPT = "receipts/<uuid:receipt_id>"
REVIEW = "reviews/<uuid:review_id>"
WEBHOOK = "webhook-endpoints/<uuid:endpoint_id>"

urlpatterns = [
    path("me", identity.Me.as_view()),
    path("result-codes", identity.ResultCodeList.as_view()),
    path("result-codes/<str:code>", identity.ResultCodeDetail.as_view()),
    path("payments/active-config", configs.ActiveConfig.as_view()),
    path("payments/configs", configs.ConfigList.as_view()),
    path(CONFIG, configs.ConfigDetail.as_view()),
    path(f"{CONFIG}/activate", configs.ConfigActivate.as_view()),
    path(f"{CONFIG}/deactivate", configs.ConfigDeactivate.as_view()),
    path(f"{CONFIG}/set-default", configs.ConfigSetDefault.as_view()),
    path(f"{CONFIG}/suspend", configs.ConfigSuspend.as_view()),
    path(f"{CONFIG}/restore", configs.ConfigRestore.as_view()),
    path(f"{CONFIG}/verify", configs.ConfigVerify.as_view()),
    path(f"{CONFIG}/rotate", rotation.ConfigRotate.as_view()),
    path(f"{CONFIG}/versions", rotation.ConfigVersions.as_view()),
    path(f"{CONFIG}/register-urls", c2b.ConfigRegisterUrls.as_view()),
    path(f"{CONFIG}/verification-logs", configs.ConfigVerificationLogs.as_view()),
    path(f"{CONFIG}/audit-log", audit_log.ConfigAuditLog.as_view()),
    path(f"{CONFIG}/account-rules", account_rules.ConfigAccountRules.as_view()),
    path("events", events.EventList.as_view()),
    path("webhook-endpoints", webhooks.EndpointList.as_view()),
    path(WEBHOOK, webhooks.EndpointDetail.as_view()),
    path(f"{WEBHOOK}/rotate-secret", webhooks.EndpointRotateSecret.as_view()),
    path(f"{WEBHOOK}/test", webhooks.EndpointTest.as_view()),
    path(f"{WEBHOOK}/deliveries", webhooks.EndpointDeliveries.as_view()),
    path("webhook-deliveries/<uuid:delivery_id>/resend", webhooks.DeliveryResend.as_view()),
    path("payments/stats", payments.PaymentStats.as_view()),
    path("payments/readiness", payments.PaymentReadiness.as_view()),
    path("payments", payments.PaymentList.as_view()),
    path("payments/manual", manual.ManualList.as_view()),
    path(PAYMENT, payments.PaymentDetail.as_view()),
    path(f"{PAYMENT}/timeline", payments.PaymentTimeline.as_view()),
    path(f"{PAYMENT}/retry", payments.PaymentRetry.as_view()),
    path(f"{PAYMENT}/check", payments.PaymentCheck.as_view()),
    path(f"{PAYMENT}/void", manual.ManualVoid.as_view()),
    path("receipts", receipts.ReceiptList.as_view()),
    path("receipts/check", receipt_checks.ReceiptCheckView.as_view()),
    path("receipts/claim", receipts.ReceiptClaim.as_view()),
    path(f"{RECEIPT}/allocate", receipts.ReceiptAllocate.as_view()),
    path("reviews", reviews.ReviewList.as_view()),
    path(f"{REVIEW}/resolve", reviews.ReviewResolve.as_view()),
]
