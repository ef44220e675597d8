"""
What each STK ResultCode means for the person at the till.

Codes are opaque text: "SFC_IC0003" is one, and 4999 is no number. To add a code: one row with its
source. A code becomes a final failure only by joining FINAL_FAILURE_CODES, and that needs proof
that no money can arrive any more; a code without a row is soft, and its payment stays pending.
"""

from __future__ import annotations

from dataclasses import replace

from payments.choices import Fault, Finality, NextStep, WhoActs
from payments.providers.daraja.error_codes import ERROR_CODES
from payments.providers.daraja.explanations import Message, ResultCode, Source

# safety.md section 3 keeps this list closed; everything else leaves the payment pending.
FINAL_FAILURE_CODES = frozenset(
    {"1", "2", "3", "4", "8", "11", "1001", "1019", "1025", "1032"}
    | {"2001", "2028", "2118", "8006", "9999", "SFC_IC0003"}
)
SUCCESS_CODE = "0"

_PORTAL = "Daraja 3.0 portal"
_PUSH = Source(_PORTAL, "MpesaExpressSimulate", "2025-12-28")
_QUERY = Source(_PORTAL, "MpesaExpressQuery", "2025-12-28")
_BALANCE = Source(_PORTAL, "AccountBalance", "2025-12-28")
_REVERSAL = Source(_PORTAL, "Reversal", "2025-12-28")
_ERROR_LIST = Source("ronnyabuto/daraja-error-codes", "errors.json", "2026")
_PRACTICE = Source("practitioners' lists", "variants of 1032", "undated")
_SANDBOX_QUERY = Source("ronnyabuto/mpesa-stk, live sandbox", "STK query", "2026-06-20")
_RECORDED_2019 = Source("recorded callback, django-daraja tests", "STK callback", "2019-03-11")
_RECORDED_2023 = Source("recorded callback", "STK callback", "2023-07-05")
_OURS = Source("Malipo", "codes not in the table", "")

_CUSTOMER, _SHOP, _SAFARICOM = Fault.CUSTOMER, Fault.SHOP, Fault.SAFARICOM


def _row(
    code: str,
    fault: Fault | None,
    act: tuple[NextStep, WhoActs, int | None],
    source: Source,
    en: str,
    sw: str,
) -> ResultCode:
    is_final = code == SUCCESS_CODE or code in FINAL_FAILURE_CODES
    finality = Finality.FINAL if is_final else Finality.SOFT
    return ResultCode(code, finality, fault, Message(en, sw), *act, source)


_RETRY = (NextStep.RETRY, WhoActs.CASHIER, None)
_RETRY_IN_A_MINUTE = (NextStep.RETRY_LATER, WhoActs.CASHIER, 60)
_RETRY_IN_TWO_MINUTES = (NextStep.RETRY_LATER, WhoActs.CASHIER, 120)
_WAIT = (NextStep.WAIT, WhoActs.NOBODY, 20)
_FIX_CONFIG = (NextStep.FIX_CONFIG, WhoActs.SHOP_ADMIN, None)
_CHANGE_AMOUNT = (NextStep.CHANGE_AMOUNT, WhoActs.CASHIER, None)
_OTHER_PHONE = (NextStep.USE_OTHER_PHONE, WhoActs.CUSTOMER, None)

RESULT_CODES: tuple[ResultCode, ...] = (
    # The only row that releases anything; status_messages.py decides when a payment may show it.
    _row("0", None, (NextStep.RELEASE, WhoActs.CASHIER, None), _PUSH,
         "Paid. You may release the goods.",
         "Imelipwa. Unaweza kutoa bidhaa."),
    _row("1", _CUSTOMER, (NextStep.TOP_UP, WhoActs.CUSTOMER, None), _PUSH,
         "The customer does not have enough money in M-Pesa. Top up, or pay another way.",
         "Salio la M-Pesa la mteja halitoshi. Aongeze pesa, au alipe kwa njia nyingine."),
    _row("2", _SHOP, _CHANGE_AMOUNT, _PUSH,
         "The amount is below the least M-Pesa allows.",
         "Kiasi hiki ni chini ya kiwango cha chini cha M-Pesa."),
    _row("3", _SHOP, _CHANGE_AMOUNT, _PUSH,
         "The amount is above what M-Pesa allows in one payment.",
         "Kiasi hiki kinazidi kiwango cha juu cha M-Pesa kwa muamala mmoja."),
    _row("4", _CUSTOMER, _OTHER_PHONE, _PUSH,
         "The customer has reached the daily M-Pesa limit. Pay from another phone, or tomorrow.",
         "Mteja amefikisha kikomo cha M-Pesa cha siku. Alipe kwa simu nyingine, au kesho."),
    _row("8", _SHOP, (NextStep.ASK_SUPPORT, WhoActs.SHOP_ADMIN, None), _PUSH,
         "The shop's M-Pesa account is full and cannot take this payment.",
         "Akaunti ya M-Pesa ya duka imejaa, haiwezi kupokea malipo haya."),
    _row("11", _CUSTOMER, _OTHER_PHONE, _REVERSAL,
         "The customer's M-Pesa account is not active. Pay from another phone.",
         "Akaunti ya M-Pesa ya mteja haitumiki kwa sasa. Alipe kwa simu nyingine."),
    # Others call 17 "internal failure"; the recorded text of 2021 is "Rule limited."
    _row("17", _CUSTOMER, _RETRY_IN_TWO_MINUTES, _PUSH,
         "This customer was asked for the same amount a moment ago. Wait two minutes and try again.",
         "Mteja huyu ameombwa kiasi hiki muda mfupi uliopita. Subiri dakika mbili, ujaribu tena."),
    _row("20", _SHOP, _FIX_CONFIG, _BALANCE,
         "M-Pesa does not know who sent the request. Check the shop's M-Pesa settings.",
         "M-Pesa haimtambui aliyetuma ombi. Kagua mipangilio ya M-Pesa ya duka."),
    _row("26", _SAFARICOM, _RETRY_IN_A_MINUTE, _BALANCE,
         "M-Pesa is busy. Not known to be paid: wait a minute before you try again.",
         "M-Pesa ina shughuli nyingi. Haijulikani kama imelipwa: subiri dakika moja, ujaribu tena."),
    _row("1001", _CUSTOMER, _RETRY_IN_TWO_MINUTES, _PUSH,
         "The customer has another M-Pesa request open. Finish it, then try again in two minutes.",
         "Mteja ana ombi lingine la M-Pesa. Alimalize kwanza, kisha ujaribu tena baada ya dakika"
         " mbili."),
    _row("1019", _CUSTOMER, _RETRY, _PUSH,
         "The request expired before it was paid. Try again.",
         "Muda wa ombi uliisha kabla ya kulipwa. Jaribu tena."),
    _row("1025", _SAFARICOM, _RETRY_IN_A_MINUTE, _PUSH,
         "M-Pesa could not show the request on the phone. Try again in a minute.",
         "M-Pesa haikuweza kuonyesha ombi kwenye simu. Jaribu tena baada ya dakika moja."),
    _row("1031", _CUSTOMER, _WAIT, _PRACTICE,
         "The customer seems to have cancelled; we are checking. Do not release the goods.",
         "Inaonekana mteja ameghairi ombi; tunahakikisha. Usitoe bidhaa."),
    _row("1032", _CUSTOMER, _RETRY, _PUSH,
         "The customer cancelled the request or did not answer it. Try again if they wish to pay.",
         "Mteja alighairi ombi au hakulijibu. Jaribu tena ikiwa anataka kulipa."),
    _row("1036", _SAFARICOM, _WAIT, _RECORDED_2019,
         "The message to the phone is late; we are checking. Do not release the goods.",
         "Ujumbe umechelewa kufika kwenye simu; tunahakikisha. Usitoe bidhaa."),
    _row("1037", _CUSTOMER, _RETRY, _PUSH,
         "The phone could not be reached, and this is not known to be paid. Check that it is on and"
         " has network, then try again.",
         "Simu haikupatikana, na haijulikani kama imelipwa. Hakikisha imewashwa na ina mtandao,"
         " kisha ujaribu tena."),
    # In B2C and B2B the same code means a wrong API credential; here it is the payer's PIN.
    _row("2001", _CUSTOMER, _RETRY, _PUSH,
         "The customer entered a wrong M-Pesa PIN. Try again; three wrong PINs lock it.",
         "Mteja aliweka PIN isiyo sahihi. Jaribu tena; ikikosewa mara tatu itafungwa."),
    _row("2028", _SHOP, _FIX_CONFIG, _PUSH,
         "The shop's M-Pesa settings do not fit its paybill or till. Tell the shop admin.",
         "Mipangilio ya M-Pesa ya duka hailingani na paybill au till yake. Mjulishe msimamizi wa"
         " duka."),
    # No document explains 2118; that the payer has no PIN is the likeliest reading.
    _row("2118", _CUSTOMER, _OTHER_PHONE, _RECORDED_2023,
         "M-Pesa on this phone seems to have no PIN yet. Pay from another phone.",
         "Inaonekana M-Pesa ya simu hii bado haina PIN. Alipe kwa simu nyingine."),
    _row("4999", None, _WAIT, _SANDBOX_QUERY,
         "M-Pesa is still working on it. Wait, and do not release the goods.",
         "M-Pesa bado inashughulikia malipo. Subiri, usitoe bidhaa."),
    _row("8006", _CUSTOMER, _OTHER_PHONE, _PUSH,
         "The customer's M-Pesa PIN is locked. Call 100 or 200, or pay from another phone.",
         "PIN ya M-Pesa ya mteja imefungwa. Apige 100 au 200, au alipe kwa simu nyingine."),
    _row("9999", _SAFARICOM, _RETRY_IN_A_MINUTE, _ERROR_LIST,
         "M-Pesa could not send the request to the phone. Try again in a minute.",
         "M-Pesa haikuweza kutuma ombi kwa simu. Jaribu tena baada ya dakika moja."),
    _row("SFC_IC0003", _SHOP, _FIX_CONFIG, _PUSH,
         "M-Pesa does not know the shop's till or store number. Tell the shop admin.",
         "M-Pesa haitambui namba ya till au ya duka. Mjulishe msimamizi wa duka."),
)  # fmt: skip

UNKNOWN_CODE = ResultCode(
    code=None,
    finality=Finality.SOFT,
    fault=None,
    message=Message(
        "M-Pesa gave an answer we do not know. Not known to be paid: wait, and do not release the"
        " goods.",
        "M-Pesa imetoa jibu tusilolifahamu. Haijulikani kama imelipwa: subiri, usitoe bidhaa.",
    ),
    next_step=NextStep.WAIT,
    who_acts=WhoActs.NOBODY,
    retry_after=20,
    source=_OURS,
)

ALL: tuple[ResultCode, ...] = (*RESULT_CODES, *ERROR_CODES)
_BY_CODE = {row.code: row for row in ALL}


def explain(code: str) -> ResultCode:
    """Return what code means; a code without a row is soft: wait, release nothing."""
    return _BY_CODE.get(code) or replace(UNKNOWN_CODE, code=code)


def is_known(code: str) -> bool:
    """Say whether code has a row of its own."""
    return code in _BY_CODE


def is_final_failure(code: str) -> bool:
    """Say whether code is on the closed list of final failures."""
    return code in FINAL_FAILURE_CODES
