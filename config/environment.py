"""Every variable that has a default, its type and the default; settings.py reads them."""

from __future__ import annotations

import environ

env = environ.FileAwareEnv(
    DEBUG=(bool, False),
    ALLOWED_HOSTS=(list, []),
    CSRF_TRUSTED_ORIGINS=(list, []),
    REDIS_URL=(str, ""),
    PUBLIC_BASE_URL=(str, ""),
    DARAJA_SANDBOX_URL=(str, "https://sandbox.safaricom.co.ke"),
    DARAJA_PRODUCTION_URL=(str, "https://api.safaricom.co.ke"),
    AIRTEL_SANDBOX_URL=(str, "https://openapiuat.airtelkenya.com"),
    AIRTEL_PRODUCTION_URL=(str, "https://openapi.airtelkenya.com"),
    CALLBACK_ALLOWED_NETWORKS=(list, []),
    TRUSTED_PROXIES=(list, []),
    METRICS_ALLOWED_NETWORKS=(list, ["127.0.0.0/8", "::1/128"]),
    DARAJA_CERTIFICATE_FILE_SANDBOX=(str, ""),
    DARAJA_CERTIFICATE_FILE_PRODUCTION=(str, ""),
    DARAJA_CONNECT_TIMEOUT_S=(float, 3.0),
    DARAJA_TOTAL_TIMEOUT_S=(float, 20.0),
    DARAJA_PULL_METHOD=(str, "POST"),
    PAYMENT_EXPIRY_S=(int, 300),
    QUERY_BUDGET_PER_MINUTE=(int, 5),
    REVERSAL_RECHECK_ABOVE=(int, 10_000),
    STK_RATE_PER_SHOP_PER_MINUTE=(int, 60),
    STK_RATE_PER_PHONE_PER_MINUTE=(int, 10),
    API_RATE_PER_KEY_PER_MINUTE=(int, 600),
    BREAKER_FAILURES=(int, 5),
    BREAKER_COOLING_S=(int, 30),
    UPSTREAM_CALLS_PER_PROCESS=(int, 180),
    DATABASE_POOL_SIZE=(int, 12),
    RAW_BODY_RETENTION_DAYS=(int, 90),
    STATEMENT_MAX_MB=(int, 25),
    EMAIL_FROM=(str, "malipo@localhost"),
    AUDIT_ANCHOR_DIR=(str, ""),
    LOG_LEVEL=(str, "INFO"),
    LOG_FORMAT=(str, ""),
)
