from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.choices import Environment
from tenants.ids import new_id
from tenants.roles import PLATFORM_ROLES, SHOP_ROLES, Action, Role, may
from tenants.scoping import ShopScopedModel, environment_field


class UserManager(BaseUserManager):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, platform_role=Role.SUPER_ADMIN, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """A person, known by email. Shop roles are memberships; a platform role sees all shops."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(_("email"), unique=True)
    name = models.CharField(_("name"), max_length=100, blank=True)
    platform_role = models.CharField(
        _("platform role"),
        max_length=12,
        blank=True,
        default="",
        choices=[(role.value, role.label) for role in PLATFORM_ROLES],
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ["email"]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_once_whatever_its_case"),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name.partition(" ")[0] or self.email.partition("@")[0]

    @cached_property
    def active_memberships(self) -> list[Membership]:
        """The memberships that count, read once a request."""
        rows = self.memberships.filter(is_active=True, shop__is_active=True)
        return list(rows.select_related("shop").prefetch_related("branches").order_by("created_at"))

    def role_in(self, shop_id: Any) -> str:
        """Return the role in this shop, the platform role for staff, or "" for a stranger."""
        if self.platform_role:
            return self.platform_role
        return next((m.role for m in self.active_memberships if m.shop_id == shop_id), "")

    @property
    def roles(self) -> set[str]:
        platform = {self.platform_role} if self.platform_role else set()
        return platform | {membership.role for membership in self.active_memberships}

    def may_anywhere(self, action: Action) -> bool:
        return any(may(role, action) for role in self.roles)

    # What the admin framework asks. Our own admins answer from the matrix (tenants/admin_base.py);
    # these serve the admins of libraries, which only platform admins may open.
    @property
    def is_staff(self) -> bool:
        return self.is_active and bool(self.roles)

    @property
    def is_superuser(self) -> bool:
        return self.is_active and self.platform_role == Role.SUPER_ADMIN

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_superuser

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_superuser or app_label in {"tenants", "payments", "audit", "reconciliation"}


class Shop(models.Model):
    """The tenant."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("slug"), max_length=50, unique=True)
    is_active = models.BooleanField(_("active"), default=True)
    two_people_above = models.DecimalField(
        _("two people decide above"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Reviews of a larger amount (KES) are resolved by two people."),
    )
    # Whom the platform turns to; told at registration, kept up by the shop itself.
    owner_name = models.CharField(_("owner"), max_length=100, blank=True)
    business_type = models.CharField(
        _("business"), max_length=60, blank=True, help_text=_("What it sells: groceries, rent …")
    )
    contact_email = models.EmailField(_("contact e-mail"), blank=True)
    contact_phone = models.CharField(
        _("contact phone"),
        max_length=20,
        blank=True,
        validators=[
            RegexValidator(r"^\+?[0-9][0-9 ]{7,18}\Z", _("Give a phone number like 0712 345 678."))
        ],
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("shop")
        verbose_name_plural = _("shops")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ShopSettings(Shop):
    """The same row with a page for the shop's own admins: what they decide of it, and no more."""

    class Meta:
        proxy = True
        verbose_name = _("shop setting")
        verbose_name_plural = _("shop settings")


class Branch(ShopScopedModel):
    """A place where a shop sells."""

    code = models.CharField(
        _("code"), max_length=20, validators=[RegexValidator(r"^[A-Za-z0-9_-]+\Z")]
    )
    name = models.CharField(_("name"), max_length=100)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("branch")
        verbose_name_plural = _("branches")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "code"], name="branch_code_once_a_shop")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class Membership(ShopScopedModel):
    """One person's role in one shop; without branches it covers them all."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(
        _("role"), max_length=12, choices=[(role.value, role.label) for role in SHOP_ROLES]
    )
    branches = models.ManyToManyField(
        Branch, blank=True, related_name="+", verbose_name=_("branches")
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        ordering = ["created_at"]
        constraints = [models.UniqueConstraint(fields=["shop", "user"], name="member_once_a_shop")]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}, {self.shop}"

    @property
    def branch_ids(self) -> list[Any]:
        return [branch.pk for branch in self.branches.all()]


class ApiKey(ShopScopedModel):
    """
    A till's key: `mlp_<test|live>_<prefix>_<secret>`, shown once, kept as SHA-256.

    Plain SHA-256 suffices for a secret of 256 random bits: there is nothing to guess.
    """

    environment = environment_field()
    branch = models.ForeignKey(
        Branch, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    role = models.CharField(
        _("role"), max_length=12, choices=[(role.value, role.label) for role in SHOP_ROLES]
    )
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.display_prefix}…)"

    @property
    def display_prefix(self) -> str:
        return (
            f"mlp_{'live' if self.environment == Environment.PRODUCTION else 'test'}_{self.prefix}"
        )

    def is_usable(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def matches(self, secret: str) -> bool:
        return hmac.compare_digest(self.secret_hash, hash_secret(secret))


class SupportAccess(ShopScopedModel):
    """A shop lets platform support look at its masked data until a time, or until it says stop."""

    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    granted_at = models.DateTimeField(_("granted"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("ends"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("support access")
        verbose_name_plural = _("support access")
        ordering = ["-granted_at"]
        indexes = [models.Index(fields=["shop", "expires_at"], name="support_access_shop")]

    def __str__(self) -> str:
        return f"{self.shop} {self.expires_at:%Y-%m-%d %H:%M}"


class RateWindow(models.Model):
    """How often something was done in its current minute. Unlogged: it may vanish in a crash."""

    key = models.CharField(primary_key=True, max_length=120)
    started_at = models.DateTimeField()
    used = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
