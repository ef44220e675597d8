"""The bell: each task runs one sweep. Losing one costs nothing, the next finds the same rows."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from reconciliation.running import run_sweep


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
def refresh_tokens() -> None:
    run_sweep("refresh_tokens", now=timezone.now())


@shared_task(ignore_result=True)
def anchor_audit() -> None:
    run_sweep("anchor_audit", now=timezone.now())


@shared_task(ignore_result=True)
def finish_verifications() -> None:
    run_sweep("finish_verifications", now=timezone.now())


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
def mail_notices() -> None:
    run_sweep("mail_notices", now=timezone.now())
