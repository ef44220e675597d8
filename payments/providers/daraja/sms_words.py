"""
The words of M-Pesa's messages, English and Swahili, as tables (daraja.md's forms, 2011 to 2026).

To add a form: a word in the table of its kind. What a message is follows from the word that comes
first in it; advertisements follow behind and use the same words.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What a message tells. Only the first four can be money paid to a business."""

    PAID = "paid"  # payer's phone: to a till
    PAID_ACCOUNT = "paid_account"  # payer's phone: to a paybill, with an account
    SENT_NAME = "sent_name"  # payer's phone: to a name without a number; Pochi, or a business
    RECEIVED_BUSINESS = "received_business"  # the business's phone
    SENT_PHONE = "sent_phone"
    RECEIVED_PHONE = "received_phone"
    RECEIVED_POCHI = "received_pochi"
    REVERSAL = "reversal"
    WITHDRAWAL = "withdrawal"
    DEPOSIT = "deposit"
    AIRTIME = "airtime"
    SAVINGS = "savings"
    MOVED = "moved"
    FULIZA = "fuliza"
    BALANCE = "balance"
    BANK_NOTICE = "bank_notice"
    FAILED = "failed"
    DECLINED = "declined"
    UNKNOWN = "unknown"


#: Kinds that can be a payment to a business.
PAYMENTS = frozenset({Kind.PAID, Kind.PAID_ACCOUNT, Kind.SENT_NAME, Kind.RECEIVED_BUSINESS})
#: Kinds that name nobody else.
WITHOUT_PARTY = frozenset(
    {Kind.FAILED, Kind.DECLINED, Kind.REVERSAL, Kind.FULIZA, Kind.BALANCE, Kind.SAVINGS, Kind.MOVED}
)
#: What Safaricom sells itself by the words of a payment.
OWN_GOODS = re.compile(r"^safaricom\b", re.IGNORECASE)

_CURRENCY = r"(?:kshs?|kes)[\s.]*"
#: One amount and its currency, which stands twice in some messages of 2024 and behind in banks'.
MONEY = re.compile(
    rf"(?:{_CURRENCY}){{1,2}}(\d+(?:,\d*)*(?:\.\d+)?)|(\d+(?:,\d*)*(?:\.\d+)?)\s?(?:kshs?|kes)\b",
    re.IGNORECASE,
)
_NUMBER = r"(\d+(?:,\d+)*(?:\.\d+)?)"


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


#: What a message is: the pattern that begins first counts, of two at one place the upper one.
KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.FAILED,
        _words(
            r"^\W*failed\b",
            r"\b(?:transaction|payment|muamala) (?:has )?failed\b",
            r"\binsufficient (?:funds|balance)\b",
            r"\bdo(?:es)? not have (?:enough|sufficient)\b",
            r"\b(?:hakuna|huna|hauna) pesa za kutosha\b",
            r"\b(?:imeshindikana|haikufaulu|haijafaulu|imefeli|umekosea pin)\b",
            r"\bwrong pin\b",
        ),
    ),
    (
        Kind.DECLINED,
        _words(
            r"\bumekataa kuidhinisha\b",
            r"\byou have (?:declined|cancelled|rejected|canceled)\b",
            r"\b(?:umeghairi|umesitisha)\b",
        ),
    ),
    (
        Kind.REVERSAL,
        _words(
            r"\breversal of transaction\b",
            r"\bhas been (?:successfully )?reversed\b",
            r"\b(?:imerudishwa|imerejeshwa|imebatilishwa)\b",
            r"\bkurudishwa kwa (?:muamala|pesa)\b",
        ),
    ),
    (
        Kind.FULIZA,
        _words(
            r"\bfuliza m-?pesa (?:amount|limit) is\b",
            r"\bto (?:fully|partially) pay your outstanding fuliza\b",
            r"\bfuliza m-?pesa ni\b",
            r"\bkulipa (?:kiasi cha |deni la )?fuliza\b",
        ),
    ),
    (
        Kind.BALANCE,
        _words(
            r"\b(?:account|m-?pesa) balance (?:was|is)\s*:",
            r"\bm-?pesa balance was\b",
            r"\bbaki yako ni\s*:",
            r"\bm-?pesa account\s*:",
        ),
    ),
    (Kind.MOVED, _words(r"\bmoved (?:from|to) your\b", r"\b(?:imetolewa|imehamishwa) kutoka\b")),
    (
        Kind.SAVINGS,
        _words(
            r"\btransferred (?:to|from)\b",
            r"\bm-?shwari (?:account|akaunti)\b",
            r"\b(?:imehamishwa|imewekwa) (?:kwa|kwenye|katika)\b",
        ),
    ),
    (Kind.AIRTIME, _words(r"\byou bought\b", r"\bof airtime\b", r"\bumenunua\b", r"\bya mjazo\b")),
    (
        Kind.WITHDRAWAL,
        _words(
            rf"(?<![a-z])(?:[ap]m)?withdrawn? {_CURRENCY}",
            r"\bwithdrawn (?:from|at)\b",
            r"\b(?:ume)?toa\b",
            r"\bimetolewa\b",
        ),
    ),
    (
        Kind.DEPOSIT,
        _words(rf"(?:[ap]m)?give {_CURRENCY}", r"\bcash to\b", r"\bumeweka\b", r"\bmpe\b"),
    ),
    (Kind.RECEIVED_PHONE, _words(r"you have received\b", r"\bumepokea\b")),
    (
        Kind.RECEIVED_BUSINESS,
        _words(
            r"(?<![a-z])received from\b", r"\b[zi]i?mepokelewa kutoka\b", r"\bimepokewa kutoka\b"
        ),
    ),
    (
        Kind.PAID,
        _words(
            r"(?<![a-z])paid to\b",
            r"\byou have paid\b",
            r"\bumelipa\b",
            r"\b[iz]i?melipwa (?:kwa)?\b",
        ),
    ),
    (Kind.SENT_NAME, _words(r"(?<![a-z])sent to\b", r"\b[iz]i?metumwa kwa\b", r"\bumetuma\b")),
)
#: Where the names of a message begin: after these the payee or payer stands.
PARTY = _words(
    r"(?<![a-z])(?:paid|sent) to\b",
    rf"\bumelipa (?:{_CURRENCY}[\d,.]+ )?kwa\b",
    rf"\byou have paid (?:{_CURRENCY}[\d,.]+ )?to\b",
    rf"\bumetuma (?:{_CURRENCY}[\d,.]+ )?kwa\b",
    r"\b[iz]i?me(?:tumwa|lipwa) kwa\b",
    r"(?<![a-z])received from\b",
    r"(?<![a-z])from\b",
    r"\bkutoka(?: kwa)?\b",
    r"\bcash to\b",
)
#: Where they end: the account, the date, or the balance.
PARTY_END = _words(
    r"\bfor account\b",
    r"\baccount (?:number|no)\b",
    r"\b(?:kwa )?akaunti\b",
    r"\b(?:on|tarehe|siku|mnamo)\s+\d",
    r"\b\d{1,2}/\d{1,2}/\d{2}",
    r"\bnew\b[\w\s-]{0,30}balance\b",
    r"\bbaki (?:yako|mpya)\b",
    r"\b(?:transaction cost|gharama)\b",
    r"\bvia pochi\b",
)
ACCOUNT = re.compile(
    r"\b(?:for account|account (?:number|no\.?)|(?:kwa )?akaunti(?: (?:nambari|namba|no\.?))?)\s*:?\s*"
    r"(?P<account>.*?)\s*(?:\b(?:on|tarehe|siku|mnamo)\s+\d{1,4}[/.-]\d{1,2}[/.-]\d{2}|"
    r"\b\d{1,2}/\d{1,2}/\d{2}|\bnew\b|\bbaki\b|\. |$)",
    re.IGNORECASE,
)
#: Amounts with a name of their own: none of them is what was paid.
NAMED_AMOUNTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("left", _words(rf"(?:within the day is|kutuma kwa siku ni)\D{{0,12}}{_NUMBER}")),
    ("limit", _words(rf"\b(?:limit|outstanding|outstanding amount)\b\D{{0,24}}{_NUMBER}")),
    ("cost", _words(rf"\b(?:cost|gharama ya \w+|gharama)\b\D{{0,16}}{_NUMBER}")),
    ("fee", _words(rf"\b(?:fee|interest|charges?|tariff|ada)\b\D{{0,20}}{_NUMBER}")),
    ("balance", _words(rf"\b(?:balance|baki)\b(?:[^\d.]|\.(?!\d))\D{{0,60}}?{_NUMBER}")),
    ("balance", _words(rf"\b(?:m-?pesa|business) account\s*:\D{{0,8}}{_NUMBER}")),
)
#: What comes behind these names is no amount of the payment: a message ends with an advertisement.
TAIL = frozenset({"left", "cost", "balance"})
#: Shillings that are not Kenya's: no message of M-Pesa here has them.
FOREIGN = re.compile(r"(?<![a-z])(?:tshs?|tzs|ushs?|ugx)[\s.]*\d[\d,.]*", re.IGNORECASE)
#: Whose balance a message ends with; a business's form has another than a person's.
BALANCE_OF = re.compile(
    r"\b(?:new\s+)?(?P<whose>m-?pesa|business|account|utility|m-?shwari|merchant|organi[sz]ation)"
    r"(?:\s+account)?\s+balance\b|\bbaki (?:yako|mpya)\s+(?:mpya )?(?:ya|katika) (?P<baki>m-?pesa|biashara)",
    re.IGNORECASE,
)
#: 1/2/26 as M-Pesa writes it; 01-02-2026, 1.2.26 and 2026-02-01 as banks and people do.
DATE_TIME = re.compile(
    r"(?:(?<!\d)(?P<day>\d{1,2})(?P<by>[/.-])(?P<month>\d{1,2})(?P=by)(?P<year>\d{4}|\d{2})(?!\d)"
    r"|(?P<iso>\d{4}-\d{2}-\d{2}))[\sT]*(?:at|saa|,)?\s*"
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?\s?(?P<half>[ap]\.?m)?)?",
    re.IGNORECASE,
)
POCHI = _words(r"\bbusiness balance\b", r"\bvia pochi\b", r"\bbaki ya biashara\b")
#: A day that is none of the payment's.
NOT_ITS_DATE = re.compile(r"\b(?:due on|due|by|before|until)\s*$", re.IGNORECASE)
PHONE = re.compile(
    r"(?<![\d*])(?:\+?254|0)(?:[17]\d{8}|\d{0,6}\s?\*{2,9}\s?\d{2,4})(?![\d*])|"
    r"(?<![\d*])[17]\d{1,3}\*{3,}\d{3}(?![\d*])"
)
#: A business number named outright; the messages of payers carry names alone.
BUSINESS_NUMBER = re.compile(
    r"\b(?:pay\s?bill|till|buy goods|business)(?:\s+(?:number|no\.?|namba|nambari))?\s*[:#]?\s*"
    r"(\d{5,7})(?!\d)",
    re.IGNORECASE,
)
HEAD = re.compile(
    r"(?<![A-Za-z0-9])(?P<code>[A-Za-z0-9]{8,12}?)[\s.,:!-]*(?:confirmed|imethibitishwa)",
    re.IGNORECASE,
)
#: A code elsewhere than at the head, in capitals: reversals and banks quote one.
CODE = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*[0-9])[A-Z0-9]{10}(?![A-Za-z0-9])"
)
REVERSED_CODE = re.compile(r"\btransaction\s+([A-Z0-9]{8,12})\b", re.IGNORECASE)
QUOTED_CODE = re.compile(r"\bm-?pesa ref(?:erence)?\W{1,4}([A-Z0-9]{8,12})\b", re.IGNORECASE)
BANK_REFERENCE = re.compile(r"\bref\b|\breference\b", re.IGNORECASE)
SWAHILI = _words(
    r"\bimethibitishwa\b",
    r"\b(?:umepokea|umelipa|umetuma|umenunua|umetoa|umeweka|umekataa|imetumwa|hakuna|baki|tarehe)\b",
)
