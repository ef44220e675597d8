"""The bell: each task names a row that is committed already. Losing one costs a few seconds."""

from __future__ import annotations

import logging
import threading
import uuid
from functools import partial

from celery import shared_task
from django.conf import settings
from django.db import close_old_connections, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from payments.services import verification

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def run_verification(run_id: str) -> None:
    """Perform a visit, unless somebody else took it."""
    now = timezone.now()
    run = verification.take_run(run_id=uuid.UUID(run_id), now=now)
    if run is not None:
        verification.perform(run=run, now=now)


def ring_verification(run_id: uuid.UUID) -> None:
    """Have a visit performed once it is committed: by a worker, else by a thread of this process."""
    transaction.on_commit(partial(_ring, str(run_id)))


def _ring(run_id: str) -> None:
    if settings.REDIS_URL:
        try:
            run_verification.delay(run_id)
        except OperationalError:
            logger.warning("Redis is not there: a thread verifies instead of a worker")
        else:
            return
    threading.Thread(target=_in_thread, args=[run_id], name="doctor", daemon=True).start()


def _in_thread(run_id: str) -> None:
    try:
        run_verification(run_id)
    except Exception:
        logger.exception("a verification broke; the next one will end it")
    finally:
        close_old_connections()
