"""
Where we call ourselves, through name, proxy, TLS and firewall, as Safaricom would.

A wrong answer or none tells the doctor that callbacks would not arrive. The answer is signed with
the key that signs addresses, so that nobody else's server passes for ours; no database is touched.
"""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse, JsonResponse

from payments import callback_urls
from payments.api.callbacks import refusal_at_the_door
from payments.api.errors import problem_response

_CHALLENGE = re.compile(rb"[A-Za-z0-9_-]{16,128}")


def loop(request: HttpRequest, subject: str, mac: str) -> HttpResponse:
    """Answer a challenge with its signature."""
    if refusal := refusal_at_the_door(request, "l", subject, mac):
        return refusal
    challenge = request.read(256)
    if not _CHALLENGE.fullmatch(challenge):
        return problem_response(400, "invalid")
    answer = callback_urls.loop_answers(subject, challenge.decode())[0]
    return JsonResponse({"answer": answer}, headers={"Cache-Control": "no-store"})
