from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from payments.admin.forms import PREFIX, SECRET_LABELS, secrets_of
from payments.choices import Provider

if TYPE_CHECKING:
    from payments.models import PaymentConfig


def secret_fieldsets(config: PaymentConfig | None, *, editable: bool) -> list[Any]:
    """Lay out the secrets: of this provider, or on a new config one set for each kind."""
    if not editable:
        return []
    if config is not None:
        return [_secret_fieldset(secrets_of(config.provider), classes=[])]
    sets: dict[tuple[str, ...], list[str]] = {}
    for provider in Provider.values:
        sets.setdefault(tuple(secrets_of(provider)), []).append(provider)
    # A field may stand on the page once, so kinds that share a name share its fieldset.
    merged = _merge(sets)
    return [
        _secret_fieldset(names, classes=["for-provider", *(f"for-{each}" for each in providers)])
        for names, providers in merged
    ]


def _merge(sets: dict[tuple[str, ...], list[str]]) -> list[tuple[list[str], list[str]]]:
    groups: list[tuple[list[str], list[str]]] = []
    for names, providers in sets.items():
        group = next((each for each in groups if set(each[0]) & set(names)), None)
        if group is None:
            groups.append((list(names), list(providers)))
            continue
        group[0].extend(name for name in names if name not in group[0])
        group[1].extend(providers)
    return groups


def _secret_fieldset(names: list[str], *, classes: list[str]) -> tuple[Any, dict[str, Any]]:
    ordered = [name for name in SECRET_LABELS if name in names]
    return (
        _("Credentials"),
        {
            "fields": [f"{PREFIX}{name}" for name in ordered],
            "classes": classes,
            "description": _(
                "Sealed at once and never shown again. An empty field keeps the old one."
            ),
        },
    )
