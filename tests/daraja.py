"""
The simulator behind `responses`: whatever the real adapter sends is answered by the pure engine.

    with FakeDaraja(clock=lambda: now) as daraja:
        daraja.next("cancel")
        ...                       # the product pushes
        daraja.deliver(client)    # callbacks due by now go through Django's test client

By default every customer pays at once (answer_after_s 0), results come at once (result_after_s 0)
and callbacks wait for deliver().
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import requests
import responses
from django.test import Client

from payments import callback_urls
from payments.providers.daraja.simulator import wire
from payments.providers.daraja.simulator.by_hand import HandPayment
from payments.providers.daraja.simulator.engine import Engine
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger
from payments.providers.daraja.simulator.prompts import Prompt
from payments.providers.daraja.simulator.registrations import Registration

SANDBOX_URL = "https://sandbox.safaricom.co.ke"
SAFARICOM_ADDRESS = "196.201.214.200"
#: Where the doctor calls us, through proxy and firewall.
_LOOP = re.compile(r"https?://[^/]+/cb/l/[0-9a-f]+/[0-9a-f]+")
#: A delayed answer is a read time-out for whoever waits no longer than this.
PATIENCE_S = 20.0


class FakeDaraja:
    """
    A simulated Daraja at base_url; clock tells it the time, knobs are those of Knobs.

    Delivered callbacks carry REMOTE_ADDR. on_callback(url, body) is called for callbacks that come
    before the push is answered, while the pushing code still waits; its answer is the status.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        base_url: str = SANDBOX_URL,
        default: str = "pay",
        seed: int | None = 1,
        **knobs: Any,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.clock = clock
        self.engine = Engine(
            default=default,
            seed=seed,
            knobs=Knobs(**{"answer_after_s": 0.0, "result_after_s": 0.0, **knobs}),
        )
        self.on_callback: Callable[[str, bytes], int | None] = _no_hook
        self._unplugged: list[str] = []
        self._mock = responses.RequestsMock(assert_all_requests_are_fired=False)
        #: What answers at our own address: None is the product itself, else (status, headers, body).
        self.at_home: tuple[int, dict[str, str], bytes] | Exception | None = None

    def __enter__(self) -> FakeDaraja:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        for method in (responses.GET, responses.POST):
            self._mock.add_callback(method, _everything_below(self.base_url), self._answer)
        self._mock.add_callback(responses.POST, _LOOP, self._answer_ourselves)
        self._mock.start()

    def stop(self) -> None:
        self._mock.stop(allow_assert=False)
        self._mock.reset()

    # What customers and Daraja will do.

    def set_default(self, scenario: str, **params: Any) -> None:
        self.engine.scenarios.set_default(scenario, **params)

    def next(self, scenario: str, *, phone: str = "", **params: Any) -> None:
        """Let the next prompt (of this phone, or of any) go that way."""
        self.engine.scenarios.queue(scenario, msisdn=phone, **params)

    def on(self, phone: str, scenario: str, **params: Any) -> None:
        """Let every prompt of this phone (2547…) go that way."""
        self.engine.scenarios.set_on(phone, scenario, **params)

    def break_next(self, endpoint: str, fault: str, *, times: int = 1) -> None:
        """Let the next calls of oauth, push, query, status … meet a fault of faults.FAULTS."""
        self.engine.plan_fault(endpoint, fault, times=times)

    def unplug(self, path: str = "", *, times: int = 1) -> None:
        """Let the next calls whose address holds path find nobody: no byte of them leaves."""
        self._unplugged += [path] * times

    def kill_token(self, consumer_key: str = "") -> None:
        self.engine.kill_token(consumer_key)

    def press(self, phone: str, button: str = "pay", *, pin: str = "1234") -> Prompt:
        """Press a button under the open prompt of this phone."""
        prompt = self.engine.prompts(self.clock(), msisdn=phone)[0]
        return self.engine.press(prompt.checkout_request_id, button, pin=pin, now=self.clock())

    # Money nobody asked for, and answers that come later.

    def know_urls(
        self,
        shortcode: str,
        config_id: Any,
        *,
        version: str = "v2",
        response_type: str = "Completed",
    ) -> None:
        """Let a config's C2B addresses be registered for a paybill, or a till's store number."""
        validation, confirmation = callback_urls.c2b_urls(config_id)
        registration = Registration(version, response_type, validation, confirmation)
        self.engine.register_urls(shortcode, registration)

    def pay_c2b(
        self,
        business: str,
        amount: Any,
        phone: str = "254712345678",
        reference: str = "",
        *,
        client: Any = None,
        **options: Any,
    ) -> str:
        """
        Let somebody pay by hand; return the receipt. options are HandPayment's.

        With a client the business is asked and told at once; without, deliver() does it.
        """
        payment = HandPayment(business, Decimal(str(amount)), phone, reference, **options)
        receipt_number = self.engine.pay_by_hand(payment, now=self.clock())
        if client is not None:
            self.deliver(client)
        return receipt_number

    def reverse(self, receipt_number: str) -> str:
        """Let the customer have a payment taken back; nobody tells the business."""
        return self.engine.take_back(receipt_number, now=self.clock())

    def next_result(self, kind: str, plan: str, *, times: int = 1) -> None:
        """Let the next results of status, reversal or balance go that way (result_plans.py)."""
        self.engine.plan_result(kind, plan, times=times)

    # Callbacks.

    def due_callbacks(self) -> list[tuple[str, bytes]]:
        """Take the callbacks ready now, as (path, body); nobody will deliver them but the caller."""
        return [(_path_of(callback), callback.body) for callback in self.engine.due(self.clock())]

    def deliver(self, client: Any, **extra: Any) -> list[Any]:
        """
        Post the callbacks ready now through Django's test client; return its responses.

        What an answered validation leads to is posted too.
        """
        posted, answers = self.engine.due(self.clock()), []
        for callback in posted:
            answers.append(self._post(client, callback, extra))
            if callback.kind == "c2b_validation":
                posted += self.engine.due(self.clock())
        return answers

    def deliver_early_through(self, client: Any, **extra: Any) -> None:
        """Let callbacks that come before the answer go through this client."""

        def post(url: str, body: bytes) -> int:
            parts = urlsplit(url)
            status: int = _post_body(client, parts.path, body, extra).status_code
            return status

        self.on_callback = post

    # What it did.

    @property
    def ledger(self) -> Ledger:
        return self.engine.ledger

    @property
    def prompts_sent(self) -> int:
        """How many prompts went out to phones, whatever was answered."""
        return sum(row.processed for row in self.ledger.pushes)

    @property
    def tokens_issued(self) -> int:
        return sum(row.granted for row in self.ledger.tokens)

    def _post(self, client: Any, callback: wire.Callback, extra: dict[str, Any]) -> Any:
        response = _post_body(client, _path_of(callback), callback.body, extra)
        text = response.content.decode(errors="replace")[:500]
        self.engine.delivered(callback, status=response.status_code, answer=text, now=self.clock())
        return response

    def _answer_ourselves(
        self, request: requests.PreparedRequest
    ) -> tuple[int, dict[str, str], bytes]:
        if isinstance(self.at_home, Exception):
            raise self.at_home
        return self.at_home or _through_the_product(request)

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        for path in self._unplugged:
            if path in str(request.url):
                self._unplugged.remove(path)
                raise requests.ConnectTimeout("no route to host")
        answer = self.engine.handle(
            request.method or "GET",
            str(request.url).removeprefix(self.base_url),
            dict(request.headers),
            _body_of(request),
            self.clock(),
        )
        for callback in answer.before:
            status = self.on_callback(callback.url, callback.body) or 0
            self.engine.delivered(callback, status=status, answer="", now=self.clock())
        if answer.drop:
            raise requests.ConnectionError("Remote end closed connection without response")
        if answer.delay_s >= PATIENCE_S:
            raise requests.ReadTimeout("Read timed out.")
        return answer.status, dict(answer.headers), answer.body


def _through_the_product(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
    path, body = urlsplit(str(request.url)).path, _body_of(request)
    response = Client().post(path, data=body, content_type="text/plain")
    return response.status_code, dict(response.headers), response.content


def _everything_below(base_url: str) -> Any:
    return re.compile(re.escape(base_url) + "/.*")


def _no_hook(url: str, body: bytes) -> None:
    raise AssertionError("a callback came before the answer: set on_callback")


def _path_of(callback: wire.Callback) -> str:
    parts = urlsplit(callback.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _post_body(client: Any, path: str, body: bytes, extra: dict[str, Any]) -> Any:
    extra = {"REMOTE_ADDR": SAFARICOM_ADDRESS, **extra}
    return client.post(path, data=body, content_type="application/json", **extra)


def _body_of(request: requests.PreparedRequest) -> bytes:
    body = request.body or b""
    return body.encode() if isinstance(body, str) else bytes(body)
