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

from payments.providers.daraja.simulator import by_hand, faults, later, pulls, registrations, wire
from payments.providers.daraja.simulator.calls import Call
from payments.providers.daraja.simulator.choosing import ScenarioChooser
from payments.providers.daraja.simulator.handset import Handset
from payments.providers.daraja.simulator.initiators import Initiators
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger
from payments.providers.daraja.simulator.prompts import PromptBook
from payments.providers.daraja.simulator.pushes import PushDesk
from payments.providers.daraja.simulator.queries import QueryDesk
from payments.providers.daraja.simulator.timeline import Timeline
from payments.providers.daraja.simulator.tokens import TokenDesk, app_of
from payments.providers.daraja.simulator.transactions import NoSuchPayment, TransactionBook

OAUTH_PATH = "/oauth/v1/generate"
PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"

_POST = ("POST",)
#: path: the methods it takes, and the name its planned faults go by.
ROUTES = {
    OAUTH_PATH: (("GET",), "oauth"),
    PUSH_PATH: (_POST, "push"),
    QUERY_PATH: (_POST, "query"),
    **dict.fromkeys(registrations.PATHS, (_POST, "register")),
    **dict.fromkeys(by_hand.PATHS, (_POST, "simulate")),
    **{path: (_POST, kind) for path, kind in later.PATHS.items()},
    pulls.REGISTER_PATH: (_POST, "pull_register"),
    pulls.QUERY_PATH: (("GET", "POST"), "pull"),
}


class Engine(Handset):
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
        self._timeline = Timeline(self._ids, self.ledger)
        self.transactions = TransactionBook(self.ledger)
        self._registrations = registrations.RegisterDesk(
            self._tokens, self._ids, self.ledger, self.knobs
        )
        self._hands = by_hand.HandDesk(
            self._tokens,
            self._ids,
            self.ledger,
            self.knobs,
            self._timeline,
            self.transactions,
            self._registrations,
        )
        self._book = PromptBook(
            ids=self._ids,
            knobs=self.knobs,
            timeline=self._timeline,
            transactions=self.transactions,
            on_paid=self._hands.confirm,
        )
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
        self.initiators = Initiators(self.knobs)
        self._later = later.LaterDesk(
            self._tokens,
            self._ids,
            self.ledger,
            self.knobs,
            self._timeline,
            self.transactions,
            self.initiators,
        )
        self._pulls = pulls.PullDesk(
            self._tokens, self._ids, self.ledger, self.knobs, self.transactions
        )
        self._planned: dict[str, deque[str]] = {name: deque() for _, name in ROUTES.values()}

    # What Daraja does.

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> wire.Answer:
        """Answer one request to Daraja; path may carry a query string."""
        with self._lock:
            self._timeline.advance(now)
            parts = urlsplit(path)
            low = {name.lower(): value for name, value in headers.items()}
            request_id = self._ids.new_request_id()
            call = Call(dict(parse_qsl(parts.query)), low, body, now, request_id)
            return self._route(method, parts.path, call)

    def due(self, now: datetime) -> list[wire.Callback]:
        """Return the callbacks to be delivered now, each of them once."""
        with self._lock:
            self._timeline.advance(now)
            return self._timeline.take_ready(now)

    def delivered(
        self, callback: wire.Callback, *, status: int, answer: str, now: datetime
    ) -> None:
        """Write down what the receiver of a callback said; status 0 when it said nothing."""
        with self._lock:
            self.ledger.record_answer(callback.serial, status=status, answer=answer, at=now)
            self._timeline.advance(now)
            self._hands.hear(callback, status=status, answer=answer, now=now)
            self._timeline.advance(now)

    # What people and tests do to it.

    def pay_by_hand(self, payment: by_hand.HandPayment, *, now: datetime) -> str:
        """Let somebody pay unasked; return the receipt, true only once the business agreed."""
        with self._lock:
            self._timeline.advance(now)
            receipt_number = self._hands.pay(payment, at=now)
            self._timeline.advance(now)
            return receipt_number

    def take_back(self, receipt_number: str, *, now: datetime) -> str:
        """
        Let a customer have a payment reversed by Safaricom; nobody tells the business.

        :raises NoSuchPayment: when there is none of this receipt any more.
        """
        with self._lock:
            self._timeline.advance(now)
            found = self.transactions.find(receipt_number)
            if found is None or found.reversed_by:
                raise NoSuchPayment(receipt_number)
            receipt = self._ids.new_receipt_number(now)
            self.transactions.take_back(
                found, found.amount, reversal_receipt=receipt, by="customer", at=now
            )
            return receipt

    def plan_result(self, kind: str, plan: str, *, times: int = 1) -> None:
        """
        Let the next results (of status, reversal or balance) go that way; see result_plans.py.

        :raises KeyError: when there is no such kind or plan.
        """
        with self._lock:
            self._later.plan(kind, plan, times=times)

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

    def register_initiator(self, name: str) -> None:
        """Accept the named operators alone from now on."""
        self.initiators.known.add(name)

    def register_urls(self, shortcode: str, registration: registrations.Registration) -> None:
        """Let these C2B addresses be registered, whoever did it."""
        self._registrations.registered[shortcode] = registration

    def register_urls_elsewhere(self, shortcode: str) -> None:
        """Let somebody else have registered C2B addresses for this shortcode, once for all."""
        self.knobs.turn(c2b_once=True)
        other = "https://somebody-else.example/c2b"
        self.register_urls(shortcode, registrations.Registration("v2", "Completed", other, other))

    def kill_token(self, consumer_key: str = "") -> None:
        """Kill the living tokens of one app, or of all."""
        with self._lock:
            if consumer_key:
                self._tokens.kill(app_of(consumer_key))
            else:
                self._tokens.kill_all()

    def plan_fault(self, endpoint: str, fault: str, *, times: int = 1) -> None:
        """
        Let the next calls of an endpoint (the names in ROUTES) answer with a fault.

        Nothing is taken or done by such a call, save that "hang" and its like spoil a real answer.

        :raises KeyError: when there is no such endpoint or fault.
        """
        with self._lock:
            faults.FAULTS[fault]
            self._planned[endpoint].extend([fault] * times)

    def reset(self) -> None:
        """Forget prompts, ledger, tokens, planned faults and chosen scenarios; keep the knobs."""
        with self._lock:
            desks = (self._book, self._queries, self._registrations, self._hands, self._later)
            books = (self._pulls, self.transactions, self._timeline)
            for forgetful in (*desks, *books, self.ledger, self.scenarios):
                forgetful.clear()
            for queue in self._planned.values():
                queue.clear()
            self._tokens.kill_all()

    # How the answers are found.

    def _route(self, method: str, path: str, call: Call) -> wire.Answer:
        allowed, endpoint = ROUTES.get(path, ((), ""))
        if not endpoint:
            return call.error(404, "404.001.01", "Resource not found")
        if method not in allowed:
            return call.error(405, "405.001", "Method Not Allowed")
        handlers: dict[str, Callable[[Call], wire.Answer]] = {
            "oauth": self._oauth,
            "push": self._pushes.answer,
            "query": self._queries.answer,
            "register": partial(self._registrations.answer, registrations.PATHS.get(path, "")),
            "simulate": self._hands.simulate,
            "pull_register": self._pulls.register,
            "pull": self._pulls.query,
            **{kind: partial(self._later.answer, kind) for kind in later.RULES},
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
