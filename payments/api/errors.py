"""Problem details (RFC 9457) for every error, in one shape: made here and nowhere else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from payments.api.messages import PROBLEMS
from payments.errors import InvalidInput, PaymentsError
from tenants.roles import Action, may

if TYPE_CHECKING:
    from rest_framework.exceptions import ErrorDetail

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPE_BASE = "https://malipo.example/problems/"
FieldError = tuple[str, str, str]

# What the framework raises, in our words.
_FRAMEWORK: dict[type[exceptions.APIException], tuple[int, str]] = {
    exceptions.NotAuthenticated: (401, "not_authenticated"),
    exceptions.AuthenticationFailed: (401, "not_authenticated"),
    exceptions.PermissionDenied: (403, "permission_denied"),
    exceptions.NotFound: (404, "not_found"),
    exceptions.MethodNotAllowed: (405, "method_not_allowed"),
    exceptions.UnsupportedMediaType: (415, "unsupported_media_type"),
    exceptions.NotAcceptable: (406, "not_acceptable"),
    exceptions.Throttled: (429, "rate_limited"),
    exceptions.ParseError: (400, "invalid"),
}


def problem(
    status: int,
    code: str,
    *,
    detail: str = "",
    errors: list[FieldError] | None = None,
    retry_after: int | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Make a problem document; message is fit to show a cashier, detail is for developers."""
    title, english, swahili = PROBLEMS[code]
    document: dict[str, Any] = {
        "type": f"{TYPE_BASE}{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail or english,
        "errors": [{"field": f, "code": c, "detail": d} for f, c, d in errors or []],
        "message": {"en": english, "sw": swahili},
        **extra,
    }
    if retry_after is not None:
        document["retry_after"] = retry_after
    return document


def problem_response(
    status: int, code: str, *, request: HttpRequest | None = None, **fields: Any
) -> JsonResponse:
    """Answer with a problem where no DRF view is at work: short chains, 404 and 500 handlers."""
    del request
    document = problem(status, code, **fields)
    return JsonResponse(
        document, status=status, content_type=CONTENT_TYPE, headers=_headers(document)
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 404: a problem below /api/, a page elsewhere."""
    if request.path_info.startswith("/api/"):
        return problem_response(404, "not_found", request=request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer 500: a problem below /api/, a page elsewhere."""
    if request.path_info.startswith("/api/"):
        return problem_response(500, "unavailable", request=request)
    return defaults.server_error(request)


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into a problem; let what nobody anticipated rise as a 500."""
    document = _document_of(error)
    if document is None:
        logger.error("unhandled error in the API", exc_info=error)
        document = problem(500, "unavailable")
    if not _may_see_routing(context["view"]):
        document.pop("resolution", None)
    set_rollback()
    headers = _headers(document)
    if document["status"] == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="malipo"'
    if isinstance(error, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return Response(document, status=document["status"], headers=headers, content_type=CONTENT_TYPE)


def _may_see_routing(view: Any) -> bool:
    """Tell whether the caller may know which configs the shop has, and why each was not chosen."""
    key = getattr(view.request, "auth", None)
    return key is not None and may(key.role, Action.VIEW_EVENTS)


def _document_of(error: Exception) -> dict[str, Any] | None:
    if isinstance(error, PaymentsError):
        errors = error.errors if isinstance(error, InvalidInput) else None
        return problem(
            error.status,
            error.code,
            detail=error.detail,
            errors=errors,
            retry_after=error.retry_after,
            **error.data,
        )
    if isinstance(error, exceptions.ValidationError):
        return problem(400, "invalid", errors=field_errors(error.detail))
    if isinstance(error, exceptions.APIException):
        return _framework_problem(error)
    if isinstance(error, Http404):
        return problem(404, "not_found")
    if isinstance(error, PermissionDenied):
        return problem(403, "permission_denied")
    if isinstance(error, SuspiciousOperation):
        return problem(400, "invalid")
    if isinstance(error, OperationalError):
        return problem(503, "unavailable", retry_after=5)
    return None


def _framework_problem(error: exceptions.APIException) -> dict[str, Any]:
    status, code = next(
        (row for kind, row in _FRAMEWORK.items() if isinstance(error, kind)),
        (error.status_code, "unavailable" if error.status_code >= 500 else "invalid"),
    )
    if error.status_code == 413:
        status, code = 413, "too_large"
    wait = getattr(error, "wait", None)
    return problem(status, code, detail=str(error.detail), retry_after=int(wait) if wait else None)


def field_errors(detail: Any, path: str = "") -> list[FieldError]:
    """Flatten the framework's nested errors to (field, code, detail), fields dotted."""
    if isinstance(detail, dict):
        return [
            row
            for name, inner in detail.items()
            for row in field_errors(inner, f"{path}.{name}" if path else str(name))
        ]
    if isinstance(detail, list):
        return [row for inner in detail for row in field_errors(inner, path)]
    leaf: ErrorDetail = detail
    return [(path.removesuffix(".non_field_errors"), str(leaf.code), str(leaf))]


def _headers(document: dict[str, Any]) -> dict[str, str]:
    return {"Retry-After": str(document["retry_after"])} if "retry_after" in document else {}
