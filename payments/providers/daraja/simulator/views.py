"""
HTTP in front of the engine: Daraja's addresses, the handset, and /simulator/ for tests.

Everything under /simulator/ is ours and not Daraja's: prompts, ledger, reset, scenario, fault,
knobs; of money: money_views.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse

from payments.providers.daraja.simulator import wire
from payments.providers.daraja.simulator.handset import NoSuchPrompt, WrongInput
from payments.providers.daraja.simulator.prompts import Prompt
from payments.providers.daraja.simulator.scenarios import SCENARIOS, UnknownScenario
from payments.providers.daraja.simulator.server import DROP_KEY, FACE_KEY, Face
from payments.providers.daraja.simulator.transactions import NoSuchPayment

_ROOT = Path(__file__).resolve().parents[4]
_PAGE = _ROOT / "templates" / "simulator" / "handset.html"
_STATIC = {
    name: (_ROOT / "config" / "static" / "simulator" / name, kind)
    for name, kind in (
        ("handset.css", "text/css"),
        ("handset.js", "text/javascript"),
        ("money.js", "text/javascript"),
    )
}
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

View = Callable[..., HttpResponse]


def daraja(request: HttpRequest) -> HttpResponse:
    """Answer as Daraja would: late, spoilt or not at all if the scenario says so."""
    face = face_of(request)
    answer = face.engine.handle(
        request.method or "GET",
        request.get_full_path(),
        request.headers,
        request.body,
        face.clock(),
    )
    for callback in answer.before:
        face.courier.deliver(callback)
    if answer.delay_s:
        face.wait(answer.delay_s)
    if answer.drop:
        request.META[DROP_KEY]()
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


def handset(request: HttpRequest) -> HttpResponse:
    """Show the page with the phone."""
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    return HttpResponse(_PAGE.read_bytes(), content_type="text/html", headers=headers)


def static(request: HttpRequest, name: str) -> FileResponse:
    """Serve the page's two files without collectstatic."""
    if name not in _STATIC:
        raise Http404
    path, kind = _STATIC[name]
    return FileResponse(path.open("rb"), content_type=kind, headers={"Cache-Control": "no-cache"})


def prompts(request: HttpRequest) -> JsonResponse:
    """Tell what the handset shows now and what became of earlier prompts."""
    face, now = face_of(request), face_of(request).clock()
    msisdn = request.GET.get("phone", "")
    names = face.engine.knobs.names
    shown = face.engine.prompts(now, msisdn=msisdn)
    settled = face.engine.results(now, msisdn=msisdn)
    return JsonResponse(
        {
            "now": now.isoformat(),
            "prompts": [_prompt(prompt, names, now) for prompt in shown],
            "results": [_prompt(prompt, names, now) for prompt in settled],
            "queued": face.engine.scenarios.queued(),
            "default": face.engine.scenarios.default.name,
        }
    )


def press(request: HttpRequest, checkout_request_id: str, button: str) -> HttpResponse:
    """Press a button of the handset: pay (with PIN), cancel, wrong-pin, no-funds, ignore."""

    def act(face: Face, said: dict[str, Any]) -> dict[str, Any]:
        pin, now = str(said.get("pin", "")), face.clock()
        prompt = face.engine.press(checkout_request_id, button, pin=pin, now=now)
        return _prompt(prompt, face.engine.knobs.names, now)

    return posted(request, act)


def ledger(request: HttpRequest) -> JsonResponse:
    """Give the ledger, or one phone's or one prompt's part of it."""
    rows = face_of(request).engine.rows(
        msisdn=request.GET.get("msisdn", ""),
        checkout_request_id=request.GET.get("checkout_request_id", ""),
    )
    return JsonResponse(rows)


def reset(request: HttpRequest) -> HttpResponse:
    """Forget prompts, ledger, tokens and choices."""

    def act(face: Face, _: dict[str, Any]) -> dict[str, Any]:
        face.engine.reset()
        return {"reset": True}

    return posted(request, act)


def scenario(request: HttpRequest) -> HttpResponse:
    """
    List the scenarios, or choose one: {"phone" | "next" | "default", "scenario", "params"?}.

    "next" is true or a phone; an empty scenario takes a phone's choice off.
    """
    if request.method == "GET":
        rows = [{"name": s.name, "says": s.says, "phone": s.phone} for s in SCENARIOS.values()]
        return JsonResponse({"scenarios": rows})
    return posted(request, _choose)


def fault(request: HttpRequest) -> HttpResponse:
    """Plan a fault: {"endpoint": "oauth" | "push" | "query" …, "fault", "times"?}."""

    def act(face: Face, said: dict[str, Any]) -> dict[str, Any]:
        times = int(said.get("times", 1))
        face.engine.plan_fault(str(said["endpoint"]), str(said["fault"]), times=times)
        return {"planned": times}

    return posted(request, act)


def knobs(request: HttpRequest) -> HttpResponse:
    """Show the knobs, or turn the ones named."""
    if request.method == "GET":
        return JsonResponse(asdict(face_of(request).engine.knobs))

    def act(face: Face, said: dict[str, Any]) -> dict[str, Any]:
        face.engine.knobs.turn(**said)
        return asdict(face.engine.knobs)

    return posted(request, act)


def _choose(face: Face, said: dict[str, Any]) -> dict[str, Any]:
    chooser = face.engine.scenarios
    name, params = str(said.get("scenario") or ""), said.get("params") or {}
    if said.get("phone") and not name:
        chooser.take_off(str(said["phone"]))
    elif said.get("phone"):
        chooser.set_on(str(said["phone"]), name, **params)
    elif said.get("next"):
        msisdn = "" if said["next"] is True else str(said["next"])
        chooser.queue(name, msisdn=msisdn, **params)
    else:
        chooser.set_default(name, **params)
    return {"default": chooser.default.name, "queued": chooser.queued()}


def posted(
    request: HttpRequest, act: Callable[[Face, dict[str, Any]], dict[str, Any]]
) -> HttpResponse:
    """Answer a POST with what act makes of its JSON; say plainly what did not fit."""
    if request.method != "POST":
        return JsonResponse({"error": "POST only"}, status=405)
    try:
        said = json.loads(request.body or b"{}")
        return JsonResponse(act(face_of(request), dict(said)))
    except NoSuchPrompt:
        return JsonResponse({"error": "no such open prompt"}, status=404)
    except NoSuchPayment:
        return JsonResponse({"error": "no such payment to take back"}, status=404)
    except (WrongInput, UnknownScenario, KeyError, TypeError, ValueError) as error:
        return JsonResponse({"error": str(error)}, status=400)


def _prompt(prompt: Prompt, names: dict[str, str], now: datetime) -> dict[str, Any]:
    form = prompt.form
    return {
        "checkout_request_id": prompt.checkout_request_id,
        "msisdn": form.msisdn,
        "business": names.get(form.party_b) or names.get(form.shortcode, ""),
        "shortcode": form.party_b,
        "transaction_type": form.transaction_type,
        "amount": form.amount,
        "account_reference": form.account_reference,
        "description": form.description,
        "scenario": prompt.scenario.name,
        "by_itself": not prompt.scenario.handset,
        "closes_in_s": max(0, round((prompt.closes_at - now).total_seconds())),
        "result_code": prompt.result_code,
        "result_desc": wire.result_text(prompt.result_code) if prompt.result_code else "",
        "receipt_number": prompt.receipt_number,
        "settled_at": prompt.settled_at.isoformat() if prompt.settled_at else None,
    }


def face_of(request: HttpRequest) -> Face:
    """Return the world this request came into."""
    face: Face = request.META[FACE_KEY]
    return face
