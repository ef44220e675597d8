"""
The short chains.

A provider's callback and an API call need no session, no language, no CSRF token and no messages;
each of them costs time on the paths that are measured. They leave the chain early here.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, get_resolver
from django_structlog.middlewares import RequestMiddleware
from structlog.contextvars import bound_contextvars

from payments.api.errors import problem_response
from tenants.throttling import Allowance

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# For browsers: they need the content security policy of the long chain.
_PAGES = frozenset({"/api/schema", "/api/docs"})
_NEXT = Callable[[HttpRequest], HttpResponseBase]


class CallbackShortcut:
    """Answer `/cb/…` before anything else sees the request."""

    def __init__(self, get_response: _NEXT) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/cb/"):
            return self.get_response(request)
        return _call_view(request, "payments.api.callback_urls")


class RequestId:
    """Give every request an id, the caller's where it is harmless, and echo it."""

    def __init__(self, get_response: _NEXT) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Not through request.headers: it is built once, and the logging middleware reads it too.
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        request.META["HTTP_X_REQUEST_ID"] = request_id
        request.request_id = request_id  # type: ignore[attr-defined]
        # The short chain ends before that middleware, whose work would be a tenth of a poll.
        with bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"
        )
        return response


class RequestLog(RequestMiddleware):
    """Log each request by its path: what is searched for may be a customer's number."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"


class UploadLimit:
    """
    Refuse a body far larger than any upload before it is read.

    A file a little too large is read, so that its form can say so; Django would first put two
    hundred megabytes on the disk.
    """

    def __init__(self, get_response: _NEXT) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        announced = request.META.get("CONTENT_LENGTH") or "0"
        most = 2 * settings.STATEMENT_MAX_MB * 1024**2
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > most:
            return render(request, "413.html", {"most": settings.STATEMENT_MAX_MB}, status=413)
        return self.get_response(request)


class ApiShortcut:
    """
    Answer `/api/…` without sessions; every error there is a problem document.

    Probes leave the chain here too: they come by address, whatever ALLOWED_HOSTS says.
    """

    def __init__(self, get_response: _NEXT) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path in _PROBES:
            return _call_view(request, "config.urls")
        if path in _PAGES or not f"{path}/".startswith("/api/"):
            return self.get_response(request)
        response = _answer_api(request)
        _set_rate_headers(request, response)
        return response


def _answer_api(request: HttpRequest) -> HttpResponseBase:
    try:
        request.get_host()  # links are made of it
    except DisallowedHost:
        return problem_response(400, "invalid", request=request, detail="Unknown host.")
    return _call_view(request, "config.urls")


def _call_view(request: HttpRequest, urlconf: str) -> HttpResponseBase:
    try:
        match = get_resolver(urlconf).resolve(request.path_info)
    except Resolver404:
        return problem_response(404, "not_found", request=request)
    request.resolver_match = match
    try:
        response = match.func(request, *match.args, **match.kwargs)
    except Exception:
        logger.exception("unhandled error in a short chain")
        return problem_response(500, "unavailable", request=request)
    return _rendered(response)


def _rendered(response: Any) -> HttpResponseBase:
    needs_rendering = hasattr(response, "render") and not getattr(response, "is_rendered", True)
    if needs_rendering:
        response = response.render()
    # CommonMiddleware does this on the long chain; without it the answer would go in chunks.
    response["Content-Length"] = str(len(response.content))
    return response


def _set_rate_headers(request: HttpRequest, response: HttpResponse | HttpResponseBase) -> None:
    # Who has no key, or asks for what is not there, was not counted: his limit is whole.
    limit = settings.API_RATE_PER_KEY_PER_MINUTE
    whole = Allowance(allowed=True, limit=limit, remaining=limit, reset_s=0)
    allowance = getattr(request, "rate_allowance", whole)
    response["RateLimit-Limit"] = str(allowance.limit)
    response["RateLimit-Remaining"] = str(allowance.remaining)
    response["RateLimit-Reset"] = str(allowance.reset_s)
