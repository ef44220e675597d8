"""The part of /simulator/ where people pay by hand, take money back, and results are planned."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from payments.providers.daraja.simulator import checks, sms_wire
from payments.providers.daraja.simulator.by_hand import HandPayment
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.server import Face
from payments.providers.daraja.simulator.transactions import Transaction
from payments.providers.daraja.simulator.views import face_of, posted

SHOWN = 12
_MAX_SHILLINGS = Decimal(checks.MAX_AMOUNT)


def pay(request: HttpRequest) -> HttpResponse:
    """Pay by hand: {"business", "amount", "msisdn"} and whatever else HandPayment has."""

    def act(face: Face, said: dict[str, Any]) -> dict[str, Any]:
        payment = _payment_of(said)
        receipt_number = face.engine.pay_by_hand(payment, now=face.clock())
        is_done = face.engine.transactions.find(receipt_number) is not None
        return {"receipt_number": receipt_number, "asked_first": not is_done}

    return posted(request, act)


def money(request: HttpRequest) -> JsonResponse:
    """Tell who can be paid, and the last payments with the message their payers got."""
    engine = face_of(request).engine
    knobs, newest = engine.knobs, engine.transactions.newest_first()
    rows = [_row(one, knobs) for one in newest[:SHOWN]]
    businesses = [
        {"number": number, "name": name, "is_till": number in knobs.tills}
        for number, name in knobs.names.items()
    ]
    return JsonResponse({"money": rows, "businesses": businesses, "validates": knobs.c2b_validates})


def take_back(request: HttpRequest) -> HttpResponse:
    """Let a customer have a payment reversed: {"receipt_number"}."""

    def act(face: Face, said: dict[str, Any]) -> dict[str, Any]:
        number = str(said["receipt_number"])
        return {"reversal": face.engine.take_back(number, now=face.clock())}

    return posted(request, act)


def result(request: HttpRequest) -> HttpResponse:
    """Plan results: {"kind": "status" | "reversal" | "balance", "plan", "times"?}."""

    def act(face: Face, said: dict[str, Any]) -> dict[str, Any]:
        times = int(said.get("times", 1))
        face.engine.plan_result(str(said["kind"]), str(said["plan"]), times=times)
        return {"planned": times}

    return posted(request, act)


def _payment_of(said: dict[str, Any]) -> HandPayment:
    known = {one.name for one in fields(HandPayment)}
    if unknown := set(said) - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if not checks.is_shortcode(said.get("business")):
        raise ValueError("business is a paybill or a till")
    if not checks.is_msisdn(said.get("msisdn")):
        raise ValueError("msisdn is 2547… or 2541…")
    return HandPayment(**{**said, "amount": _amount_of(said.get("amount"))})


def _amount_of(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("amount is a number") from error
    if not (amount.is_finite() and 0 < amount <= _MAX_SHILLINGS):
        raise ValueError(f"amount is up to {_MAX_SHILLINGS}")
    return amount.quantize(Decimal("0.01"))


def _row(one: Transaction, knobs: Knobs) -> dict[str, Any]:
    business = knobs.names.get(one.party_b) or one.party_b
    return {
        "receipt_number": one.receipt_number,
        "business": business,
        "amount": str(one.amount),
        "msisdn": one.msisdn,
        "reference": "" if one.is_till else one.reference,
        "at": one.at.isoformat(),
        "taken_back": bool(one.reversed_by),
        "message": sms_wire.payer_message(one, business),
    }
