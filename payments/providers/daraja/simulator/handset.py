"""The simulated phone: what it shows, and what its buttons do."""

from __future__ import annotations

import threading
from datetime import datetime

from payments.providers.daraja.simulator.prompts import Prompt, PromptBook
from payments.providers.daraja.simulator.timeline import Timeline

#: What the buttons of a handset do.
BUTTONS = {"pay": "0", "cancel": "1032", "wrong-pin": "2001", "no-funds": "1", "ignore": ""}
WRONG_PIN = "0000"


class NoSuchPrompt(LookupError):
    """The prompt is not there, or no longer open."""


class WrongInput(ValueError):
    """No such button, or the PIN is not four digits."""


class Handset:
    """The engine's part that people hold in their hands."""

    _lock: threading.RLock
    _book: PromptBook
    _timeline: Timeline

    def press(
        self, checkout_request_id: str, button: str, *, pin: str = "", now: datetime
    ) -> Prompt:
        """
        Press a button of the handset; paying takes a PIN of four digits, and 0000 is wrong.

        :raises NoSuchPrompt: when the prompt is not open (any more).
        :raises WrongInput: when the button or the PIN is none.
        """
        with self._lock:
            self._timeline.advance(now)
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
            self._timeline.advance(now)
            return [
                prompt
                for prompt in self._book.open_prompts()
                if not prompt.is_ignored and msisdn in ("", prompt.form.msisdn)
            ]

    def results(self, now: datetime, *, msisdn: str = "", limit: int = 20) -> list[Prompt]:
        """Return the last settled prompts, newest first."""
        with self._lock:
            self._timeline.advance(now)
            settled = (
                prompt
                for prompt in self._book.newest_first()
                if not prompt.is_open and msisdn in ("", prompt.form.msisdn)
            )
            return [prompt for prompt, _ in zip(settled, range(limit), strict=False)]


def _code_of(button: str, pin: str) -> str:
    if button not in BUTTONS:
        raise WrongInput(f"no button {button!r}")
    if button != "pay":
        return BUTTONS[button]
    if not (len(pin) == 4 and pin.isascii() and pin.isdigit()):
        raise WrongInput("the PIN has four digits")
    return BUTTONS["wrong-pin"] if pin == WRONG_PIN else BUTTONS["pay"]
