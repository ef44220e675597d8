"""The bell: each task runs one sweep. Losing one costs nothing, the next finds the same rows."""

from __future__ import annotations

import logging

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from reconciliation.running import run_sweep

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def ask_fresh_attempts() -> None:
    run_sweep("ask_fresh_attempts", now=timezone.now())


@shared_task(ignore_result=True)
def ask_due_attempts() -> None:
    run_sweep("ask_due_attempts", now=timezone.now())


@shared_task(ignore_result=True)
def expire_overdue() -> None:
    run_sweep("expire_overdue", now=timezone.now())


@shared_task(ignore_result=True)
def reprocess_callbacks() -> None:
    run_sweep("reprocess_callbacks", now=timezone.now())


@shared_task(ignore_result=True)
def run_replays() -> None:
    run_sweep("run_replays", now=timezone.now())


@shared_task(ignore_result=True)
def refresh_tokens() -> None:
    run_sweep("refresh_tokens", now=timezone.now())


@shared_task(ignore_result=True)
def anchor_audit() -> None:
    run_sweep("anchor_audit", now=timezone.now())


@shared_task(ignore_result=True)
def finish_verifications() -> None:
    run_sweep("finish_verifications", now=timezone.now())


@shared_task(ignore_result=True)
def settle_held_receipts() -> None:
    run_sweep("settle_held_receipts", now=timezone.now())


@shared_task(ignore_result=True)
def ask_about_strangers() -> None:
    run_sweep("ask_about_strangers", now=timezone.now())


@shared_task(ignore_result=True)
def close_silent_requests() -> None:
    run_sweep("close_silent_requests", now=timezone.now())


@shared_task(ignore_result=True)
def recheck_receipts() -> None:
    run_sweep("recheck_receipts", now=timezone.now())


@shared_task(ignore_result=True)
def purge_raw_bodies() -> None:
    run_sweep("purge_raw_bodies", now=timezone.now())


@shared_task(ignore_result=True)
def purge_idempotency_keys() -> None:
    run_sweep("purge_idempotency_keys", now=timezone.now())


@shared_task(ignore_result=True)
def run_due_rotations() -> None:
    run_sweep("run_due_rotations", now=timezone.now())


@shared_task(ignore_result=True)
def remind_of_rotations() -> None:
    run_sweep("remind_of_rotations", now=timezone.now())


@shared_task(ignore_result=True)
def expire_configs() -> None:
    run_sweep("expire_configs", now=timezone.now())


@shared_task(ignore_result=True)
def close_token_wars() -> None:
    run_sweep("close_token_wars", now=timezone.now())


@shared_task(ignore_result=True)
def watch_configs() -> None:
    run_sweep("watch_configs", now=timezone.now())


@shared_task(ignore_result=True)
def watch_patterns() -> None:
    run_sweep("watch_patterns", now=timezone.now())


@shared_task(ignore_result=True)
def close_refunded_reviews() -> None:
    run_sweep("close_refunded_reviews", now=timezone.now())


@shared_task(ignore_result=True)
def mail_notices() -> None:
    run_sweep("mail_notices", now=timezone.now())


@shared_task(ignore_result=True)
def deliver_webhooks() -> None:
    run_sweep("deliver_webhooks", now=timezone.now())


@shared_task(ignore_result=True)
def pull_recent() -> None:
    run_sweep("pull_recent", now=timezone.now())


@shared_task(ignore_result=True)
def pull_nightly() -> None:
    run_sweep("pull_nightly", now=timezone.now())


@shared_task(ignore_result=True)
def watch_health() -> None:
    run_sweep("watch_health", now=timezone.now())


@shared_task(ignore_result=True)
def fold_tallies() -> None:
    run_sweep("fold_tallies", now=timezone.now())


@shared_task(ignore_result=True)
def purge_statement_files() -> None:
    run_sweep("purge_statement_files", now=timezone.now())


@shared_task(ignore_result=True)
def purge_receipt_checks() -> None:
    run_sweep("purge_receipt_checks", now=timezone.now())


@shared_task(ignore_result=True)
def purge_runs() -> None:
    run_sweep("purge_runs", now=timezone.now())


@shared_task(ignore_result=True)
def purge_webhook_deliveries() -> None:
    run_sweep("purge_webhook_deliveries", now=timezone.now())


@shared_task(ignore_result=True)
def forget_phone_numbers() -> None:
    run_sweep("forget_phone_numbers", now=timezone.now())


@shared_task(ignore_result=True)
def process_statements() -> None:
    run_sweep("process_statements", now=timezone.now())


def ring_statements() -> None:
    """Let a worker look at statements once this is committed; without Redis the sweep will."""
    if settings.REDIS_URL:
        transaction.on_commit(_ring_statements)


def _ring_statements() -> None:
    try:
        process_statements.delay()
    except OperationalError:
        logger.warning("Redis is not there: the sweep looks at statements")
