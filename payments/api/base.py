"""What all views of the API share: who asks, in which world, and how strictly he is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.views import APIView

from audit.actors import Actor
from payments.api.fields import OwnWorldSerializer, StrictSerializer
from payments.api.pagination import NewestFirst

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable
    from datetime import datetime

    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.response import Response

    from tenants.models import ApiKey, Shop
    from tenants.roles import Action

_PAGING = frozenset({"limit", "cursor"})


class OnlyJSON(BaseContentNegotiation):
    """Answer in JSON whatever was asked for: a wrong Accept header must not cost a sale."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class NoFilters(OwnWorldSerializer):
    """The query of a view that has none."""


class MalipoView(APIView):
    """
    One resource. `actions` names what each method needs in the access matrix; without it, 403.

    `filters` reads the query of GET, and an unknown parameter is an error; `delete_query` that of
    DELETE, which has no body everywhere; `is_list` adds limit and cursor. Order of the checks: key, rate, role, query, then the object.
    """

    actions: ClassVar[dict[str, Action]] = {}
    filters: ClassVar[type[StrictSerializer]] = NoFilters
    delete_query: ClassVar[type[StrictSerializer]] = NoFilters
    is_list: ClassVar[bool] = False
    http_method_names = ("get", "post", "put", "patch", "delete")
    content_negotiation_class = OnlyJSON

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.now: datetime = timezone.now()
        self.query: dict[str, Any] = self._read_query(request)

    def check_permissions(self, request: Request) -> None:
        """Count the call before the role is looked at: what is refused was asked all the same."""
        if request.auth is not None:
            super().check_throttles(request)
        super().check_permissions(request)

    def check_throttles(self, request: Request) -> None:
        """Count nothing a second time."""

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @property
    def key(self) -> ApiKey:
        return self.request.auth  # type: ignore[return-value]

    @property
    def shop(self) -> Shop:
        return self.key.shop

    @property
    def environment(self) -> str:
        return self.key.environment

    @property
    def branch_id(self) -> uuid.UUID | None:
        """The branch the key is bound to, if it is."""
        return self.key.branch_id

    @property
    def actor(self) -> Actor:
        return Actor.from_api_key(self.key, self.request._request)  # noqa: SLF001 - DRF's own way

    def read(self, serializer_class: type[StrictSerializer], *, partial: bool = False) -> dict:
        """Return the checked body."""
        serializer = serializer_class(
            data=self.request.data, partial=partial, context={"key": self.key}
        )
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def page(
        self,
        rows: QuerySet,
        represent: Callable[[list[Any]], Any],
        *,
        newest_by: str = "created_at",
    ) -> Response:
        """
        Answer one page of rows; represent turns a list of them into data.

        newest_by names the time they are in the order of: a filter by another time than that of
        their creation is only fast in its own order.
        """
        paginator = NewestFirst()
        paginator.ordering = (f"-{newest_by}", "-id")
        found = paginator.paginate_queryset(rows, self.request, view=self)
        return paginator.get_paginated_response(represent(list(found or [])))

    def _read_query(self, request: Request) -> dict[str, Any]:
        if not request.META.get("QUERY_STRING"):
            return {}  # no filter is required, and polls send none
        repeated = [name for name, values in request.query_params.lists() if len(values) > 1]
        if repeated:
            raise ValidationError({repeated[0][:64]: ["Give it once."]}, code="repeated")
        skipped = _PAGING if self.is_list else frozenset()
        given = {name: value for name, value in request.query_params.items() if name not in skipped}
        readers = {"GET": self.filters, "DELETE": self.delete_query}
        serializer = readers.get(request.method or "", NoFilters)(
            data=given, context={"key": self.key}
        )
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)
