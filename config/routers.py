"""What dumps and migrations need to know of our tables."""

from __future__ import annotations

from typing import Any

from django.apps import apps


class ViewsHoldNoRows:
    """Keep the views of payments/models/tallies.py out of dumpdata: loaddata could not write."""

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        del db, hints
        if model_name is None:
            return None
        try:
            model = apps.get_model(app_label, model_name)
        except LookupError:  # a model of an old migration
            return None
        return None if model._meta.managed else False  # noqa: SLF001 - Django's own documented name
