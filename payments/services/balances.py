"""What a config's accounts hold: asked by an admin or by the doctor, the newest word kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from payments.choices import VerificationResult
from payments.models import AccountBalance, PaymentConfig, ProviderRequest, VerificationLog
from payments.providers.base import Balance, RequestResult
from payments.receipt_choices import BalanceSource
from payments.services import credentials_health, proofs, request_words
from payments.services.findings import StageResult

_REFUSED = (
    (request_words.WRONG_INITIATOR, "balance_wrong_initiator"),
    (request_words.LOCKED_INITIATOR, "balance_locked"),
    (request_words.NOT_PERMITTED, "balance_not_permitted"),
)


def keep(
    config: PaymentConfig, told: Iterable[Balance], *, source: BalanceSource, now: datetime
) -> None:
    """Keep what each account holds in place of what was told before; an older word changes nothing."""
    newer = AccountBalance.objects.filter(config=config, source=source, at__gt=now)
    known = set(newer.values_list("account", flat=True))
    rows = {
        balance.account[:60]: AccountBalance(
            shop_id=config.shop_id,
            config=config,
            account=balance.account[:60],
            current=balance.current,
            available=balance.available,
            source=source,
            at=now,
        )
        for balance in told
        if balance.account[:60] not in known
    }
    AccountBalance.objects.bulk_create(
        [rows[name] for name in sorted(rows)],
        update_conflicts=True,
        unique_fields=["config", "account", "source"],
        update_fields=["current", "available", "at"],
    )


def apply_balance(request: ProviderRequest, result: RequestResult, *, now: datetime) -> None:
    """Keep the balances, and end the doctor's question where it was his."""
    if result.result_code in request_words.WRONG_INITIATOR and request.version is not None:
        # First, because it tells the feed: whatever the doctor's row leads to comes after.
        credentials_health.note_initiator_refused(version=request.version, now=now)
    if result.succeeded:
        keep(request.config, result.balances, source=BalanceSource.ASKED, now=now)
    finish_probe(request, _found(result), now=now)


def finish_probe(request: ProviderRequest, found: StageResult, *, now: datetime) -> None:
    """Complete the row of the doctor's log; only a success corrects what it says already."""
    if request.verification_log_id is None:
        return
    with transaction.atomic():
        config = PaymentConfig.objects.select_for_update(of=("self",)).get(pk=request.config_id)
        rows = VerificationLog.objects.select_for_update(of=("self",))
        log = rows.select_related("run", "version").get(pk=request.verification_log_id)
        log.config = config
        is_open = log.result == VerificationResult.PENDING
        is_better = found.result == VerificationResult.SUCCESS != log.result
        if is_open or is_better:
            proofs.complete(log, found, now=now)


def _found(result: RequestResult) -> StageResult:
    if result.succeeded:
        return StageResult("balance_ok", result.result_code, {"accounts": len(result.balances)})
    name = next(
        (name for codes, name in _REFUSED if result.result_code in codes), "balance_refused"
    )
    return StageResult(name, result.result_code)
