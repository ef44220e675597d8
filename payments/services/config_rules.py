"""
What a payment config of each provider consists of, as data, and the check of it.

To add a provider: one row in RULES. What a row does not name is refused, so that a passkey typed
into a card's form is told, not stored. Messages name fields and reasons, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from payments.choices import Environment, Provider
from payments.errors import InvalidInput, MissingStoreNumber
from payments.models import PaymentConfig
from payments.models.configs import HIGHEST_AMOUNT
from payments.references import MAX_PREFIX_LENGTH
from tenants.models import Branch

FieldError = tuple[str, str, str]

MAX_PURPOSES = 20
MAX_SECRET_LENGTH = 512
HIGHEST_PRIORITY = 32_767
C2B_VERSIONS = ("v1", "v2")
# What the column holds: fourteen digits, two of them cents.
HIGHEST_LIMIT = Decimal("999999999999.99")

_SHORT_NUMBER = re.compile(r"[0-9]{5,7}")
_ACCOUNT = re.compile(r"[A-Za-z0-9._/-]{1,20}")
_MERCHANT = re.compile(r"[A-Za-z0-9._-]{1,32}")
_PREFIX = re.compile(rf"[A-Za-z0-9]{{1,{MAX_PREFIX_LENGTH}}}")
_PURPOSE = re.compile(r"[a-z0-9_-]{1,32}")
_SECRET = re.compile(r"[!-~]+")
_SHORT_NUMBER_HINT = "Give the number of 5 to 7 digits."


@dataclass(frozen=True)
class ProviderRules:
    """
    What a provider's config has; a pattern of None means the field stays empty.

    has_accounts: whether payers type an account number the shop gives them, as for a paybill.
    """

    shortcode: re.Pattern[str]
    shortcode_hint: str
    required_secrets: frozenset[str]
    optional_secrets: frozenset[str] = frozenset()
    store_number: re.Pattern[str] | None = None
    account_number: re.Pattern[str] | None = None
    account_prefix: re.Pattern[str] | None = None
    has_accounts: bool = False

    @property
    def secrets(self) -> frozenset[str]:
        return self.required_secrets | self.optional_secrets


_DARAJA_SECRETS = frozenset({"consumer_key", "consumer_secret", "passkey"})
_INITIATOR = frozenset({"initiator_name", "initiator_password"})

RULES: dict[str, ProviderRules] = {
    Provider.MPESA_PAYBILL: ProviderRules(
        _SHORT_NUMBER,
        _SHORT_NUMBER_HINT,
        _DARAJA_SECRETS,
        _INITIATOR,
        account_prefix=_PREFIX,
        has_accounts=True,
    ),
    # The till is who is paid; the store (head office) number signs the request.
    Provider.MPESA_TILL: ProviderRules(
        _SHORT_NUMBER, _SHORT_NUMBER_HINT, _DARAJA_SECRETS, _INITIATOR, store_number=_SHORT_NUMBER
    ),
    Provider.AIRTEL_MONEY: ProviderRules(
        _MERCHANT,
        "Give the merchant id: letters, digits, dots and dashes.",
        frozenset({"client_id", "client_secret"}),
    ),
    # The shortcode is the bank's own paybill; the account number says whose money it is.
    Provider.BANK_TRANSFER: ProviderRules(
        _SHORT_NUMBER,
        "Give the bank's paybill of 5 to 7 digits.",
        frozenset(),
        frozenset({"api_key", "merchant_id"}),
        account_number=_ACCOUNT,
    ),
    Provider.CARD: ProviderRules(
        _MERCHANT,
        "Give the merchant's number: letters, digits, dots and dashes.",
        frozenset({"api_key", "merchant_id"}),
    ),
}


@dataclass(frozen=True)
class ConfigFields:
    """What a person edits; the defaults are what a full replacement puts where nothing is said."""

    name: str = ""
    provider: str = ""
    shortcode: str = ""
    store_number: str = ""
    account_number: str = ""
    account_prefix: str = ""
    branch: Branch | None = None
    priority: int = 0
    min_amount: Decimal = Decimal(1)
    max_amount: Decimal = HIGHEST_AMOUNT
    daily_limit: Decimal | None = None
    monthly_limit: Decimal | None = None
    purposes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] | None = None
    auto_activate: bool = False
    c2b_version: str = "v2"
    credentials_expire_on: date | None = None
    # Without an API nobody is asked: money is known by hand or by statement only.
    has_api: bool = True
    refuses_unknown_accounts: bool = False
    assigns_close_references: bool = False
    recheck_above: Decimal | None = None

    @classmethod
    def of(cls, config: PaymentConfig) -> ConfigFields:
        values = {field.name: getattr(config, field.name) for field in fields(cls)}
        return cls(**{**values, "purposes": tuple(config.purposes)})

    def put_into(self, config: PaymentConfig) -> None:
        if any(getattr(config, name) != getattr(self, name) for name in _ACCOUNT_FIELDS):
            # What was proven of the old account says nothing of the new one.
            config.proven_at = config.c2b_registered_at = None
            config.c2b_registration = {}
            config.pull_registered_at, config.pull_enabled = None, False
        for field in fields(self):
            setattr(config, field.name, getattr(self, field.name))
        config.purposes = list(dict.fromkeys(self.purposes))
        config.metadata = dict(self.metadata or {})


_ACCOUNT_FIELDS = ("provider", "shortcode", "store_number", "account_number", "has_api")
_NEEDS_ACCOUNTS = ("refuses_unknown_accounts", "assigns_close_references")
FIELD_NAMES = frozenset(field.name for field in fields(ConfigFields))


def check_fields(values: ConfigFields, *, shop_id: Any, environment: str = "") -> None:
    """
    Check what a person typed against the provider's row, and the environment's where it is given.

    :raises MissingStoreNumber: when a till has none, or has the till number in its place.
    :raises InvalidInput: with every error found.
    """
    errors = [*_general_errors(values, shop_id), *_amount_errors(values)]
    if values.auto_activate and environment == Environment.PRODUCTION:
        why = "In production a second person approves."
        errors.append(("auto_activate", "not_applicable", why))
    if values.c2b_version not in C2B_VERSIONS:
        errors.append(("c2b_version", "invalid_choice", "Choose v1 or v2."))
    rules = RULES.get(values.provider)
    if rules is None:
        errors.append(("provider", "invalid_choice", "This provider is not known."))
    else:
        errors.extend(_provider_errors(values, rules))
    if any(code == MissingStoreNumber.code for _field, code, _detail in errors):
        raise MissingStoreNumber(errors=errors)
    if errors:
        raise InvalidInput("The payment config is not valid.", errors=errors)


def clean_secrets(given: Mapping[str, str] | None, *, provider: str) -> dict[str, str]:
    """
    Return the secrets without the white space of copy and paste; an empty one is left out.

    :raises InvalidInput: for a name the provider does not have, or a value no secret has.
    """
    rules = RULES[provider]
    cleaned = {name: value.strip() for name, value in (given or {}).items()}
    errors = [
        error
        for name, value in cleaned.items()
        for error in _secret_errors(name, value, known=name in rules.secrets)
    ]
    if errors:
        raise InvalidInput("The credentials are not valid.", errors=errors)
    return {name: value for name, value in cleaned.items() if value}


def missing_secrets(names: Iterable[str], *, provider: str, has_api: bool = True) -> list[str]:
    """Name the secrets without which the provider cannot be asked; who asks nobody needs none."""
    return sorted(RULES[provider].required_secrets - set(names)) if has_api else []


def _general_errors(values: ConfigFields, shop_id: Any) -> list[FieldError]:
    errors: list[FieldError] = []
    if not values.name.strip() or len(values.name) > 100:
        errors.append(("name", "invalid", "Give a name of at most 100 characters."))
    # Another shop's branch looks as if it did not exist.
    if values.branch is not None and values.branch.shop_id != shop_id:
        errors.append(("branch", "does_not_exist", "There is no such branch."))
    if not 0 <= values.priority <= HIGHEST_PRIORITY:
        errors.append(("priority", "out_of_range", f"Give 0 to {HIGHEST_PRIORITY}."))
    if len(values.purposes) > MAX_PURPOSES:
        errors.append(("purposes", "too_many", f"Give at most {MAX_PURPOSES}."))
    if not all(_PURPOSE.fullmatch(purpose) for purpose in values.purposes):
        errors.append(("purposes", "invalid", "Use 1 to 32 of a-z, 0-9, _ and -."))
    return errors


def _amount_errors(values: ConfigFields) -> list[FieldError]:
    errors: list[FieldError] = []
    if not 1 <= values.min_amount <= HIGHEST_AMOUNT:
        errors.append(("min_amount", "out_of_range", f"Give 1 to {HIGHEST_AMOUNT}."))
    if not values.min_amount <= values.max_amount <= HIGHEST_AMOUNT:
        errors.append(
            (
                "max_amount",
                "out_of_range",
                f"Give the smallest amount or more, {HIGHEST_AMOUNT} or less.",
            )
        )
    errors.extend(
        (name, "out_of_range", "Give more than nothing, or leave it out.")
        for name in ("daily_limit", "monthly_limit")
        if (limit := getattr(values, name)) is not None and not 0 < limit <= HIGHEST_LIMIT
    )
    if values.recheck_above is not None and not 0 < values.recheck_above <= HIGHEST_AMOUNT:
        why = f"Give more than nothing and at most {HIGHEST_AMOUNT}, or leave it out."
        errors.append(("recheck_above", "out_of_range", why))
    return errors


def _provider_errors(values: ConfigFields, rules: ProviderRules) -> list[FieldError]:
    errors: list[FieldError] = []
    if not rules.shortcode.fullmatch(values.shortcode):
        errors.append(("shortcode", "invalid", rules.shortcode_hint))
    errors.extend(_store_number_errors(values, rules))
    errors.extend(_optional_errors("account_prefix", values, rules.account_prefix))
    errors.extend(_optional_errors("account_number", values, rules.account_number))
    if rules.account_number is not None and not values.account_number:
        errors.append(("account_number", "required", "Give the account at the bank."))
    if not rules.has_accounts:
        # A till's payers type no account: such a switch would turn all of them away.
        why = "Payers type no account number here."
        errors += [(n, "not_applicable", why) for n in _NEEDS_ACCOUNTS if getattr(values, n)]
    return errors


def _store_number_errors(values: ConfigFields, rules: ProviderRules) -> list[FieldError]:
    if rules.store_number is None or not values.store_number:
        errors = _optional_errors("store_number", values, rules.store_number)
        # It signs requests; where none is made, a till has no need of it.
        missing = rules.store_number is not None and values.has_api
    else:
        errors = _optional_errors("store_number", values, rules.store_number)
        # The commonest mistake: the till number typed twice. Daraja refuses it much later.
        missing = values.store_number == values.shortcode
    if missing:
        detail = "Give the till's store (head office) number; it is not the till number."
        errors.append(("store_number", MissingStoreNumber.code, detail))
    return errors


def _optional_errors(
    name: str, values: ConfigFields, pattern: re.Pattern[str] | None
) -> list[FieldError]:
    value = getattr(values, name)
    if not value or (pattern is not None and pattern.fullmatch(value)):
        return []
    if pattern is None:
        return [(name, "not_applicable", "This provider has no such field.")]
    return [(name, "invalid", "This does not have the form of such a number.")]


def _secret_errors(name: str, value: str, *, known: bool) -> list[FieldError]:
    field = f"credentials.{name[:40]}"
    if not known:
        return [(field, "unknown_field", "This provider has no such credential.")]
    if len(value) > MAX_SECRET_LENGTH:
        return [(field, "max_length", f"At most {MAX_SECRET_LENGTH} characters.")]
    if value and not _SECRET.fullmatch(value):
        reason = "It holds a space, a line break or a character no key has. Copy it again."
        return [(field, "invalid", reason)]
    return []
