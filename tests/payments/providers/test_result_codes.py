from __future__ import annotations

from itertools import product

import pytest

from payments.choices import (
    Environment,
    Fault,
    Finality,
    NextStep,
    PaymentStatus,
    Submission,
    WhoActs,
)
from payments.providers.daraja import result_codes, status_messages
from payments.providers.daraja.status_messages import explain_payment

EVERY_ROW = (*result_codes.ALL, result_codes.UNKNOWN_CODE, *status_messages.STATUS_MESSAGES)
# daraja.md section 3, as it stands there.
DOCUMENTED = [
    "0",
    "1",
    "2",
    "3",
    "4",
    "8",
    "11",
    "17",
    "20",
    "26",
    "1001",
    "1019",
    "1025",
    "9999",
    "1031",
    "1032",
    "1036",
    "1037",
    "2001",
    "2028",
    "2118",
    "8006",
    "SFC_IC0003",
    "4999",
]

# safety.md section 3, as it stands there.
CLOSED_LIST = "1, 2, 3, 4, 8, 11, 1001, 1019, 1025, 1032, 2001, 2028, 2118, 8006, 9999, SFC_IC0003"


class TestTable:
    def test_has_a_row_for_every_documented_code(self):
        assert {row.code for row in result_codes.RESULT_CODES} == set(DOCUMENTED)

    def test_has_no_code_twice(self):
        codes = [row.code for row in result_codes.ALL]

        assert len(codes) == len(set(codes))

    def test_closes_the_list_of_final_failures(self):
        final = {row.code for row in result_codes.RESULT_CODES if row.finality == Finality.FINAL}

        assert final - {"0"} == result_codes.FINAL_FAILURE_CODES
        assert set(CLOSED_LIST.split(", ")) == result_codes.FINAL_FAILURE_CODES

    @pytest.mark.parametrize("row", EVERY_ROW, ids=lambda row: f"{row.code}")
    def test_every_row_can_be_shown_to_a_cashier(self, row):
        for text in (row.message.en, row.message.sw):
            assert 10 < len(text) <= 160
            assert text == text.strip()
            assert text.endswith(".")
            assert text.isascii()
        assert row.message.en != row.message.sw
        assert isinstance(row.next_step, NextStep)
        assert isinstance(row.who_acts, WhoActs)
        assert row.fault is None or isinstance(row.fault, Fault)
        assert row.retry_after is None or 0 < row.retry_after <= 120
        assert str(row.source)
        assert row.provider == "mpesa"

    @pytest.mark.parametrize("row", EVERY_ROW, ids=lambda row: f"{row.code}")
    def test_names_a_wait_for_each_try_again_later(self, row):
        if row.next_step == NextStep.RETRY_LATER:
            assert row.retry_after

    def test_releases_goods_in_one_row_only(self):
        assert [row.code for row in result_codes.ALL if row.next_step == NextStep.RELEASE] == ["0"]


class TestExplain:
    def test_explains_a_wrong_pin(self):
        row = result_codes.explain("2001")

        assert row.finality == Finality.FINAL
        assert row.fault == Fault.CUSTOMER
        assert row.next_step == NextStep.RETRY
        assert "PIN" in row.message.sw

    @pytest.mark.parametrize("code", ["", "31337", "00", " 0", "0.0", "1032 ", "sfc_ic0003"])
    def test_takes_every_other_code_for_unsettled(self, code):
        row = result_codes.explain(code)

        assert row.code == code
        assert row.finality == Finality.SOFT
        assert row.next_step == NextStep.WAIT
        assert "do not release" in row.message.en
        assert "usitoe bidhaa" in row.message.sw
        assert not result_codes.is_final_failure(code)


def production(**known):
    return explain_payment(environment=Environment.PRODUCTION, **known)


class TestExplainPayment:
    def test_waits_for_the_pin(self):
        row = production(status=PaymentStatus.PENDING)

        assert (row.code, row.finality, row.fault) == (None, None, None)
        assert row.message.en == "Waiting for the customer to enter the M-Pesa PIN."
        assert (row.next_step, row.who_acts) == (NextStep.WAIT, WhoActs.CUSTOMER)

    def test_says_that_it_is_asking_where_the_submission_is_unknown(self):
        row = production(status=PaymentStatus.PENDING, submission=Submission.UNKNOWN)

        assert row is status_messages.SUBMISSION_UNKNOWN

    def test_releases_a_completed_payment(self):
        row = production(status=PaymentStatus.COMPLETED, result_code="0")

        assert row == result_codes.explain("0")

    def test_forgets_the_failure_a_late_success_has_overtaken(self):
        row = production(status=PaymentStatus.COMPLETED, result_code="1032")

        assert row == result_codes.explain("0")

    def test_releases_while_the_receipt_is_pending(self):
        row = production(status=PaymentStatus.COMPLETED, result_code="0", receipt_pending=True)

        assert row.next_step == NextStep.RELEASE
        assert "receipt" in row.message.en

    def test_never_releases_in_the_sandbox(self):
        row = explain_payment(status=PaymentStatus.COMPLETED, environment=Environment.SANDBOX)

        assert row == status_messages.PAID_IN_SANDBOX

    def test_blocks_while_a_review_is_open(self):
        row = production(status=PaymentStatus.COMPLETED, result_code="0", is_blocked=True)

        assert row.next_step == NextStep.ASK_SUPPORT

    @pytest.mark.parametrize("status", [PaymentStatus.PENDING, PaymentStatus.EXPIRED])
    def test_confirms_a_success_that_has_not_completed_it(self, status):
        row = production(status=status, result_code="0")

        assert row.code == "0"
        assert row.message == status_messages.BEING_CONFIRMED.message

    def test_decodes_a_failure(self):
        row = production(status=PaymentStatus.FAILED, result_code="1")

        assert row == result_codes.explain("1")

    def test_lets_the_customer_pay_by_till_after_a_refusal(self):
        row = production(status=PaymentStatus.FAILED)

        assert row.next_step == NextStep.PAY_BY_TILL
        assert row.code is None

    def test_tells_that_an_expired_payment_is_not_known_to_be_paid(self):
        assert production(status=PaymentStatus.EXPIRED) == status_messages.EXPIRED
        assert production(status=PaymentStatus.EXPIRED, result_code="4999").code == "4999"
        assert production(status=PaymentStatus.EXPIRED, result_code="4999").next_step == "retry"

    def test_says_why_an_expired_payment_was_not_answered(self):
        row = production(status=PaymentStatus.EXPIRED, result_code="1037")

        assert row == result_codes.explain("1037")

    def test_says_that_the_money_went_back(self):
        assert production(status=PaymentStatus.REVERSED, is_blocked=True).finality == "final"

    def test_releases_nothing_but_completed_unblocked_production_payments(self):
        codes = ["", "0", "31337", *(row.code for row in result_codes.ALL)]
        for status, environment, code, submission, is_blocked, is_pending in product(
            PaymentStatus, Environment, codes, Submission, (True, False), (True, False)
        ):
            row = explain_payment(
                status=status,
                environment=environment,
                result_code=code,
                submission=submission,
                is_blocked=is_blocked,
                receipt_pending=is_pending,
            )

            may_release = (
                status == PaymentStatus.COMPLETED
                and environment == Environment.PRODUCTION
                and not is_blocked
            )
            assert (row.next_step == NextStep.RELEASE) == may_release
