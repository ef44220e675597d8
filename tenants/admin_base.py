"""The admin of a row that belongs to a shop: own rows only, and seeing is not doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants import support
from tenants.admin_access import (
    Fence,
    fence_of,
    grant_in,
    is_bound,
    memberships_with,
    rows_for,
    shops_with,
)
from tenants.admin_actions import REASON_LENGTH, ObjectActionsMixin
from tenants.admin_looks import NONE
from tenants.admin_paging import CappedPaginator
from tenants.models import Shop
from tenants.roles import Action, Grant, grant, may
from tenants.scoping import ShopScopedModel
from tenants.signals import By

if TYPE_CHECKING:
    from django.db.models import Field, Model, QuerySet
    from django.http import HttpRequest

# What the links of Django's own filters say after the name of a column.
_HOW_FILTERS_ASK = frozenset({"", "exact", "id__exact", "isnull", "gte", "lt"})


def reason_field(*, required: bool) -> forms.CharField:
    return forms.CharField(
        label=_("Reason"),
        required=required,
        max_length=REASON_LENGTH,
        help_text=_("Kept with your name."),
    )


def _filtered_by(each: Any) -> str:
    """Return the parameter a row of list_filter answers to."""
    if isinstance(each, str):
        return each
    return each[0] if isinstance(each, tuple) else each.parameter_name


def sees_several_shops(request: HttpRequest) -> bool:
    """Tell whether a list needs a column for the shop."""
    return bool(request.user.platform_role) or len(request.user.active_memberships) > 1


class ReasonedModelForm(forms.ModelForm):
    """A form that may ask why; the field is shown to those whose grant is "with reason"."""

    reason = reason_field(required=False)


class BackOfficeAdmin(admin.ModelAdmin):
    """What all our pages share."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: rows with a history are switched off, revoked or soft-deleted by a button."""
        return False

    def _get_obj_does_not_exist_redirect(self, *args: Any) -> NoReturn:
        # One answer for a foreign row and for none.
        raise Http404

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Offer one way to save: the other two are clutter on a phone."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Allow the filters on the page alone: any other look-up is a way to guess a column."""
        name, _separator, how = lookup.partition("__")
        return name in map(_filtered_by, self.list_filter) and how in _HOW_FILTERS_ASK

    # What is done is on the audit trail (tenants/signals.py and the services), with its reason;
    # a second, shorter story in Django's own log would only differ from it.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Write nothing."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Write nothing."""

    def by(self, request: HttpRequest, reason: str = "") -> By:
        return By.request_of(request, reason)


class PlatformModelAdmin(ObjectActionsMixin, BackOfficeAdmin):
    """For rows of the whole platform: platform admins only."""

    view_action = Action.OPERATE_PLATFORM
    change_action: Action | None = Action.OPERATE_PLATFORM
    add_action: Action | None = Action.OPERATE_PLATFORM

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, self.view_action)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, self.view_action)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request, self.add_action)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, self.change_action)

    def may_do(self, request: HttpRequest, action: Action, obj: Model) -> bool:
        return self._may(request, action)

    def grant_on(self, request: HttpRequest, action: Action, obj: Model) -> Grant:
        return grant(request.user.platform_role, action)

    def get_permitted(self, request: HttpRequest, pk: Any, action: Action) -> Any:
        """Return the row, or answer 404 or 403."""
        obj = self.get_object(request, unquote(str(pk)))
        if obj is None or not self._may(request, self.view_action):
            raise Http404
        if not self._may(request, action):
            raise PermissionDenied
        return obj

    def _may(self, request: HttpRequest, action: Action | None) -> bool:
        user = request.user
        return action is not None and user.is_active and may(user.platform_role, action)


class ShopScopedModelAdmin(ObjectActionsMixin, BackOfficeAdmin):
    """
    Rows of the shops where this person's role may do view_action, and of no other.

    What may be done with one is asked of the role in *that row's* shop: an admin of one shop who
    is a manager in another changes rows of the first only.
    """

    view_action: Action
    add_action: Action | None = None
    change_action: Action | None = None
    fence = Fence()
    form = ReasonedModelForm

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = rows_for(request.user, self.view_action, self.fence, now=timezone.now())
        return super().get_queryset(request).filter(rows)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the row, or None; what support opens is told to the row's shop."""
        obj = super().get_object(request, object_id, from_field)
        if obj is not None and not hasattr(request, "read_was_told"):
            request.read_was_told = True
            support.note_read(
                request, obj, shop_id=self.shop_id_of(obj), page=request.resolver_match.url_name
            )
        return obj

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        response = super().changelist_view(request, extra_context)
        if support.is_support(request.user) and hasattr(response, "context_data"):
            self._tell_list_read(request, response.context_data.get("cl"))
        return response

    def shop_id_of(self, obj: Any) -> Any:
        return obj.shop_id

    def grant_on(self, request: HttpRequest, action: Action, obj: Model) -> Grant:
        return grant_in(request.user.role_in(self.shop_id_of(obj)), action, obj)

    def may_do(self, request: HttpRequest, action: Action | None, obj: Model) -> bool:
        if action is None or not request.user.is_active:
            return False
        return self.grant_on(request, action, obj) is not Grant.NO

    def get_permitted(self, request: HttpRequest, pk: Any, action: Action) -> Any:
        """Return the row; 404 when it is out of sight, 403 when the role there may not act."""
        obj = self.get_object(request, unquote(str(pk)))
        if obj is None:
            raise Http404
        if not self.may_do(request, action, obj):
            raise PermissionDenied
        return obj

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may_anywhere(request, self.view_action)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if obj is None:
            return self._may_anywhere(request, self.view_action)
        return self.may_do(request, self.view_action, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if obj is None:
            return self._may_anywhere(request, self.change_action)
        return self.may_do(request, self.change_action, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        user = request.user
        if self.add_action is None or not user.is_active:
            return False
        if user.platform_role:
            return may(user.platform_role, self.add_action)
        return any(
            self.fence.branch or not membership.branch_ids
            for membership in memberships_with(user, self.add_action)
        )

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if self.asks_reason(request, obj):
            fieldsets.append((None, {"fields": ["reason"]}))
        return fieldsets

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [name for name in super().get_fields(request, obj) if name != "reason"]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        required = {"reason": reason_field(required=True)}
        return type(form)(
            form.__name__, (form,), required if self.asks_reason(request, obj) else {}
        )

    def asks_reason(self, request: HttpRequest, obj: Model | None) -> bool:
        """Tell whether this person changes, or adds, only with a reason."""
        if obj is None:
            return self._role_adds_with_reason(request)
        action = self.change_action
        return action is not None and self.grant_on(request, action, obj) is Grant.WITH_REASON

    def formfield_for_foreignkey(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        choices = kwargs.setdefault("queryset", self.choices_for(db_field, request))
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.remote_field.model is Shop and not sees_several_shops(request):
            field.initial, field.empty_label = choices.first(), None
        return field

    def formfield_for_manytomany(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault("queryset", self.choices_for(db_field, request))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def choices_for(self, db_field: Field, request: HttpRequest) -> QuerySet:
        """Offer only what this person may point at; another shop's names are not shown."""
        related = db_field.remote_field.model
        action = self.add_action or self.change_action or self.view_action
        if related is Shop:
            return shops_with(request.user, action)
        if not issubclass(related, ShopScopedModel):
            return related.objects.none()
        rows = rows_for(request.user, action, fence_of(related), now=timezone.now())
        return related.objects.filter(rows)

    # Django links a read-only relation whether or not one may open it; these are plain words.
    @admin.display(description=_("shop"))
    def shown_shop(self, obj: Any) -> str:
        return str(obj.shop)

    @admin.display(description=_("branch"))
    def shown_branch(self, obj: Any) -> str:
        return str(obj.branch) if obj.branch else NONE

    def is_bound_in(self, request: HttpRequest, shop_id: Any) -> bool:
        return is_bound(request.user, shop_id)

    def _may_anywhere(self, request: HttpRequest, action: Action | None) -> bool:
        user = request.user
        return action is not None and user.is_active and user.may_anywhere(action)

    def _tell_list_read(self, request: HttpRequest, changelist: Any) -> None:
        """Tell the shops whose rows stand in the list, masked or with their status alone."""
        seen = grant(request.user.platform_role, self.view_action)
        if changelist and seen in {Grant.MASKED, Grant.STATUS_ONLY}:
            shop_ids = [self.shop_id_of(row) for row in changelist.result_list]
            page = request.resolver_match.url_name
            support.note_list_read(request, shop_ids, page=page)

    def _role_adds_with_reason(self, request: HttpRequest) -> bool:
        if self.add_action is None:
            return False
        return grant(request.user.platform_role, self.add_action) is Grant.WITH_REASON
