"""What can be wrong with a statement: codes that are kept, and the words people read."""

from __future__ import annotations

from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy

MOST_KEPT = 200
_LONGEST_SHOWN = 60


class ProblemCode(TextChoices):
    """Each is one sentence; %(value)s is what stood there, cut short."""

    TOO_LARGE = "too_large", gettext_lazy("The file is larger than %(value)s MB.")
    EMPTY = "empty", gettext_lazy("The file is empty.")
    NOT_A_SHEET = "not_a_sheet", gettext_lazy("The file is neither an Excel file nor a CSV.")
    DAMAGED = "damaged", gettext_lazy("The file is damaged or cut off: download it again.")
    LOCKED = (
        "locked",
        gettext_lazy("The file is locked with a password: save it without one and upload that."),
    )
    SWELLS = "swells", gettext_lazy("Unpacked, the file is far larger than any statement.")
    TOO_LONG = "too_long", gettext_lazy("The file has more than %(value)s lines.")
    BAD_QUOTE = (
        "bad_quote",
        gettext_lazy("A quotation mark is not closed, or stands where none may."),
    )
    NO_HEADER = (
        "no_header",
        gettext_lazy(
            "No line names the columns. Download the statement in English; its columns begin with"
            " “Receipt No.”."
        ),
    )
    NO_COLUMN = "no_column", gettext_lazy("The column “%(value)s” is missing.")
    COLUMN_TWICE = "column_twice", gettext_lazy("The column “%(value)s” is there twice.")
    NO_SHORTCODE = (
        "no_shortcode",
        gettext_lazy(
            "The lines above the columns do not say whose statement it is (“Short Code”)."
        ),
    )
    OTHER_SHORTCODE = (
        "other_shortcode",
        gettext_lazy("This is the statement of %(value)s, not of the chosen payment config."),
    )
    NO_BALANCE = (
        "no_balance",
        gettext_lazy(
            "The lines above the columns do not give “%(value)s”, so nothing can be proved."
        ),
    )
    BAD_HEAD = "bad_head", gettext_lazy("“%(value)s” above the columns cannot be read.")
    BAD_DATE = "bad_date", gettext_lazy("“%(value)s” is no date, or could be two different ones.")
    MIXED_DATES = (
        "mixed_dates",
        gettext_lazy(
            "Some dates are text and some are not: a spreadsheet program has changed the file. Upload"
            " it as it was downloaded."
        ),
    )
    BAD_AMOUNT = "bad_amount", gettext_lazy("“%(value)s” is no amount.")
    TWO_AMOUNTS = "two_amounts", gettext_lazy("The line is both paid in and withdrawn.")
    BAD_RECEIPT = "bad_receipt", gettext_lazy("“%(value)s” is no receipt number.")
    OUTSIDE_PERIOD = (
        "outside_period",
        gettext_lazy("%(value)s is not in the period the statement is for."),
    )
    DOUBLED = "doubled", gettext_lazy("The line is the same as line %(value)s.")
    BROKEN_BALANCE = (
        "broken_balance",
        gettext_lazy(
            "The balance is %(value)s: it does not follow from the line before and this line's amount."
        ),
    )
    BROKEN_CLOSING = (
        "broken_closing",
        gettext_lazy("The lines end at %(value)s, which is not the closing balance."),
    )
    BROKEN_SUM = (
        "broken_sum",
        gettext_lazy(
            "Opening balance and amounts come to %(value)s, which is not the closing balance."
        ),
    )
    BROKEN_TOTAL = (
        "broken_total",
        gettext_lazy("The lines add up to %(value)s, which is not the total above the columns."),
    )
    # What follows refuses nothing; a person should know.
    OUT_OF_ORDER = (
        "out_of_order",
        gettext_lazy("The time does not fit between those of the lines beside it."),
    )
    TIME_DIFFERS = "time_differs", gettext_lazy("Our books have %(value)s as its time.")
    CHARGE_DIFFERS = "charge_differs", gettext_lazy("By the tariff the charge would be %(value)s.")
    CONTRADICTS = (
        "contradicts",
        gettext_lazy(
            "The receipt %(value)s is on another line too, with another amount, time or balance."
        ),
    )
    FOREIGN = (
        "foreign",
        gettext_lazy("The receipt %(value)s is in the books as money of another account."),
    )


# They are told and refuse nothing.
NOTES = frozenset(
    {
        ProblemCode.OUT_OF_ORDER,
        ProblemCode.TIME_DIFFERS,
        ProblemCode.CHARGE_DIFFERS,
        ProblemCode.CONTRADICTS,
        ProblemCode.FOREIGN,
    }
)


class StatementRefused(Exception):
    """The file cannot be a statement we may believe; found names one problem of the whole file."""

    def __init__(self, code: str, value: Any = "", *, line: int = 0) -> None:
        super().__init__(code)
        self.found = problem(code, value, line=line)


def problem(code: str, value: Any = "", *, line: int = 0) -> dict[str, Any]:
    """Write a problem down as it is kept; line 0 is the file as a whole."""
    return {"line": line, "code": str(code), "detail": str(value)[:_LONGEST_SHOWN]}


def sentence(found: dict[str, Any]) -> str:
    """Say a problem in the reader's language."""
    code = str(found.get("code", ""))
    if code not in ProblemCode.values:
        return code
    return str(ProblemCode(code).label) % {"value": found.get("detail", "")}


def is_note(found: dict[str, Any]) -> bool:
    """Tell whether a problem is only good to know, and refuses nothing."""
    return found.get("code") in NOTES
