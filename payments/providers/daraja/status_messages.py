"""
What to tell the person at the till where the code alone would not do, or would lie.

A code is one provider's word; the payment's status is our verdict on all of them. So "0" on a
payment that is not completed says "being confirmed", and only a completed payment in production
without an open blocking review ever says "release".
"""

from __future__ import annotations

from dataclasses import replace

from payments.choices import (
    Environment,
    Fault,
    Finality,
    NextStep,
    PaymentStatus,
    Submission,
    WhoActs,
)
from payments.providers.daraja import result_codes
from payments.providers.daraja.error_codes import REFUSED
from payments.providers.daraja.explanations import Message, ResultCode, Source

_OURS = Source("Malipo", "payment status", "")


def _row(
    finality: Finality | None,
    fault: Fault | None,
    act: tuple[NextStep, WhoActs, int | None],
    en: str,
    sw: str,
) -> ResultCode:
    return ResultCode(None, finality, fault, Message(en, sw), *act, _OURS)


_WAIT = (NextStep.WAIT, WhoActs.NOBODY, 20)
_NOTHING = (NextStep.NONE, WhoActs.NOBODY, None)

SENDING = _row(None, None, (NextStep.WAIT, WhoActs.NOBODY, None),
    "Sending the request to the customer's phone.",
    "Tunatuma ombi kwa simu ya mteja.")  # fmt: skip
WAITING_FOR_PIN = _row(None, None, (NextStep.WAIT, WhoActs.CUSTOMER, None),
    "Waiting for the customer to enter the M-Pesa PIN.",
    "Tunasubiri mteja aweke PIN ya M-Pesa.")  # fmt: skip
SUBMISSION_UNKNOWN = _row(Finality.SOFT, Fault.SAFARICOM, _WAIT,
    "Safaricom has not answered clearly; we are asking. Wait: do not release the goods, and do not"
    " ask the customer again.",
    "Safaricom haijajibu wazi; tunaendelea kuuliza. Subiri: usitoe bidhaa, wala usimwombe mteja"
    " tena.")  # fmt: skip
BEING_CONFIRMED = _row(Finality.SOFT, None, _WAIT,
    "M-Pesa reports a payment; we are confirming it. Do not release the goods yet.",
    "M-Pesa inasema malipo yamefanyika; tunayathibitisha. Usitoe bidhaa bado.")  # fmt: skip
RECEIPT_PENDING = _row(Finality.FINAL, None, (NextStep.RELEASE, WhoActs.CASHIER, None),
    "Paid. You may release the goods; the receipt number will follow.",
    "Imelipwa. Unaweza kutoa bidhaa; namba ya risiti itafuata.")  # fmt: skip
BLOCKED_BY_REVIEW = _row(Finality.SOFT, None, (NextStep.ASK_SUPPORT, WhoActs.SHOP_ADMIN, None),
    "Do not release the goods yet: a manager must check this payment first.",
    "Usitoe bidhaa bado: meneja anapaswa kuyakagua malipo haya kwanza.")  # fmt: skip
PAID_IN_SANDBOX = _row(Finality.FINAL, None, _NOTHING,
    "Test payment: no real money was paid. Do not release goods.",
    "Malipo ya majaribio: hakuna pesa halisi zilizolipwa. Usitoe bidhaa.")  # fmt: skip
EXPIRED = _row(Finality.SOFT, None, (NextStep.RETRY, WhoActs.CASHIER, None),
    "No answer came in time. Not known to be paid, and we keep asking. Do not release the goods;"
    " you may try again.",
    "Muda umeisha bila jibu. Haijulikani kama imelipwa, na tunaendelea kuuliza. Usitoe bidhaa;"
    " unaweza kujaribu tena.")  # fmt: skip
REVERSED = _row(Finality.FINAL, None, _NOTHING,
    "The money went back to the customer. Do not release the goods.",
    "Pesa zimerudishwa kwa mteja. Usitoe bidhaa.")  # fmt: skip
VOIDED = _row(Finality.FINAL, None, _NOTHING,
    "This entry was voided: it was written down by mistake, and counts as no payment.",
    "Rekodi hii imefutwa: iliandikwa kimakosa, na haihesabiwi kama malipo.")  # fmt: skip
REFUSED_BY_PROVIDER = replace(result_codes.explain(REFUSED), code=None)

STATUS_MESSAGES: tuple[ResultCode, ...] = (
    SENDING,
    WAITING_FOR_PIN,
    SUBMISSION_UNKNOWN,
    BEING_CONFIRMED,
    RECEIPT_PENDING,
    BLOCKED_BY_REVIEW,
    PAID_IN_SANDBOX,
    EXPIRED,
    REVERSED,
    VOIDED,
    REFUSED_BY_PROVIDER,
)


def explain_payment(
    *,
    status: str,
    environment: str,
    result_code: str = "",
    submission: str = Submission.SENT,
    is_blocked: bool = False,
    receipt_pending: bool = False,
    is_voided: bool = False,
) -> ResultCode:
    """
    Return what to tell about a payment; result_code and submission are its latest attempt's.

    is_blocked means that a blocking review is open, is_voided that a person took back what he had
    written down. Where the code has a row that holds for the
    payment too, the answer equals explain(result_code).
    """
    if status == PaymentStatus.REVERSED:
        return _with_code(VOIDED if is_voided else REVERSED, result_code)
    if is_blocked:
        return _with_code(BLOCKED_BY_REVIEW, result_code)
    if status == PaymentStatus.COMPLETED:
        return _of_completed(environment, result_code, receipt_pending)
    # "0" without completion is a success that still lacks something: never the row that releases.
    if result_code == result_codes.SUCCESS_CODE:
        return _with_code(BEING_CONFIRMED, result_code)
    if status in {PaymentStatus.FAILED, PaymentStatus.EXPIRED}:
        return _of_ended(status, result_code)
    return _of_open(status, result_code, submission)


def _of_completed(environment: str, result_code: str, receipt_pending: bool) -> ResultCode:
    if environment != Environment.PRODUCTION:
        return _with_code(PAID_IN_SANDBOX, result_code)
    if receipt_pending:
        return _with_code(RECEIPT_PENDING, result_code)
    # A late success leaves the attempt's earlier failure code behind; the payment is paid.
    return result_codes.explain(result_codes.SUCCESS_CODE)


def _of_ended(status: str, result_code: str) -> ResultCode:
    fallback = REFUSED_BY_PROVIDER if status == PaymentStatus.FAILED else EXPIRED
    row = result_codes.explain(result_code)
    # "Wait" is no advice on a payment that has ended.
    if not result_codes.is_known(result_code) or row.next_step == NextStep.WAIT:
        return _with_code(fallback, result_code)
    return row


def _of_open(status: str, result_code: str, submission: str) -> ResultCode:
    if result_code:
        return result_codes.explain(result_code)
    if submission == Submission.UNKNOWN:
        return SUBMISSION_UNKNOWN
    return SENDING if status == PaymentStatus.CREATED else WAITING_FOR_PIN


def _with_code(row: ResultCode, result_code: str) -> ResultCode:
    return replace(row, code=result_code or None)
