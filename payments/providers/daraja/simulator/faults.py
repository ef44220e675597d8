"""
Every way the simulated Daraja can answer badly, by name. To add one: a function and a row.

Some take the answer that would have been given (real) and spoil it; without one, the request was
not taken and the fault is all there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from payments.providers.daraja.simulator import wire

#: Longer than any caller waits (DARAJA_TOTAL_TIMEOUT_S is 20).
HANG_S = 30.0

LOCKED_TEXT = wire.RESULT_TEXTS["1001"]

_HTML = (
    '<html><head><title>{status}</title></head><body><iframe id="main-iframe" '
    'src="/_Incapsula_Resource?CWUDNSAI=9">Request unsuccessful. Incapsula incident ID: '
    "0-0</iframe></body></html>"
)
_SPIKE = (
    "Spike arrest violation. Allowed rate : MessageRate{{messagesPerPeriod={limit}, "
    "periodInMicroseconds=60000000, maxBurstMessageCount=1.0}}"
)


@dataclass(frozen=True)
class Spoiled:
    """What a fault may use: a fresh request id, the answer it spoils, a status asked for."""

    request_id: str
    real: wire.Answer | None = None
    status: int | None = None


def spoil(name: str, spoiled: Spoiled) -> wire.Answer:
    """
    Return the answer this fault gives.

    :raises KeyError: when there is no such fault.
    """
    answer = FAULTS[name](spoiled)
    return replace(answer, before=spoiled.real.before) if spoiled.real else answer


def spike_arrest(limit: int) -> wire.Answer:
    """Return Apigee's 429."""
    detail = {"errorcode": "policies.ratelimit.SpikeArrestViolation"}
    fault = {"faultstring": _SPIKE.format(limit=limit), "detail": detail}
    return wire.json_answer(429, {"fault": fault})


def _error(status: int, code: str, message: str) -> Callable[[Spoiled], wire.Answer]:
    def answer(spoiled: Spoiled) -> wire.Answer:
        return wire.error_answer(
            spoiled.status or status, code, message, request_id=spoiled.request_id
        )

    return answer


def _html(spoiled: Spoiled) -> wire.Answer:
    status = spoiled.status or 503
    headers = {"Content-Type": "text/html; charset=UTF-8"}
    return wire.Answer(status, _HTML.format(status=status).encode(), headers)


def _hang(spoiled: Spoiled) -> wire.Answer:
    late = spoiled.real or wire.Answer(504, b"", {"Content-Type": "text/html"})
    return replace(late, delay_s=HANG_S)


def _cut(spoiled: Spoiled) -> wire.Answer:
    real = spoiled.real or wire.json_answer(200, {"ResponseCode": "0"})
    return replace(real, body=real.body[: len(real.body) // 2])


def _huge(spoiled: Spoiled) -> wire.Answer:
    real = spoiled.real or wire.json_answer(200, {"ResponseCode": "0"})
    return replace(real, body=real.body + b" " * 70_000)


def _redirect(_: Spoiled) -> wire.Answer:
    return wire.Answer(302, b"", {"Location": "http://127.0.0.1:9/elsewhere"})


FAULTS: dict[str, Callable[[Spoiled], wire.Answer]] = {
    "server_error": _error(500, "500.001.1001", "Internal Server Error"),
    # Seen between good polls: the same code with no text at all.
    "blank_error": _error(500, "500.001.1001", ""),
    "lock": _error(500, "500.001.1001", LOCKED_TEXT),
    "wrong_credentials": _error(500, "500.001.1001", "Wrong credentials"),
    "no_merchant": _error(500, "500.001.1001", "Merchant does not exist"),
    "busy": _error(500, "500.003.02", "System is busy. Please try again in few minutes."),
    "quota": _error(500, "500.003.03", "Quota Violation"),
    "dead_token": _error(404, "404.001.03", "Invalid Access Token"),
    "no_product": _error(401, "401.002.01", "Error Occurred - Invalid Access Token - "),
    "spike": lambda _: spike_arrest(5),
    "html": _html,
    "empty": lambda spoiled: wire.Answer(spoiled.status or 200),
    "hang": _hang,
    "dropped": lambda _: wire.Answer(0, drop=True),
    "cut": _cut,
    "huge": _huge,
    "redirect": _redirect,
}

#: The faults that spoil a real answer: the request is taken all the same.
SPOILERS = frozenset({"hang", "cut", "huge"})
