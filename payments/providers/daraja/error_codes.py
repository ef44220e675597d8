"""
Why Daraja did not take a request at all: errors answered at once, before any prompt.

The rows are what a failed payment without a ResultCode is explained by. Where Daraja gives one
errorCode several meanings (500.001.1001 has eight) the row has a name of ours instead; refusals.py
picks it by text. finality is final because the request does not exist at Safaricom, save where
Daraja itself may have acted (soft).
"""

from __future__ import annotations

from payments.choices import Fault, Finality, NextStep, WhoActs
from payments.providers.daraja.explanations import Message, ResultCode, Source

WRONG_CREDENTIALS = "wrong_credentials"
UNKNOWN_MERCHANT = "unknown_merchant"
TOO_MANY_REQUESTS = "too_many_requests"
UNREACHABLE = "unreachable"
REFUSED = "refused"

_PORTAL = "Daraja 3.0 portal"
_PUSH = Source(_PORTAL, "MpesaExpressSimulate, error table", "2025-12-28")
_OAUTH = Source(_PORTAL, "Authorization, error table", "2025-12-28")
_C2B = Source(_PORTAL, "CustomerToBusiness, error table", "2025-12-28")
_ISSUE_3 = Source("martinmogusu/django-daraja", "issue 3", "undated")
_ISSUE_69 = Source("osenco/osen-wc-mpesa", "issue 69", "undated")
_SPIKE = Source("ronnyabuto/mpesa-stk, live sandbox", "spike arrest", "2026-06-20")
_SANDBOX = Source("newtonmunene99/mpesa-api, live sandbox", "401 answers", "2026-10")
_OURS = Source("Malipo", "no answer from Daraja", "")

_FIX_CONFIG = (NextStep.FIX_CONFIG, WhoActs.SHOP_ADMIN, None)
_BY_TILL = (NextStep.PAY_BY_TILL, WhoActs.CASHIER, None)
_RETRY_IN_A_MINUTE = (NextStep.RETRY_LATER, WhoActs.CASHIER, 60)
_WAIT = (NextStep.WAIT, WhoActs.NOBODY, 20)


def _row(
    code: str,
    fault: Fault,
    act: tuple[NextStep, WhoActs, int | None],
    source: Source,
    en: str,
    sw: str,
    finality: Finality = Finality.FINAL,
) -> ResultCode:
    return ResultCode(code, finality, fault, Message(en, sw), *act, source)


_REFUSED_KEY = (
    "M-Pesa refused the shop's key, so nothing was sent to the customer. Tell the shop admin.",
    "M-Pesa imekataa ufunguo wa duka, kwa hivyo mteja hakutumiwa ombi. Mjulishe msimamizi wa duka.",
)

ERROR_CODES: tuple[ResultCode, ...] = (
    _row("400.002.02", Fault.PLATFORM, (NextStep.ASK_SUPPORT, WhoActs.SUPPORT, None), _PUSH,
         "M-Pesa refused a detail of the request; nothing was sent to the customer. Ask support.",
         "M-Pesa imekataa sehemu ya ombi; mteja hakutumiwa chochote. Uliza msaada."),
    _row("400.003.01", Fault.SHOP, _FIX_CONFIG, _C2B, *_REFUSED_KEY),
    _row("400.008.01", Fault.SHOP, _FIX_CONFIG, _OAUTH, *_REFUSED_KEY),
    _row("401.001", Fault.SHOP, _FIX_CONFIG, _SANDBOX, *_REFUSED_KEY),
    _row("401.002.01", Fault.SHOP, _FIX_CONFIG, _SANDBOX, *_REFUSED_KEY),
    _row("401.003.01", Fault.SHOP, _FIX_CONFIG, _ISSUE_69,
         "The shop's Daraja app may not ask for payments yet. Tell the shop admin.",
         "Programu ya Daraja ya duka bado haina ruhusa ya kuomba malipo. Mjulishe msimamizi wa"
         " duka."),
    _row("404.001.03", Fault.SHOP, _FIX_CONFIG, _PUSH, *_REFUSED_KEY),
    # 5xx at push: Daraja may have acted, so nobody may call this failed.
    _row("500.003.02", Fault.SAFARICOM, _WAIT, _PUSH,
         "M-Pesa is busy, and it is not known whether the customer was asked. Wait.",
         "M-Pesa ina shughuli nyingi, na haijulikani kama mteja ametumiwa ombi. Subiri.",
         Finality.SOFT),
    _row("500.003.03", Fault.SHOP, _WAIT, _PUSH,
         "The shop has used up its M-Pesa requests, and it is not known whether the customer was"
         " asked. Wait.",
         "Duka limemaliza idadi ya maombi ya M-Pesa, na haijulikani kama mteja ametumiwa ombi."
         " Subiri.",
         Finality.SOFT),
    _row(WRONG_CREDENTIALS, Fault.SHOP, _FIX_CONFIG, _ISSUE_3,
         "M-Pesa refused the shop's passkey or number; nothing was sent to the customer. Tell the"
         " shop admin.",
         "M-Pesa imekataa passkey au namba ya duka; mteja hakutumiwa ombi. Mjulishe msimamizi wa"
         " duka."),
    _row(UNKNOWN_MERCHANT, Fault.SHOP, _FIX_CONFIG, _PUSH,
         "M-Pesa does not know the shop's number; nothing was sent to the customer. Tell the shop"
         " admin.",
         "M-Pesa haitambui namba ya duka; mteja hakutumiwa ombi. Mjulishe msimamizi wa duka."),
    _row(TOO_MANY_REQUESTS, Fault.SHOP, _RETRY_IN_A_MINUTE, _SPIKE,
         "Too many requests at once; nothing was sent to the customer. Try again in a minute.",
         "Maombi ni mengi kwa wakati mmoja; mteja hakutumiwa ombi. Jaribu tena baada ya dakika"
         " moja."),
    _row(UNREACHABLE, Fault.SAFARICOM, _BY_TILL, _OURS,
         "M-Pesa could not be reached; nothing was sent to the customer. Let them pay to the till"
         " by hand.",
         "M-Pesa haikupatikana; mteja hakutumiwa ombi. Alipe mwenyewe kwa namba ya till."),
    _row(REFUSED, Fault.SHOP, _BY_TILL, _PUSH,
         "M-Pesa refused the request; nothing was sent to the customer. Let them pay to the till"
         " by hand, and tell the shop admin.",
         "M-Pesa imekataa ombi; mteja hakutumiwa chochote. Alipe mwenyewe kwa namba ya till, na"
         " umjulishe msimamizi wa duka."),
)  # fmt: skip
