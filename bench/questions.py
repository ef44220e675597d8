"""B10: Safaricom asks whether a customer may pay, and waits."""

from __future__ import annotations

import json
from pathlib import Path

from bench import world
from bench.load import HEADERS, Load, drive, write_requests
from bench.results import Goal, Row, median
from bench.stage import LOGS, BenchError, Stage
from payments import callback_urls
from payments.models import AccountRule, Attempt, PaymentConfig
from payments.receipt_choices import RuleKind

_RULES = 50


def asking(stage: Stage, stalls: list[world.Stall]) -> list[Row]:
    """
    Measure a C2B validation, kept and answered, against one SELECT.

    The shop refuses unknown accounts and has rules: every question looks up all there is.
    """
    stall = stalls[0]
    _make_rules(stall.config)
    attempts = world.make_waiting([stall], 200)
    ours = write_requests(LOGS / "questions.txt", (_line(stall.config, a) for a in attempts))
    ids = [attempt.payment_id for attempt in attempts]
    floor = write_requests(LOGS / "selects.txt", (("GET", f"/select/{i}", "") for i in ids))
    pairs = []
    for _ in range(1 + stage.plan.rounds):
        at_floor = _drive(stage, floor, stage.floor())
        pairs.append((_drive(stage, ours, stage.web()), at_floor))
    del pairs[0]  # imports, connections, plans
    return [_tail_row(pairs)]


def _make_rules(config: PaymentConfig) -> None:
    PaymentConfig.objects.filter(pk=config.pk).update(refuses_unknown_accounts=True)
    AccountRule.objects.bulk_create(
        AccountRule(
            shop_id=config.shop_id, config=config, kind=RuleKind.PREFIX, pattern=f"HOUSE{number}"
        )
        for number in range(_RULES)
    )


def _line(config: PaymentConfig, attempt: Attempt) -> tuple[str, str, str]:
    body = {
        "TransactionType": "Pay Bill",
        "TransID": f"T{attempt.payment_id.hex[-9:].upper()}",
        "TransTime": "20260115093000",
        "TransAmount": f"{world.AMOUNT}.00",
        "BusinessShortCode": config.shortcode,
        "BillRefNumber": attempt.payment.account_reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": "",
        "ThirdPartyTransID": "",
        "MSISDN": "2547 ***** 678",
        "FirstName": "JABALI",
    }
    return "POST", f"{callback_urls.callback_path('c', config.pk)}/v", json.dumps(body)


def _drive(stage: Stage, requests: Path, port: int) -> Load:
    plan = stage.plan
    load = drive(
        requests, port=port, seconds=plan.load_s, connections=plan.connections, headers=HEADERS
    )
    if load.failed:
        raise BenchError(f"{load.failed} of {load.requests} questions were not answered by 200.")
    return load


def _tail_row(pairs: list[tuple[Load, Load]]) -> Row:
    return Row(
        "B10",
        "C2B validation, kept and answered: p99",
        f"{median(ours.p99_ms for ours, _ in pairs):.1f} ms",
        f"{median(floor.p99_ms for _, floor in pairs):.1f} ms",
        median(ours.p99_ms / floor.p99_ms for ours, floor in pairs),
        Goal("≤", 3),
    )
