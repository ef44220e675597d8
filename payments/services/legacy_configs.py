"""
What the systems before this one kept about M-Pesa accounts, read into drafts.

Three shapes are known, each by a name no other has: a shop's embedded `mpesaConfig` (S0-13), a
merchant's `mpesa_till_number` (S1-23) and a tenant's six `mpesa…` fields (S4-40). To add one: a
row in SHAPES. Secrets go straight into a sealed credential version; no message repeats a value.
What such a system called verified was verified by nobody we know, so everything lands as a draft.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.text import slugify
from django.views.decorators.debug import sensitive_variables

from audit.actors import Actor
from payments.choices import Environment, Provider
from payments.errors import DuplicateShortcode, InvalidInput, MissingStoreNumber, PaymentsError
from payments.services import configs
from payments.services.config_rules import ConfigFields
from tenants.models import Shop

Row = Mapping[str, Any]

IMPORTED, THERE_ALREADY, EMPTY, FAULTY = "imported", "there already", "empty", "faulty"
OUTCOMES = (IMPORTED, THERE_ALREADY, EMPTY, FAULTY)
_SHOP_NAMES = ("slug", "shopSlug", "shop_slug", "subdomain", "shop", "name", "business_name")
_STORE_NAMES = ("storeNumber", "store_number")
# Beside each of them the older system kept what it was sealed with; its key is not ours.
_SEALED_BESIDE = ("Iv", "Tag")


@dataclass
class Legacy:
    """One account of an older system, in our words."""

    provider: str
    shortcode: str
    name: str
    environment: str = ""
    account_prefix: str = ""
    store_number: str = ""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """What became of one row; detail and notes hold no secret."""

    number: int
    shop: str
    shortcode: str
    what: str
    detail: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """How rows of one older system are recognised and read."""

    name: str
    fits: Callable[[Row], bool]
    read: Callable[[Row], Legacy]


def _read_embedded(row: Row) -> Legacy:
    """Read S0-13: type, shortCode, keys, enabled, verificationStatus inside the shop."""
    old = row["mpesaConfig"]
    is_till = _text(old, "type") == "till"
    legacy = Legacy(
        provider=Provider.MPESA_TILL if is_till else Provider.MPESA_PAYBILL,
        shortcode=_text(old, "shortCode"),
        name=f"M-Pesa {_text(old, 'shortCode')}",
        account_prefix="" if is_till else _text(old, "accountPrefix"),
        store_number=_first(old, _STORE_NAMES),
    )
    names = {
        "consumer_key": "consumerKey",
        "consumer_secret": "consumerSecret",
        "passkey": "passkey",
    }
    _take_secrets(legacy, old, names)
    if str(old.get("enabled")).casefold() == "false":
        legacy.notes.append("It was switched off.")
    if was := _text(old, "verificationStatus"):
        legacy.notes.append(f"Its status was {was[:20]}; it must be verified again.")
    _note_callback(legacy, old, "callbackUrl")
    return legacy


def _read_merchant(row: Row) -> Legacy:
    """Read S1-23: a till number beside the merchant, and nothing else."""
    number = _text(row, "mpesa_till_number")
    return Legacy(
        provider=Provider.MPESA_TILL,
        shortcode=number,
        name="Legacy Channel",
        store_number=_first(row, _STORE_NAMES),
        notes=["It has no credentials yet."],
    )


def _read_tenant(row: Row) -> Legacy:
    """Read S4-40: six fields of the tenant; such an account was a paybill unless a store is named."""
    number, store = _text(row, "mpesaShortcode"), _first(row, _STORE_NAMES)
    legacy = Legacy(
        provider=Provider.MPESA_TILL if store else Provider.MPESA_PAYBILL,
        shortcode=number,
        name=f"M-Pesa {number}",
        environment=_text(row, "mpesaEnv") or Environment.PRODUCTION,
        store_number=store,
    )
    names = {
        "consumer_key": "mpesaConsumerKey",
        "consumer_secret": "mpesaConsumerSecret",
        "passkey": "mpesaPasskey",
    }
    _take_secrets(legacy, row, names)
    _note_callback(legacy, row, "mpesaCallbackUrl")
    return legacy


SHAPES: tuple[Shape, ...] = (
    Shape("embedded", lambda row: _has_account(row.get("mpesaConfig")), _read_embedded),
    Shape("tenant", lambda row: bool(_text(row, "mpesaShortcode")), _read_tenant),
    Shape("merchant", lambda row: bool(_text(row, "mpesa_till_number")), _read_merchant),
)


@sensitive_variables()
def import_rows(
    rows: list[Row],
    *,
    shop: Shop | None,
    environment: str,
    store_numbers: Mapping[str, str],
    dry_run: bool,
    actor: Actor,
    now: datetime,
) -> list[Report]:
    """
    Make a draft of every row, or tell what stands in the way; a faulty row changes nothing.

    A row without a shop of its own goes to shop. environment counts where a row names none;
    store_numbers has those of tills, which no older system kept, by till number.
    """
    reports: list[Report] = []
    given: dict[str, Any] = {"shop": shop, "environment": environment, "stores": store_numbers}
    with transaction.atomic():
        for number, row in enumerate(rows, start=1):
            reports.append(_import(number, row, **given, actor=actor, now=now))
        if dry_run or any(report.what == FAULTY for report in reports):
            transaction.set_rollback(True)
    return reports


@sensitive_variables()
def _import(
    number: int,
    row: Row,
    *,
    shop: Shop | None,
    environment: str,
    stores: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> Report:
    shape = next((shape for shape in SHAPES if shape.fits(row)), None)
    if shape is None:
        return Report(number, "", "", EMPTY, "It has no M-Pesa account of a known shape.")
    legacy = shape.read(row)
    owner = shop or _shop_of(row)
    if owner is None:
        detail = "No shop has this slug or name; name one with --shop."
        return Report(number, "", legacy.shortcode, FAULTY, detail)
    legacy.store_number = legacy.store_number or stores.get(legacy.shortcode, "")
    what, detail = _make(legacy, owner, legacy.environment or environment, actor=actor, now=now)
    return Report(number, owner.slug, legacy.shortcode, what, detail, tuple(legacy.notes))


@sensitive_variables()
def _make(
    legacy: Legacy, shop: Shop, environment: str, *, actor: Actor, now: datetime
) -> tuple[str, str]:
    if environment not in Environment.values:
        return FAULTY, f"Its environment is neither {' nor '.join(Environment.values)}."
    fields = ConfigFields(
        name=legacy.name,
        provider=legacy.provider,
        shortcode=legacy.shortcode,
        store_number=legacy.store_number,
        account_prefix=legacy.account_prefix,
    )
    try:
        with transaction.atomic():
            configs.create_config(
                shop=shop,
                environment=environment,
                fields=fields,
                credentials=legacy.secrets,
                actor=actor,
                now=now,
            )
    except DuplicateShortcode:
        return THERE_ALREADY, "The shop has this shortcode."
    except MissingStoreNumber:
        return FAULTY, "A till needs its store number: give it with --store-number TILL=STORE."
    except PaymentsError as error:
        return FAULTY, _said(error)
    return IMPORTED, "As a draft, to be verified."


def _said(error: PaymentsError) -> str:
    """Name fields and reasons; the services' words never repeat a value."""
    if isinstance(error, InvalidInput) and error.errors:
        return " ".join(f"{name}: {detail}" for name, _code, detail in error.errors)
    return error.detail


def _shop_of(row: Row) -> Shop | None:
    """Find the shop by its slug, or by what its name would be as one."""
    for name in _SHOP_NAMES:
        if text := _text(row, name):
            found = Shop.objects.filter(slug=slugify(text)).first()
            if found is not None:
                return found
    return None


@sensitive_variables()
def _take_secrets(legacy: Legacy, old: Row, names: Mapping[str, str]) -> None:
    for name, old_name in names.items():
        if _is_sealed(old, old_name):
            legacy.notes.append(f"{name} was encrypted with a key that is not ours: type it in.")
        elif value := _text(old, old_name):
            legacy.secrets[name] = value
        else:
            legacy.notes.append(f"{name} is missing: type it in.")


def _is_sealed(old: Row, name: str) -> bool:
    return isinstance(old.get(name), Mapping) or any(
        _text(old, f"{name}{ending}") for ending in _SEALED_BESIDE
    )


def _has_account(old: Any) -> bool:
    return isinstance(old, Mapping) and bool(_text(old, "shortCode"))


def _note_callback(legacy: Legacy, old: Row, name: str) -> None:
    if _text(old, name):
        legacy.notes.append("Its callback address is not taken over: Malipo makes its own.")


def _first(row: Row, names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := _text(row, name))), "")


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return str(value).strip() if isinstance(value, str | int) and value is not True else ""
