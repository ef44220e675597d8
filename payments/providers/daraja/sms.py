"""
Reads an M-Pesa message as somebody pasted it: what kind it is, and what it claims.

Nothing here is evidence: whoever wants goods can write any message. It is read to find the receipt
in our own ledger, and to see where the text contradicts itself or what we hold. The forms of
sms_words.py are searched for and not matched whole, since spaces, dots and advertisements differ
from phone to phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from payments.providers.daraja import sms_words as words
from payments.providers.daraja.sms_text import Unreadable, as_read, clean, is_doctored
from payments.providers.daraja.sms_words import PAYMENTS, Kind

__all__ = ["EAT", "PAYMENTS", "Kind", "Message", "Unreadable", "parse"]

EAT = timezone(timedelta(hours=3), "EAT")
_WELL_WRITTEN = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d{2})?")
# A letter in the midst of an amount: 5,O00 is a figure somebody typed.
_BROKEN_AMOUNT = re.compile(r"(?:kshs?|kes)[\s.]*\d[\d,.]*[OoIlSB][\d,.]", re.IGNORECASE)
_MAX_NAME = 80
# Stands where a balance or a cost was; no text that is read holds it (sms_text.py).
_TAIL_MARK = "\x00"


@dataclass(frozen=True)
class Message:
    """
    What a message claims; every part may be missing.

    amount, balance, cost and left_today in shillings; at is aware (EAT); phone is as printed,
    possibly masked. receipt_number is in capitals; quoted are other codes in it. bad_amounts holds
    figures M-Pesa does not write, amounts every figure that could be what was paid.
    """

    kind: Kind
    language: str
    receipt_number: str = ""
    quoted: tuple[str, ...] = ()
    amount: Decimal | None = None
    amounts: tuple[Decimal, ...] = ()
    bad_amounts: tuple[str, ...] = ()
    counterparty: str = field(default="", repr=False)
    account: str = ""
    phone: str = field(default="", repr=False)
    at: datetime | None = None
    has_date: bool = False
    balance: Decimal | None = None
    balance_of: str = ""
    cost: Decimal | None = None
    left_today: Decimal | None = None
    business_numbers: tuple[str, ...] = ()
    is_doctored: bool = False
    is_one_of_several: bool = False

    @property
    def is_payment(self) -> bool:
        """Tell whether it can be about money paid to a business."""
        return self.kind in PAYMENTS

    @property
    def phone_last3(self) -> str:
        digits = self.phone[-3:]
        return digits if digits.isdigit() else ""


def parse(text: str) -> Message:
    """
    Read a message; where several are glued together, the first.

    :raises Unreadable: when it is too long, empty, or holds signs that are no text.
    """
    cleaned = clean(text)
    whole = as_read(cleaned)
    heads = list(_heads(whole))
    own = whole[: heads[1].start()] if len(heads) > 1 else whole
    body = own[heads[0].end() :] if heads else own
    kind = _kind_of(body, has_head=bool(heads))
    named, rest = _named_amounts(body)
    amounts, bad = _plain_amounts(_before_tail(rest))
    moment, has_date = _moment_of(body)
    party = _party_of(body, kind)
    number, quoted = _codes(own, heads, kind)
    return Message(
        kind=_finer(kind, party, body),
        language="sw" if words.SWAHILI.search(own) else "en",
        receipt_number=number,
        quoted=quoted,
        amount=amounts[0] if amounts and not bad and kind is not Kind.BALANCE else None,
        amounts=amounts,
        bad_amounts=bad,
        counterparty=party.name,
        account=party.account,
        phone=party.phone,
        at=moment,
        has_date=has_date,
        balance=named.get("balance"),
        balance_of=_balance_of(body),
        cost=named.get("cost"),
        left_today=named.get("left"),
        business_numbers=tuple(dict.fromkeys(words.BUSINESS_NUMBER.findall(body))),
        is_doctored=is_doctored(cleaned),
        is_one_of_several=len(heads) > 1,
    )


@dataclass(frozen=True)
class _Party:
    """The other side, as far as the text names it."""

    name: str = ""
    account: str = ""
    phone: str = ""
    has_account: bool = False


def _heads(text: str) -> Iterator[re.Match[str]]:
    for head in words.HEAD.finditer(text):
        # "Transaction confirmed" has no code; what is typed in small letters has a digit.
        if head["code"].isupper() or any(sign.isdigit() for sign in head["code"]):
            yield head


def _kind_of(body: str, *, has_head: bool) -> Kind:
    found = [
        (match.start(), place, kind)
        for place, (kind, pattern) in enumerate(words.KINDS)
        if (match := pattern.search(body))
    ]
    if not has_head and words.BANK_REFERENCE.search(body):
        return Kind.BANK_NOTICE
    return min(found)[2] if found else Kind.UNKNOWN


def _finer(kind: Kind, party: _Party, body: str) -> Kind:
    """Tell apart what begins with the same word."""
    if kind in {Kind.SENT_NAME, Kind.PAID} and words.OWN_GOODS.search(party.name):
        return Kind.AIRTIME
    if kind in {Kind.SENT_NAME, Kind.PAID} and party.has_account:
        return Kind.PAID_ACCOUNT
    if kind is Kind.SENT_NAME and party.phone:
        return Kind.SENT_PHONE
    if kind is Kind.RECEIVED_PHONE and words.POCHI.search(body):
        return Kind.RECEIVED_POCHI
    return kind


def _codes(own: str, heads: list[re.Match[str]], kind: Kind) -> tuple[str, tuple[str, ...]]:
    """Return the message's own code, and the others it quotes; a reversal is about another one."""
    head = heads[0]["code"].upper() if heads else ""
    quoted = [code.upper() for code in words.QUOTED_CODE.findall(own)]
    if kind is Kind.REVERSAL:
        quoted += [code.upper() for code in words.REVERSED_CODE.findall(own)]
    quoted += words.CODE.findall(own)
    others = tuple(dict.fromkeys(code for code in quoted if code != head))
    if head or not others:
        return head, others
    return others[0], others[1:]


def _named_amounts(body: str) -> tuple[dict[str, Decimal | None], str]:
    """Return the amounts that have names, and the text without them."""
    named: dict[str, Decimal | None] = {}
    rest = body
    for name, pattern in words.NAMED_AMOUNTS:
        for match in pattern.finditer(rest):
            named.setdefault(name, _decimal(match[1]))
        rest = pattern.sub(_TAIL_MARK if name in words.TAIL else " ", rest)
    return named, rest


def _before_tail(rest: str) -> str:
    """
    Return the part the payment is told in: an advertisement behind the balance names sums as well.

    Where nothing is told before, the balance came first, and all counts.
    """
    told, _mark, _tail = rest.partition(_TAIL_MARK)
    return told if words.MONEY.search(told) else rest.replace(_TAIL_MARK, " ")


def _plain_amounts(rest: str) -> tuple[tuple[Decimal, ...], tuple[str, ...]]:
    """Return the different amounts without a name, in order, and those M-Pesa does not write."""
    figures = [match[1] or match[2] for match in words.MONEY.finditer(rest)]
    bad = [figure for figure in figures if not _WELL_WRITTEN.fullmatch(figure)]
    bad += [match[0] for match in _BROKEN_AMOUNT.finditer(rest)]
    bad += [match[0] for match in words.FOREIGN.finditer(rest)]
    good = [amount for figure in figures if (amount := _decimal(figure)) is not None]
    return tuple(dict.fromkeys(good)), tuple(bad)


def _decimal(figure: str) -> Decimal | None:
    digits = figure.replace(",", "")
    # Twelve digits hold every sum on earth that is paid by phone.
    return Decimal(digits) if len(digits) <= 15 and _WELL_WRITTEN.fullmatch(figure) else None


def _moment_of(body: str) -> tuple[datetime | None, bool]:
    """Return when it was, None where it is no day or time of ours; and whether it says at all."""
    dates = [
        match
        for match in words.DATE_TIME.finditer(body)
        if not words.NOT_ITS_DATE.search(body[: match.start()])
    ]
    timed = [match for match in dates if match["hour"]] or dates
    return (_moment(timed[0]), True) if timed else (None, False)


def _moment(match: re.Match[str]) -> datetime | None:
    day, month, year = _day_of(match)
    hour, half = int(match["hour"] or 0), (match["half"] or "").upper().replace(".", "")
    if half and not 1 <= hour <= 12:
        return None
    try:
        return datetime(
            year + 2000 if year < 100 else year,
            month,
            day,
            hour % 12 + (12 if half == "PM" else 0) if half else hour,
            int(match["minute"] or 0),
            tzinfo=EAT,
        ).astimezone(EAT)
    except ValueError:
        return None


def _day_of(match: re.Match[str]) -> tuple[int, int, int]:
    if match["iso"]:
        year, month, day = match["iso"].split("-")
        return int(day), int(month), int(year)
    return int(match["day"]), int(match["month"]), int(match["year"])


def _party_of(body: str, kind: Kind) -> _Party:
    """Read who paid or was paid: what stands between the word and the account, date or balance."""
    start = words.PARTY.search(body)
    if start is None or kind in words.WITHOUT_PARTY:
        return _Party()
    text = body[start.end() :]
    end = words.PARTY_END.search(text)
    name = text[: end.start()] if end else text
    phone = words.PHONE.search(name)
    account = words.ACCOUNT.search(text)
    if phone:
        name = name.replace(phone[0], " ")
    return _Party(
        name=" ".join(name.split()).strip(" .,:-")[:_MAX_NAME],
        account=account["account"].strip(" .")[:40] if account else "",
        phone=phone[0].replace(" ", "") if phone else "",
        has_account=account is not None,
    )


def _balance_of(body: str) -> str:
    """Return whose balance is told: mpesa, business (Pochi), account, utility, or "" ."""
    match = words.BALANCE_OF.search(body)
    if match is None:
        return ""
    whose = (match["whose"] or match["baki"]).lower().replace("-", "")
    return "business" if whose == "biashara" else whose
