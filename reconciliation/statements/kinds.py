"""
What a line of a statement is, by its reason type.

The first row that fits wins; what fits none is OTHER, never a failure, and its words are kept. To
add a case: one row. A payment is money that came in, a charge or a reversal money that went out.
"""

from __future__ import annotations

from decimal import Decimal

from reconciliation.choices import LineKind

# Every word of a row must be in the reason type, in small letters.
_BY_WORDS: tuple[tuple[tuple[str, ...], LineKind], ...] = (
    # "Pay merchant Charge", "Pay Bill Charge", "Business to Customer Transfer Charge" …
    (("charge",), LineKind.CHARGE),
    (("fee",), LineKind.CHARGE),
    (("tariff",), LineKind.CHARGE),
    (("commission",), LineKind.CHARGE),
    # "Transaction Reversal", "Pay Bill Reversal", "Organization Initiated Reversal" …
    (("reversal",), LineKind.REVERSAL),
    (("reversed",), LineKind.REVERSAL),
    # "Utility Account to Organization Settlement Account", and its kin of tills.
    (("settlement",), LineKind.SETTLEMENT),
    (("utility account to",), LineKind.SETTLEMENT),
    (("merchant account to",), LineKind.SETTLEMENT),
    (("working account to",), LineKind.SETTLEMENT),
    (("mmf account to",), LineKind.SETTLEMENT),
    (("merchant to utility",), LineKind.SETTLEMENT),
    (("utility to",), LineKind.SETTLEMENT),
    (("organization", "withdrawal"), LineKind.SETTLEMENT),
    (("withdrawal of funds",), LineKind.SETTLEMENT),
    (("funds", "bank"), LineKind.SETTLEMENT),
    # "Pay Bill Online", "Standing Order Pay Bill" …
    (("pay bill",), LineKind.PAYMENT),
    (("paybill",), LineKind.PAYMENT),
    # "Pay Utility", "Pay Utility with OD via STK" (Fuliza), "Pay Utility with OD Online".
    (("pay utility",), LineKind.PAYMENT),
    # "Customer Merchant Payment", "Merchant Payment Online", "Pay Merchant with OD" …
    (("merchant payment",), LineKind.PAYMENT),
    (("pay merchant",), LineKind.PAYMENT),
    (("buy goods",), LineKind.PAYMENT),
    # Pochi la Biashara.
    (("customer", "small business"), LineKind.PAYMENT),
)


def kind_of(reason_type: str, *, paid_in: Decimal, withdrawn: Decimal) -> LineKind:
    """Tell what a line is; a reason that does not fit the way the money went is OTHER."""
    reason = reason_type.casefold()
    kind = next(
        (kind for words, kind in _BY_WORDS if all(word in reason for word in words)),
        LineKind.OTHER,
    )
    if kind == LineKind.PAYMENT and not paid_in:
        return LineKind.OTHER
    if kind in {LineKind.CHARGE, LineKind.REVERSAL} and not withdrawn:
        # A charge given back, or the reversal of a reversal.
        return LineKind.OTHER
    return kind
