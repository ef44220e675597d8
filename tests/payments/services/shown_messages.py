"""Messages as customers show them, written about a receipt, and copies that were changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from payments.models import Receipt
from payments.providers.daraja.sms import EAT

_DAYS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


def number_of(day: datetime, tail: str = "AB12CDE") -> str:
    """Return a receipt number of a day, as Safaricom makes them; tail has seven signs."""
    local = day.astimezone(EAT)
    letters = chr(ord("A") + local.year - 2006) + chr(ord("A") + local.month - 1)
    return f"{letters}{_DAYS[local.day]}{tail}"


def minute_of(moment: datetime) -> str:
    """Write a moment as M-Pesa does: 5/11/26 at 7:02 AM."""
    local = moment.astimezone(EAT)
    clock = local.strftime("%I:%M %p").lstrip("0")
    return f"{local.day}/{local.month}/{local:%y} at {clock}"


def till_message(receipt: Receipt, **changed: Any) -> str:
    """Write the payer's message of a payment to a till."""
    said = _said(receipt, changed)
    return (
        f"{said['number']} Confirmed. Ksh{said['amount']:,.2f} paid to DUKA LA MTAA. on "
        f"{minute_of(said['at'])}.New M-PESA balance is Ksh628.13. Transaction cost, Ksh0.00. "
        f"Amount you can transact within the day is {said['left']}. Save frequent Tills"
    )


def paybill_message(receipt: Receipt, **changed: Any) -> str:
    """Write the payer's message of a payment to a paybill."""
    said = _said(receipt, changed)
    return (
        f"{said['number']} Confirmed. Ksh{said['amount']:,.2f} sent to DUKA LA MTAA for account "
        f"{said['account']} on {minute_of(said['at'])} New M-PESA balance is Ksh843.13. Transaction "
        "cost, Ksh5.00."
    )


def business_message(receipt: Receipt, **changed: Any) -> str:
    """Write the message of the shop's own phone."""
    said = _said(receipt, changed)
    return (
        f"{said['number']} Confirmed.on {minute_of(said['at'])}Ksh{said['amount']:,.2f} received from "
        f"{said['phone']} {said['name']}. New Account balance is Ksh{said['balance']}. Transaction "
        "cost, Ksh0.00."
    )


def swahili_message(receipt: Receipt, **changed: Any) -> str:
    """Write the payer's message in Swahili."""
    said = _said(receipt, changed)
    when = minute_of(said["at"]).replace(" at ", " saa ")
    return (
        f"{said['number']} Imethibitishwa. Umelipa Ksh{said['amount']:,.2f} kwa DUKA LA MTAA {when}."
        "Baki yako mpya katika M-PESA ni Ksh173.47. Gharama ya kununua ni Ksh0.00."
    )


MESSAGES = {
    "till": till_message,
    "paybill": paybill_message,
    "business": business_message,
    "swahili": swahili_message,
}


def _said(receipt: Receipt, changed: dict[str, Any]) -> dict[str, Any]:
    assert receipt.paid_at is not None
    return {
        "number": receipt.number,
        "amount": receipt.amount,
        "at": receipt.paid_at,
        "account": receipt.account_reference or "KIOSK",
        "phone": "254700000678",
        "name": "JABALI WAKESHO",
        "left": "490,000.00",
        "balance": "9,440.00",
        **changed,
    }


def days(count: int) -> timedelta:
    return timedelta(days=count)
