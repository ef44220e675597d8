"""
A wire-level fake of Safaricom's Daraja, pure: no network, no database, no clock of its own.

Requests go in at handle(), callbacks come out of due(); both are told what time it is. Two faces
use it: views.py (HTTP, for the demo) and tests/daraja.py (`responses`, for the tests), so the real
adapter is exercised in both. One lock makes it safe under threads.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from payments.providers.daraja.simulator import faults, registrations, wire
from payments.providers.daraja.simulator.calls import Call
from payments.providers.daraja.simulator.choosing import ScenarioChooser
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger
from payments.providers.daraja.simulator.prompts import Prompt, PromptBook
from payments.providers.daraja.simulator.pushes import PushDesk
from payments.providers.daraja.simulator.queries import QueryDesk
from payments.providers.daraja.simulator.tokens import TokenDesk, app_of

OAUTH_PATH = "/oauth/v1/generate"
PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"

#: path: the one method it takes, and the name its planned faults go by.
ROUTES = {
    OAUTH_PATH: ("GET", "oauth"),
    PUSH_PATH: ("POST", "push"),
    QUERY_PATH: ("POST", "query"),
    **dict.fromkeys(registrations.PATHS, ("POST", "register")),
}

#: What the buttons of a handset do.
BUTTONS = {"pay": "0", "cancel": "1032", "wrong-pin": "2001", "no-funds": "1", "ignore": ""}
WRONG_PIN = "0000"


class NoSuchPrompt(LookupError):
    """The prompt is not there, or no longer open."""


class WrongInput(ValueError):
    """No such button, or the PIN is not four digits."""


class Engine:
    """The simulated Daraja. All times given must be aware; seed makes every id repeatable."""

    def __init__(
        self, *, default: str = "handset", knobs: Knobs | None = None, seed: int | None = None
    ) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - repeatable on purpose; guards nothing
        self._lock = threading.RLock()
        self.knobs = knobs or Knobs()
        self.ledger = Ledger()
        self._ids = wire.Ids(self._rng)
        self.scenarios = ScenarioChooser(default)
        self._tokens = TokenDesk(self._ids, self.ledger, self.knobs)
        self._book = PromptBook(ids=self._ids, ledger=self.ledger, knobs=self.knobs)
        self._pushes = PushDesk(
            self._tokens, self._book, self.scenarios, self.ledger, self.knobs, self._rng
        )
        self._queries = QueryDesk(
            self._tokens,
            self._book,
            self.ledger,
            self.knobs,
            self._rng,
            self._pushes.passkeys,
        )
        self._registrations = registrations.RegisterDesk(
            self._tokens, self._ids, self.ledger, self.knobs
        )
        self._planned: dict[str, deque[str]] = {name: deque() for _, name in ROUTES.values()}

    # What Daraja does.

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> wire.Answer:
        """Answer one request to Daraja; path may carry a query string."""
        with self._lock:
            self._book.advance(now)
            parts = urlsplit(path)
            low = {name.lower(): value for name, value in headers.items()}
            request_id = self._ids.new_request_id()
            call = Call(dict(parse_qsl(parts.query)), low, body, now, request_id)
            return self._route(method, parts.path, call)

    def due(self, now: datetime) -> list[wire.Callback]:
        """Return the callbacks to be delivered now, each of them once."""
        with self._lock:
            self._book.advance(now)
            return self._book.take_ready(now)

    def delivered(
        self, callback: wire.Callback, *, status: int, answer: str, now: datetime
    ) -> None:
        """Write down what the receiver of a callback said; status 0 when it said nothing."""
        with self._lock:
            self.ledger.record_answer(callback.serial, status=status, answer=answer, at=now)

    # What people and tests do to it.

    def press(
        self, checkout_request_id: str, button: str, *, pin: str = "", now: datetime
    ) -> Prompt:
        """
        Press a button of the handset; paying takes a PIN of four digits, and 0000 is wrong.

        :raises NoSuchPrompt: when the prompt is not open (any more).
        :raises WrongInput: when the button or the PIN is none.
        """
        with self._lock:
            self._book.advance(now)
            prompt = self._book.find(checkout_request_id)
            if prompt is None or not prompt.is_open or prompt.is_ignored:
                raise NoSuchPrompt(checkout_request_id)
            code = _code_of(button, pin)
            if code:
                self._book.settle(prompt, code, at=now)
            prompt.is_ignored = not code
            return prompt

    def prompts(self, now: datetime, *, msisdn: str = "") -> list[Prompt]:
        """Return the prompts a handset shows now, oldest first."""
        with self._lock:
            self._book.advance(now)
            return [
                prompt
                for prompt in self._book.open_prompts()
                if not prompt.is_ignored and msisdn in ("", prompt.form.msisdn)
            ]

    def results(self, now: datetime, *, msisdn: str = "", limit: int = 20) -> list[Prompt]:
        """Return the last settled prompts, newest first."""
        with self._lock:
            self._book.advance(now)
            settled = (
                prompt
                for prompt in self._book.newest_first()
                if not prompt.is_open and msisdn in ("", prompt.form.msisdn)
            )
            return [prompt for prompt, _ in zip(settled, range(limit), strict=False)]

    def rows(self, *, msisdn: str = "", checkout_request_id: str = "") -> dict[str, list[Any]]:
        """Return the ledger as plain data."""
        with self._lock:
            return self.ledger.matching(msisdn=msisdn, checkout_request_id=checkout_request_id)

    def register_app(self, consumer_key: str, consumer_secret: str) -> None:
        """Accept this key only with this secret from now on."""
        self._tokens.register(consumer_key, consumer_secret)

    def register_passkey(self, shortcode: str, passkey: str) -> None:
        """Accept this shortcode only with this passkey from now on."""
        self._pushes.passkeys[shortcode] = passkey

    def register_till(self, store_number: str, till: str) -> None:
        """Let other tills of this store number fail with 2028 in their callback."""
        self._pushes.tills[store_number] = till

    def register_urls_elsewhere(self, shortcode: str) -> None:
        """Let somebody else have registered C2B addresses for this shortcode, once for all."""
        self.knobs.turn(c2b_once=True)
        self._registrations.registered[shortcode] = "https://somebody-else.example/c2b"

    def kill_token(self, consumer_key: str = "") -> None:
        """Kill the living tokens of one app, or of all."""
        with self._lock:
            if consumer_key:
                self._tokens.kill(app_of(consumer_key))
            else:
                self._tokens.kill_all()

    def plan_fault(self, endpoint: str, fault: str, *, times: int = 1) -> None:
        """
        Let the next calls of an endpoint (oauth, push, query, register) answer with a fault.

        Nothing is taken or done by such a call, save that "hang" and its like spoil a real answer.

        :raises KeyError: when there is no such endpoint or fault.
        """
        with self._lock:
            faults.FAULTS[fault]
            self._planned[endpoint].extend([fault] * times)

    def reset(self) -> None:
        """Forget prompts, ledger, tokens, planned faults and chosen scenarios; keep the knobs."""
        with self._lock:
            desks = (self._book, self._queries, self._registrations)
            for forgetful in (*desks, self.ledger, self.scenarios):
                forgetful.clear()
            for queue in self._planned.values():
                queue.clear()
            self._tokens.kill_all()

    # How the answers are found.

    def _route(self, method: str, path: str, call: Call) -> wire.Answer:
        allowed, endpoint = ROUTES.get(path, ("", ""))
        if not endpoint:
            return call.error(404, "404.001.01", "Resource not found")
        if method != allowed:
            return call.error(405, "405.001", "Method Not Allowed")
        handlers: dict[str, Callable[[Call], wire.Answer]] = {
            "oauth": self._oauth,
            "push": self._pushes.answer,
            "query": self._queries.answer,
            "register": partial(self._registrations.answer, registrations.PATHS.get(path, "")),
        }
        handler = handlers[endpoint]
        if not self._planned[endpoint]:
            return handler(call)
        fault = self._planned[endpoint].popleft()
        real = handler(call) if fault in faults.SPOILERS else None
        return faults.spoil(fault, faults.Spoiled(call.request_id, real))

    def _oauth(self, call: Call) -> wire.Answer:
        number = self.knobs.expires_in_number or self.scenarios.default.drift
        return self._tokens.issue(call.headers, call.query, number=number, now=call.now)


def _code_of(button: str, pin: str) -> str:
    if button not in BUTTONS:
        raise WrongInput(f"no button {button!r}")
    if button != "pay":
        return BUTTONS[button]
    if not (len(pin) == 4 and pin.isascii() and pin.isdigit()):
        raise WrongInput("the PIN has four digits")
    return BUTTONS["wrong-pin"] if pin == WRONG_PIN else BUTTONS["pay"]
