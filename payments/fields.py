"""
Fields whose values are sealed in the database.

Assigning text seals it at once; reading gives a `Sealed` that prints as dots; `.reveal()` is the
only way in, so `grep reveal(` is the audit. What a field is bound to is named in the model:
`bind=("environment", "config.shortcode")`; table, column and row id are always in the context.
Bound attributes must be set before the secret, so they are declared before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.views.decorators.debug import sensitive_variables

from payments import encryption
from payments.encryption import Keyring

DOTS = "••••••••"


class SealedToken(str):
    """Sealed text as it lies in the database; assigning one keeps it as it is."""

    __slots__ = ()


class Sealed:
    """A sealed value and the context it opens in."""

    __slots__ = ("_context", "token")

    def __init__(self, token: str, context: tuple[str, ...]) -> None:
        self.token = SealedToken(token)
        self._context = context

    def reveal(self) -> str:
        """
        Open the value.

        :raises CannotOpen: when it was tampered with, moved, or its key is gone.
        """
        return self.reveal_bytes().decode()

    def reveal_bytes(self) -> bytes:
        return field_ring().open(self.token, context=self._context)

    def __str__(self) -> str:
        return DOTS

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self.token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)

    def __reduce__(self) -> Any:
        raise TypeError("A sealed value is not pickled: it could end in a task message.")


class SealedSecrets(Mapping[str, Sealed]):
    """A config's secrets by name, each sealed for itself."""

    def __init__(self, tokens: Mapping[str, str], context: tuple[str, ...]) -> None:
        self._tokens = dict(tokens)
        self._context = context

    def __getitem__(self, name: str) -> Sealed:
        return Sealed(self._tokens[name], (*self._context, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tokens)

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def tokens(self) -> SealedTokens:
        return SealedTokens(self._tokens)

    def __repr__(self) -> str:
        return f"<sealed: {', '.join(sorted(self._tokens))}>"

    def __reduce__(self) -> Any:
        raise TypeError("Sealed values are not pickled: they could end in a task message.")


def field_ring() -> Keyring:
    return encryption.ring_of(settings.FIELD_ENCRYPTION_KEYS)


def blind_index(purpose: str, *parts: str) -> str:
    """Return the keyed hash by which a sealed value is found; purposes do not mix."""
    return encryption.keyed_hash(settings.BLIND_INDEX_KEY, purpose, *parts)


def context_of(
    instance: models.Model, field: models.Field, bind: tuple[str, ...]
) -> tuple[str, ...]:
    """Name the one place where the field's value opens."""
    opts = instance._meta  # noqa: SLF001 - Django's own documented name
    bound = [_resolve(instance, path) for path in bind]
    return (opts.db_table, field.column, str(instance.pk), *bound)


def _resolve(instance: Any, path: str) -> str:
    for name in path.split("."):
        instance = getattr(instance, name)
    return "" if instance is None else str(instance)


class _SealedAttribute:
    """Seals on assignment, gives the sealed value on access."""

    def __init__(self, field: SealedField) -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        stored = instance.__dict__[self.field.attname]
        return self.field.as_sealed(stored, instance)

    @sensitive_variables()
    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = self.field.as_stored(value, instance)


class SealedField(models.Field):
    """What the sealed fields share: the binding, and nothing revealed on the way to the database."""

    def __init__(self, *args: Any, bind: tuple[str, ...] = (), **kwargs: Any) -> None:
        self.bind = tuple(bind)
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, {**kwargs, "bind": self.bind}

    def contribute_to_class(self, cls: type[models.Model], name: str, **kwargs: Any) -> None:
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, self.attname, _SealedAttribute(self))

    def seal_text(self, instance: models.Model, value: str | bytes, *more: str) -> str:
        plaintext = value.encode() if isinstance(value, str) else value
        context = (*context_of(instance, self, self.bind), *more)
        return field_ring().seal(plaintext, context=context)

    def as_stored(self, value: Any, instance: models.Model) -> Any:
        raise NotImplementedError

    def as_sealed(self, stored: Any, instance: models.Model) -> Any:
        raise NotImplementedError


class EncryptedTextField(SealedField, models.TextField):
    """One sealed text or bytes; empty stays empty."""

    def as_stored(self, value: Any, instance: models.Model) -> str | None:
        if value is None or isinstance(value, SealedToken):
            return value
        if isinstance(value, Sealed):
            return value.token
        return SealedToken(self.seal_text(instance, value)) if value else SealedToken("")

    def as_sealed(self, stored: str | None, instance: models.Model) -> Sealed | None:
        return None if stored is None else Sealed(stored, context_of(instance, self, self.bind))

    def from_db_value(self, value: str | None, *_args: Any) -> SealedToken | None:
        return None if value is None else SealedToken(value)

    def to_python(self, value: Any) -> Any:
        """Take text from a fixture as sealed; loaddata must not seal a second time."""
        if isinstance(value, str) and value and not encryption.looks_sealed(value):
            raise ValidationError("This is not sealed text.")
        return SealedToken(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return str(value.token) if isinstance(value, Sealed) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        stored = model_instance.__dict__.get(self.attname)
        return None if stored is None else str(stored)

    def value_to_string(self, obj: models.Model) -> str | None:
        return self.pre_save(obj, add=False)


class SealedTokens(dict[str, str]):
    """Names and sealed texts as they lie in the database; assigning one keeps it as it is."""


class EncryptedSecretsField(SealedField, models.JSONField):
    """Secrets by name, each sealed for itself with its name in the context."""

    def as_stored(self, value: Any, instance: models.Model) -> SealedTokens:
        if isinstance(value, SealedTokens):
            return value
        if isinstance(value, SealedSecrets):
            return value.tokens
        return SealedTokens(
            {name: self.seal_text(instance, secret, name) for name, secret in (value or {}).items()}
        )

    def as_sealed(self, stored: SealedTokens, instance: models.Model) -> SealedSecrets:
        return SealedSecrets(stored, context_of(instance, self, self.bind))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> SealedTokens:
        return SealedTokens(super().from_db_value(value, expression, connection) or {})

    def to_python(self, value: Any) -> Any:
        """Take a mapping from a fixture as sealed; loaddata must not seal a second time."""
        if not isinstance(value, Mapping):
            raise ValidationError("This is not a mapping of sealed texts.")
        if not all(
            isinstance(text, str) and encryption.looks_sealed(text) for text in value.values()
        ):
            raise ValidationError("This is not sealed text.")
        return SealedTokens(value)

    def get_prep_value(self, value: Any) -> Any:
        # loaddata saves what access gives; to seal it again, or to print it, would lose it.
        return dict(value.tokens) if isinstance(value, SealedSecrets) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        return dict(model_instance.__dict__.get(self.attname) or {})

    def value_from_object(self, obj: models.Model) -> Any:
        return self.pre_save(obj, add=False)
