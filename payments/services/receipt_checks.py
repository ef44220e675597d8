"""
"Is this M-Pesa message real?": the check a cashier makes at the counter.

The text of a message is never evidence and is not kept. It gives a code to look up, it may be held
against what we hold, and it may betray itself; genuine is what Safaricom told us, and nothing else.
Every check leaves a row, without the text.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from audit.actors import Actor
from payments.fields import blind_index
from payments.models import PaymentConfig, ProviderRequest, Receipt, ReceiptCheck
from payments.receipt_choices import CheckAnswer
from payments.services import check_asking
from payments.services.check_answers import Checked, describe, look
from payments.services.check_reading import Shown, read
from tenants.models import Branch, Shop

__all__ = [
    "Checked",
    "Shown",
    "check",
    "code_index",
    "describe",
    "look_again",
    "note_claim",
    "read",
]

RETRY_AFTER_ASKING_S = 5
# Why a receipt is not seen yet where nothing is left to wait for, or something better.
_SETTLED = frozenset({"asking", "unknown_to_safaricom"})
_CODE_PURPOSE = "receipt_check"


def check(
    *,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    shown: Shown,
    actor: Actor,
    now: datetime,
) -> Checked:
    """
    Answer whether a receipt somebody shows is genuine and unused, and write down that he asked.

    branch is where it is shown. What is not in the ledger is looked for in the inbox, then asked of
    Safaricom where an initiator is set or money is pulled; then the answer says when to look again.
    """
    found = look(shop, environment, branch, shown, now=now)
    if found.answer == CheckAnswer.NOT_SEEN_YET:
        found = _look_further(found, shop, environment, branch, shown, actor=actor, now=now)
    _write(shop, environment, branch, found, actor=actor, now=now)
    return found


def look_again(
    *, shop: Shop, environment: str, branch: Branch | None, shown: Shown, now: datetime
) -> Checked:
    """Answer once more about a code that was checked a moment ago; nobody is asked or told."""
    found = look(shop, environment, branch, shown, now=now)
    if found.answer != CheckAnswer.NOT_SEEN_YET:
        return found
    request = check_asking.latest(shop_id=shop.pk, environment=environment, number=shown.number)
    told = _waiting(found, request, now=now)
    if told.why in _SETTLED or not check_asking.is_pulled_for(
        shop_id=shop.pk, environment=environment, index=code_index(shown.number), now=now
    ):
        return told
    return replace(told, why=check_asking.PULLING)


def note_claim(
    *,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    number: str,
    receipt: Receipt | None,
    answer: str,
    why: str = "",
    actor: Actor,
    now: datetime,
) -> ReceiptCheck:
    """Write down that somebody claimed a receipt, or tried to; receipt only if it is the shop's."""
    told = Checked(answer, why, number, receipt)
    return _write(shop, environment, branch, told, actor=actor, now=now, is_claim=True)


def code_index(number: str) -> str:
    """Return the index by which checks of one code are found."""
    return blind_index(_CODE_PURPOSE, number) if number else ""


def _look_further(
    found: Checked,
    shop: Shop,
    environment: str,
    branch: Branch | None,
    shown: Shown,
    *,
    actor: Actor,
    now: datetime,
) -> Checked:
    configs = check_asking.mpesa_configs(shop_id=shop.pk, environment=environment)
    if _is_of_other_number(shown, configs):
        return Checked(CheckAnswer.WRONG_BUSINESS, "other_number", shown.number)
    if check_asking.read_inbox(configs, now=now):
        found = look(shop, environment, branch, shown, now=now)
        if found.answer != CheckAnswer.NOT_SEEN_YET:
            return found
    request = check_asking.ask(
        configs, number=shown.number, kind=shown.kind, branch=branch, actor=actor, now=now
    )
    told = _waiting(found, request, now=now)
    is_pulled = check_asking.will_be_pulled(configs, number=shown.number, now=now)
    if told.why in _SETTLED or not is_pulled:
        return told
    return replace(told, why=check_asking.PULLING)


def _waiting(found: Checked, request: ProviderRequest | None, *, now: datetime) -> Checked:
    if found.answer != CheckAnswer.NOT_SEEN_YET:
        return found
    if check_asking.is_waiting(request, now=now):
        return replace(found, why="asking", request=request, retry_after=RETRY_AFTER_ASKING_S)
    if check_asking.is_unknown_to_safaricom(request):
        return replace(found, why="unknown_to_safaricom", request=request)
    return replace(found, request=request)


def _is_of_other_number(shown: Shown, configs: list[PaymentConfig]) -> bool:
    """Tell whether the text names a till or paybill, and none of them is the shop's."""
    named = set(shown.message.business_numbers) if shown.message else set()
    own = {number for c in configs for number in (c.shortcode, c.store_number) if number}
    return bool(named and own) and not named & own


def _write(
    shop: Shop,
    environment: str,
    branch: Branch | None,
    told: Checked,
    *,
    actor: Actor,
    now: datetime,
    is_claim: bool = False,
) -> ReceiptCheck:
    row: ReceiptCheck = ReceiptCheck.objects.create(
        shop=shop,
        environment=environment,
        branch=branch,
        receipt=told.receipt,
        answer=told.answer,
        why=told.why,
        code_index=code_index(told.number),
        code_masked=masked(told.number),
        is_claim=is_claim,
        asked_by=actor.label[:254],
        at=now,
    )
    return row


def masked(number: str) -> str:
    """Return a code with its middle hidden: who knows it knows it again."""
    return f"{number[:3]}…{number[-2:]}" if len(number) > 6 else "…" if number else ""
