"""
What a simulated customer, or a simulated Daraja, does with one prompt: a table.

A prompt's scenario is found in this order: the queue of "next" choices, the choice made for its
phone, the test number in this table, the engine's default. Every test number is a neighbour of
Safaricom's own 254708374149. To add a scenario: one row, with a free number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


class UnknownScenario(ValueError):
    """There is no scenario, or no parameter of a scenario, of that name and type."""


@dataclass(frozen=True)
class Scenario:
    """
    One behaviour. The defaults are a prompt that is accepted, paid and called back once.

    fault names a row of faults.FAULTS; processed says whether the prompt went out all the same;
    times limits the fault to the first prompts of a phone. answer_after_s None is the engine's
    usual pace. query is what the query says instead of the truth.
    """

    name: str
    says: str
    phone: str = ""
    fault: str = ""
    processed: bool = False
    times: int | None = None
    status: int | None = None
    handset: bool = False
    result: str = "0"
    answer_after_s: float | None = None
    callbacks: int = 1
    callback_after_s: float = 0.0
    before_response: bool = False
    query: str = ""
    pending: str = ""
    paid_difference: int = 0
    omits: tuple[str, ...] = ()
    drift: bool = False

    def with_params(self, params: dict[str, Any]) -> Scenario:
        """
        Return a copy with these fields changed.

        :raises UnknownScenario: when a name is not in PARAMS or a value does not fit its type.
        """
        return replace(self, **{name: _read_param(name, value) for name, value in params.items()})


#: What a caller may change, and the type it must have.
PARAMS: dict[str, type] = {
    "processed": bool,
    "times": int,
    "status": int,
    "result": str,
    "answer_after_s": float,
    "callbacks": int,
    "callback_after_s": float,
    "before_response": bool,
    "query": str,
    "pending": str,
    "paid_difference": int,
    "drift": bool,
}

_ROWS = (
    Scenario("handset", "Waits for this handset", handset=True),
    Scenario("pay", "Pays by itself after two seconds", "254708374149"),
    Scenario("cancel", "Cancels (1032)", "254708374150", result="1032"),
    Scenario("wrong_pin", "Types a wrong PIN (2001)", "254708374151", result="2001"),
    Scenario("no_funds", "Has too little money (1)", "254708374152", result="1"),
    Scenario("unreachable", "Phone is off (1037)", "254708374153", result="1037"),
    Scenario("expired", "Too slow (1019)", "254708374154", result="1019"),
    Scenario("paid_silently", "Pays; no callback, the query says 0", "254708374155", callbacks=0),
    Scenario(
        "silent",
        "Never answers; no callback, the query says 4999, then 1037",
        "254708374156",
        result="1037",
        answer_after_s=60,
        callbacks=0,
        pending="4999",
    ),
    Scenario(
        "late", "Pays; the callback is ten minutes late", "254708374157", callback_after_s=600
    ),
    Scenario("duplicate", "Pays; the callback comes three times", "254708374158", callbacks=3),
    Scenario(
        "early", "Pays; the callback comes before the answer", "254708374159", before_response=True
    ),
    Scenario(
        "lost", "The answer is lost; the customer pays", "254708374160", "dropped", processed=True
    ),
    Scenario(
        "hang", "Answers after 30 s; the customer pays", "254708374161", "hang", processed=True
    ),
    Scenario("server_error", "HTTP 500, no prompt goes out", "254708374162", "server_error"),
    Scenario(
        "error_but_sent",
        "HTTP 500, yet the prompt goes out and is paid",
        "254708374163",
        "server_error",
        processed=True,
    ),
    Scenario("html", "HTML error page with 503", "254708374164", "html", status=503),
    Scenario("html_200", "HTML page with 200", "254708374165", "html", status=200),
    Scenario("html_403", "HTML page of the bot filter, 403", "254708374166", "html", status=403),
    Scenario("empty", "Empty body with 200", "254708374167", "empty"),
    Scenario("spike", "429, spike arrest", "254708374168", "spike"),
    Scenario("wrong_amount", "Pays one shilling less", "254708374169", paid_difference=-1),
    Scenario(
        "no_receipt", "Success without a receipt", "254708374170", omits=("MpesaReceiptNumber",)
    ),
    Scenario("no_amount", "Success without an amount", "254708374171", omits=("Amount",)),
    Scenario("drift", "Strings for numbers and numbers for strings", "254708374172", drift=True),
    Scenario("unknown_code", "A code nobody knows (7777)", "254708374173", result="7777"),
    Scenario("query_lies", "Pays, but the query says 1032", "254708374174", query="1032"),
    Scenario("locked", "Unable to lock subscriber (HTTP 500)", "254708374175", "lock"),
    Scenario("wrong_credentials", "Wrong passkey (HTTP 500)", "254708374176", "wrong_credentials"),
    Scenario("no_merchant", "Merchant does not exist (HTTP 500)", "254708374177", "no_merchant"),
    Scenario(
        "token_killed", "The token dies under the first push", "254708374178", "dead_token", times=1
    ),
    Scenario("limit", "Same amount twice within two minutes (17)", "254708374179", result="17"),
    Scenario("too_much", "Over the customer's daily limit (4)", "254708374180", result="4"),
    Scenario("not_sent", "The prompt could not be sent (1025)", "254708374181", result="1025"),
    Scenario("not_assigned", "Wrong kind for this till (2028)", "254708374182", result="2028"),
    Scenario("lost_unsent", "The connection dies and nothing was taken", "254708374183", "dropped"),
    Scenario("huge", "An answer of 70,000 bytes", "254708374184", "huge", processed=True),
    Scenario("cut", "Half an answer; the customer pays", "254708374185", "cut", processed=True),
    Scenario("redirect", "302 to somewhere else", "254708374186", "redirect"),
    Scenario("busy", "500.003.02, system is busy", "254708374187", "busy"),
)

SCENARIOS: dict[str, Scenario] = {row.name: row for row in _ROWS}
TEST_NUMBERS: dict[str, Scenario] = {row.phone: row for row in _ROWS if row.phone}


def get_scenario(name: str, params: dict[str, Any] | None = None) -> Scenario:
    """
    Return the scenario of that name with params laid over it.

    :raises UnknownScenario: when the name or a parameter is not known.
    """
    if name not in SCENARIOS:
        raise UnknownScenario(f"no scenario {name!r}")
    return SCENARIOS[name].with_params(params or {})


def _read_param(name: str, value: Any) -> Any:
    kind = PARAMS.get(name)
    if kind is None or (isinstance(value, bool) != (kind is bool)):
        raise UnknownScenario(f"no parameter {name}={value!r}")
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise UnknownScenario(f"{name} cannot be {value!r}") from error
