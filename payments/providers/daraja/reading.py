"""Read single values of a stranger's JSON: any type may come, only text and numbers count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from payments.choices import OutcomeVerdict
from payments.providers.daraja import result_codes

MAX_ID_LENGTH = 64
MAX_CODE_LENGTH = 32
MAX_DESC_LENGTH = 255

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def text_of(value: Any, max_length: int) -> str:
    """Return text or a number as clean text, "" for everything else (True is no number here)."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    # Replaced and not dropped: "0" with a NUL behind it must not become the code of success.
    return _CONTROLS.sub("\ufffd", str(value).strip())[:max_length]


def code_of(value: Any) -> str:
    """Return a code as opaque text; what is too long for one is unknown, not a shorter one."""
    text = text_of(value, MAX_CODE_LENGTH + 1)
    return text if len(text) <= MAX_CODE_LENGTH else f"{text[: MAX_CODE_LENGTH - 1]}…"


def mapping_of(value: Any) -> Mapping[str, Any]:
    """Return value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def verdict_of(code: str) -> OutcomeVerdict:
    """Translate a ResultCode; a code that is not on the closed list settles nothing."""
    if code == result_codes.SUCCESS_CODE:
        return OutcomeVerdict.SUCCEEDED
    if result_codes.is_final_failure(code):
        return OutcomeVerdict.FAILED
    return OutcomeVerdict.PENDING
