from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.admin_base import ReasonedModelForm
from tenants.models import ApiKey, Branch, Membership, User


class BranchForm(ReasonedModelForm):
    class Meta:
        model = Branch
        fields = ["shop", "name", "code", "is_active"]
        labels = {"shop": gettext_lazy("Shop")}


class MemberForm(ReasonedModelForm):
    """A member's role and branches."""

    class Meta:
        model = Membership
        fields = ["role", "branches"]
        help_texts = {"branches": gettext_lazy("None chosen: all branches of the shop.")}
        widgets = {"branches": forms.CheckboxSelectMultiple}

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        shop = given.get("shop") or getattr(self.instance, "shop", None)
        if shop and any(branch.shop_id != shop.pk for branch in given.get("branches") or ()):
            self.add_error("branches", _("A branch belongs to another shop."))
        return given


class MemberInviteForm(MemberForm):
    """Who joins a shop: an email is enough."""

    email = forms.EmailField(
        label=gettext_lazy("Email"),
        help_text=gettext_lazy("Who is new gets a link to set a password."),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, required=False)

    class Meta(MemberForm.Meta):
        fields = ["shop", "role", "branches"]
        labels = {"shop": gettext_lazy("Shop")}

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        members = Membership.objects.filter(
            shop=given.get("shop"), user__email=given.get("email", "").lower()
        )
        if given.get("shop") and members.exists():
            self.add_error("email", _("Already a member: change the role there."))
        return given


class ApiKeyForm(ReasonedModelForm):
    class Meta:
        model = ApiKey
        fields = ["shop", "name", "environment", "role", "branch", "expires_at"]
        labels = {
            "shop": gettext_lazy("Shop"),
            "branch": gettext_lazy("Branch"),
            "environment": gettext_lazy("Environment"),
        }
        help_texts = {
            "name": gettext_lazy("Which till or system it is for."),
            "environment": gettext_lazy("A sandbox key never touches production, and the reverse."),
            "branch": gettext_lazy("None: all branches of the shop."),
            "expires_at": gettext_lazy("None: until it is revoked."),
        }

    def clean_expires_at(self) -> datetime | None:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError(_("This is in the past."))
        return expires_at

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        branch, shop = given.get("branch"), given.get("shop")
        if branch and shop and branch.shop_id != shop.pk:
            self.add_error("branch", _("A branch belongs to another shop."))
        return given


class UserForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["email", "name", "platform_role", "is_active"]
        help_texts = {
            "platform_role": gettext_lazy("Empty for people of shops: theirs are memberships."),
        }

    def clean_email(self) -> str:
        return self.cleaned_data["email"].lower()
