"""
Signs that an M-Pesa message was made up or changed, and where it differs from what we hold.

No sign is a proof, and no message without one is genuine: only the ledger says what was paid. The
signs are for the cashier, who must tell somebody at the counter why he gets nothing. Each is a code;
check_words.py has the sentence. None may fire on a message Safaricom has really sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from payments.models import Receipt
from payments.providers.daraja.receipt_dates import FORM, day_of
from payments.providers.daraja.sms import EAT, PAYMENTS, Kind, Message

_CLOCKS_DIFFER = timedelta(minutes=15)
# A payment at midnight may carry the day before in its number.
_DAYS_DIFFER = timedelta(days=1)
# Between the message's minute and the ledger's time lie seconds; a pull may err by its zone.
_SAME_PAYMENT = timedelta(hours=12)
# Numbers had nine signs before; recorded in 2011, gone by 2014.
_LONGER_NUMBERS_SINCE = 2014
# What a person may send in a day (Safaricom's tariff since 2023); no higher number is judged.
_DAILY_LIMIT = Decimal(500_000)
# What a bank or a till pays for being paid stays below this part (daraja.md: 0.55 %).
_HIGHEST_CHARGE = Decimal("0.05")
_BALANCES_OF_PHONES = frozenset({"", "mpesa", "business"})
_BALANCES_OF_BUSINESSES = frozenset({"", "account", "utility", "merchant", "organization"})
_OF_PHONES = frozenset(
    {
        Kind.PAID,
        Kind.PAID_ACCOUNT,
        Kind.SENT_NAME,
        Kind.SENT_PHONE,
        Kind.RECEIVED_PHONE,
        Kind.RECEIVED_POCHI,
    }
)
#: Signs that count even where the receipt is in our ledger: the text was worked on.
OF_EDITING = frozenset(
    {
        "edited_text",
        "amount_form",
        "two_amounts",
        "no_such_date",
        "future_date",
        "sender_form",
    }
)


def signs_of(message: Message, *, now: datetime) -> list[str]:
    """Return the codes of all signs in a message, the plainest first; mostly none."""
    return [*_of_text(message), *_of_time(message, now=now), *_of_number(message, now=now),
            *_of_form(message), *_of_sums(message)]  # fmt: skip


def is_impossible_number(number: str, *, now: datetime) -> bool:
    """Tell whether a number of the right form names no day, or a day to come."""
    day = day_of(number)
    return day is None or day > _today(now) + _DAYS_DIFFER


def differences(message: Message, receipt: Receipt) -> list[str]:
    """Return where a message differs from the receipt of its number; amounts are not looked at."""
    found = []
    if message.at and receipt.paid_at and abs(message.at - receipt.paid_at) > _SAME_PAYMENT:
        found.append("other_date")
    if _is_other_kind(message):
        found.append("sender_form")
    if message.kind is Kind.RECEIVED_BUSINESS and _is_other_payer(message, receipt):
        found.append("other_payer")
    if _is_other_account(message.account, receipt.account_reference):
        found.append("other_account")
    return found


def is_other_phone(last3: str, receipt: Receipt) -> bool:
    """Tell whether the last three digits are known, and others than those given."""
    known = receipt.payer_masked[-3:]
    return bool(last3) and len(known) == 3 and known.isdigit() and known != last3


def _of_text(message: Message) -> Iterator[str]:
    if message.is_doctored:
        yield "edited_text"
    if message.kind not in PAYMENTS | {Kind.SENT_PHONE, Kind.RECEIVED_PHONE}:
        return
    if message.bad_amounts:
        yield "amount_form"
    if len(message.amounts) > 1:
        yield "two_amounts"


def _of_time(message: Message, *, now: datetime) -> Iterator[str]:
    if message.has_date and message.at is None:
        yield "no_such_date"
    if message.at is not None and message.at > now + _CLOCKS_DIFFER:
        yield "future_date"


def _of_number(message: Message, *, now: datetime) -> Iterator[str]:
    number = message.receipt_number
    if not number:
        # Failures and notices have none; who was paid is always told one.
        if message.is_payment:
            yield "code_form"
    elif not FORM.fullmatch(number):
        is_old = message.at is not None and message.at.year < _LONGER_NUMBERS_SINCE
        if not (is_old and len(number) == 9):
            yield "code_form"
    elif is_impossible_number(number, now=now) or _is_of_other_day(message):
        yield "date_letters"


def _is_of_other_day(message: Message) -> bool:
    named = day_of(message.receipt_number)
    if named is None or message.at is None:
        return False
    return abs(message.at.date() - named) > _DAYS_DIFFER


def _of_form(message: Message) -> Iterator[str]:
    """Yield where a person's words and a business's stand in one message."""
    of_phone = message.kind in _OF_PHONES
    of_business = message.kind is Kind.RECEIVED_BUSINESS
    if (of_phone and message.balance_of not in _BALANCES_OF_PHONES) or (
        of_business and message.balance_of not in _BALANCES_OF_BUSINESSES
    ):
        yield "sender_form"


def _of_sums(message: Message) -> Iterator[str]:
    amount, balance = message.amount, message.balance
    if amount is None:
        return
    if message.kind is Kind.RECEIVED_BUSINESS and balance is not None:
        kept = amount * (1 - _HIGHEST_CHARGE) - (message.cost or 0) - 1
        if balance < kept:
            yield "wrong_total"
    left = message.left_today
    if left is not None and left <= _DAILY_LIMIT < left + amount:
        yield "wrong_total"


def _is_other_kind(message: Message) -> bool:
    """Tell whether it says that the money went elsewhere than to a business."""
    return message.kind not in PAYMENTS | {Kind.UNKNOWN, Kind.BANK_NOTICE}


def _is_other_payer(message: Message, receipt: Receipt) -> bool:
    if is_other_phone(message.phone_last3, receipt):
        return True
    named = {word[0] for word in message.counterparty.upper().split()}
    known = set(re.findall(r"[A-Z]", receipt.payer_initials.upper()))
    return bool(named and known) and not known <= named


def _is_other_account(typed: str, known: str) -> bool:
    one, other = _bare(typed), _bare(known)
    # Safaricom cuts what was typed; whoever is cut is the beginning of the other.
    return bool(one and other) and not (one.startswith(other) or other.startswith(one))


def _bare(account: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", account.upper()).lstrip("0")


def _today(now: datetime) -> date:
    return now.astimezone(EAT).date()
