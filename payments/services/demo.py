"""
Two shops to try the product with: people, keys, configs. For DEBUG alone.

Passwords and keys are derived from SECRET_KEY, so that seeding again changes nothing and prints
the same; nothing here would work on another installation.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.actors import Actor
from payments.choices import ConfigStatus, Environment, Provider, VerificationResult
from payments.models import PaymentConfig
from payments.services import configs
from payments.services.config_moves import move_config
from payments.services.config_rules import ConfigFields
from tenants import services as tenants
from tenants.models import ApiKey, Branch, Membership, Shop, User, hash_secret
from tenants.roles import SHOP_ROLES, Role

ACTOR = Actor.system("seed_demo")
_DOMAIN = "malipo.example"


@dataclass(frozen=True)
class DemoConfig:
    """One account of a demo shop; branch is a branch's code, or "" for the whole shop."""

    name: str
    provider: str
    shortcode: str
    store_number: str = ""
    branch: str = ""
    account_prefix: str = ""
    is_default: bool = False
    has_initiator: bool = False


@dataclass(frozen=True)
class DemoShop:
    """One demo shop."""

    slug: str
    name: str
    branches: tuple[tuple[str, str], ...]
    configs: tuple[DemoConfig, ...] = field(default_factory=tuple)


SHOPS = (
    DemoShop(
        "duka-la-njeri",
        "Duka la Njeri",
        (("WEST", "Westlands"), ("CBD", "Moi Avenue")),
        (
            DemoConfig(
                "Main paybill",
                Provider.MPESA_PAYBILL,
                "600100",
                is_default=True,
                has_initiator=True,
            ),
            DemoConfig("Westlands till", Provider.MPESA_TILL, "5200101", "600996", branch="WEST"),
        ),
    ),
    DemoShop(
        "soko-mart",
        "Soko Mart",
        (("KSM", "Kisumu"),),
        (DemoConfig("Soko till", Provider.MPESA_TILL, "5200202", "600997", is_default=True),),
    ),
)
PLATFORM_PEOPLE = (
    ("platform", "Platform Admin", Role.SUPER_ADMIN),
    ("support", "Support Desk", Role.SUPPORT),
)


@transaction.atomic
def seed_demo(*, now: datetime) -> dict[str, Any]:
    """Make what is missing and return logins, keys and shops as api.md (Commands) describes."""
    shops = [_shop(demo, now=now) for demo in SHOPS]
    logins = [_platform_login(*person) for person in PLATFORM_PEOPLE]
    logins += [_login(shop, role) for shop in shops for role in SHOP_ROLES]
    return {
        "base_url": settings.PUBLIC_BASE_URL,
        "admin": logins,
        "api_keys": {shop.slug: _keys(shop) for shop in shops},
        "shops": [_described(shop) for shop in shops],
    }


def _shop(demo: DemoShop, *, now: datetime) -> Shop:
    shop = Shop.objects.filter(slug=demo.slug).first()
    shop = shop or tenants.create_shop(name=demo.name, slug=demo.slug)
    branches = {code: _branch(shop, code, name) for code, name in demo.branches}
    for config in demo.configs:
        if not PaymentConfig.objects.filter(shop=shop, shortcode=config.shortcode).exists():
            _config(shop, config, branches.get(config.branch), now=now)
    return shop


def _branch(shop: Shop, code: str, name: str) -> Branch:
    found = Branch.objects.filter(shop=shop, code=code).first()
    return found or tenants.add_branch(shop=shop, code=code, name=name)


def _config(shop: Shop, demo: DemoConfig, branch: Branch | None, *, now: datetime) -> None:
    """Make a config of the simulator, verified by word: there is nobody to prove anything to."""
    names = ("name", "provider", "shortcode", "store_number", "account_prefix")
    secrets = ("consumer_key", "consumer_secret", "passkey")
    initiator = ("initiator_name", "initiator_password") if demo.has_initiator else ()
    config = configs.create_config(
        shop=shop,
        environment=Environment.SANDBOX,
        fields=ConfigFields(branch=branch, **{name: getattr(demo, name) for name in names}),
        credentials={
            name: f"demo-{demo.shortcode}-{_derived('credential', demo.shortcode, name)[:24]}"
            for name in (*secrets, *initiator)
        },
        actor=ACTOR,
        now=now,
    )
    move_config(config=config, to=ConfigStatus.PENDING, now=now)
    move_config(
        config=config,
        to=ConfigStatus.VERIFIED,
        now=now,
        verified_at=now,
        verified_by=ACTOR.label,
        last_tested_at=now,
        last_test_result=VerificationResult.SUCCESS,
    )
    configs.activate_config(config=config, actor=ACTOR, now=now)
    if demo.is_default:
        configs.set_default_config(config=config, actor=ACTOR, now=now)


def _platform_login(name: str, title: str, role: str) -> dict[str, Any]:
    user, password = _user(f"{name}@{_DOMAIN}", title)
    User.objects.filter(pk=user.pk).update(platform_role=role)
    return {"email": user.email, "password": password, "role": str(role), "shop": None}


def _login(shop: Shop, role: str) -> dict[str, Any]:
    user, password = _user(f"{role}@{shop.slug}.example", f"{shop.name} {role}")
    if not Membership.objects.filter(user=user, shop=shop).exists():
        first_branch = list(Branch.objects.filter(shop=shop).order_by("created_at")[:1])
        branches = first_branch if role == Role.CASHIER else []
        tenants.grant_role(user=user, shop=shop, role=role, branches=branches)
    return {"email": user.email, "password": password, "role": str(role), "shop": shop.slug}


def _user(email: str, name: str) -> tuple[User, str]:
    password = f"demo-{_derived('password', email)[:12]}"
    user = User.objects.filter(email=email).first()
    if user is None or not user.check_password(password):
        user = user or User(email=email, name=name)
        user.set_password(password)
        user.save()
    return user, password


def _keys(shop: Shop) -> dict[str, str]:
    branch = Branch.objects.filter(shop=shop).order_by("created_at").first()
    wanted = [(str(role), role, None) for role in SHOP_ROLES]
    wanted.append(("branch_cashier", Role.CASHIER, branch))
    return {name: _key(shop, name, role, bound) for name, role, bound in wanted}


def _key(shop: Shop, name: str, role: str, branch: Branch | None) -> str:
    """Make the key if it is missing; unlike every other, it can be shown again."""
    prefix = _derived("key prefix", shop.slug, name)[:12]
    secret = _derived("key secret", shop.slug, name)
    key, _created = ApiKey.objects.get_or_create(
        prefix=prefix,
        defaults={
            "shop": shop,
            "branch": branch,
            "name": f"Demo {name}",
            "role": role,
            "environment": Environment.SANDBOX,
            "secret_hash": hash_secret(secret),
        },
    )
    return f"{key.display_prefix}_{secret}"


def _described(shop: Shop) -> dict[str, Any]:
    branches = Branch.objects.filter(shop=shop).order_by("created_at")
    return {
        "id": str(shop.pk),
        "slug": shop.slug,
        "name": shop.name,
        "branches": [{"id": str(b.pk), "code": b.code, "name": b.name} for b in branches],
    }


def _derived(*parts: str) -> str:
    message = "\0".join(("malipo demo", *parts)).encode()
    return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).hexdigest()
