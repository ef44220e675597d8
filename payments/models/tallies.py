"""
How many payments ended how, added up by hour and by day: what pages of numbers read.

Whatever ends is told by a trigger to a list of changes, in the transaction in which it ends: one
more here, one fewer there. A sweep folds the changes into the sums. The views add up the sums,
what is not folded yet, and what is still open, so that each payment counts exactly once in every
snapshot, whenever the sweep last ran.
"""

from __future__ import annotations

import pgtrigger
from django.db import models

from payments.choices import PaymentStatus
from payments.models.configs import PaymentConfig
from payments.receipt_choices import PaymentOrigin
from payments.states import FINAL_STATUSES
from tenants.scoping import ShopScopedModel, environment_field, unindexed_shop

# What a change carries, in the names of the payment's own columns.
_KEPT = (
    "shop_id",
    "environment",
    "created_at",
    "branch_id",
    "config_id",
    "created_by",
    "origin",
    "status",
    "result_code",
)


def tell_of_ends() -> pgtrigger.Trigger:
    """Write a change for every payment that ends, ends otherwise, or begins again."""
    columns = ", ".join((*_KEPT, "count", "amount"))
    old, new = ([f"{row}.{name}" for name in _KEPT] for row in ("OLD", "NEW"))
    final = ", ".join(f"'{status.value}'" for status in sorted(FINAL_STATUSES))  # type: ignore[attr-defined]

    def insert(row: str, names: list[str], sign: str) -> str:
        values = ", ".join([*names, f"{sign}1", f"{sign}{row}.amount"])
        return f"INSERT INTO payments_tallychange ({columns}) VALUES ({values})"  # noqa: S608

    return pgtrigger.Trigger(
        name="payment_tally",
        when=pgtrigger.After,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        func=f"""
            IF TG_OP = 'UPDATE' AND ({", ".join(old)}, OLD.amount)
                IS NOT DISTINCT FROM ({", ".join(new)}, NEW.amount) THEN
                RETURN NULL;
            END IF;
            IF TG_OP <> 'INSERT' AND OLD.status IN ({final}) THEN
                {insert("OLD", old, "-")};
            END IF;
            IF TG_OP <> 'DELETE' AND NEW.status IN ({final}) THEN
                {insert("NEW", new, "")};
            END IF;
            RETURN NULL;
        """,
    )


class _Counted(ShopScopedModel):
    """Payments that are alike: how many, and their amounts together."""

    shop = unindexed_shop()
    environment = environment_field()
    branch = models.ForeignKey(
        "tenants.Branch", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    config = models.ForeignKey(
        PaymentConfig, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    origin = models.CharField(max_length=8, choices=PaymentOrigin.choices)
    status = models.CharField(max_length=10, choices=PaymentStatus.choices)
    # The beginning of the hour, or of Nairobi's day, in which they were asked for. Named as the
    # payments' own column, so that whatever fences payments fences their sums.
    created_at = models.DateTimeField()
    count = models.IntegerField()
    amount = models.DecimalField(max_digits=16, decimal_places=2)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M} {self.status}: {self.count}"


class HourSum(_Counted):
    """The folded sums of an hour."""

    result_code = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "shop",
                    "environment",
                    "created_at",
                    "branch",
                    "config",
                    "origin",
                    "status",
                    "result_code",
                ],
                name="hour_sum_once",
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["environment", "created_at"], name="hour_sum_of_all")]


class DaySum(_Counted):
    """The folded sums of a day, by whoever took the payments as well."""

    created_by = models.CharField(max_length=254, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "shop",
                    "environment",
                    "created_at",
                    "branch",
                    "config",
                    "created_by",
                    "origin",
                    "status",
                ],
                name="day_sum_once",
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["environment", "created_at"], name="day_sum_of_all")]


class TallyChange(models.Model):
    """
    One payment more (count 1) or fewer (count -1) of its kind, not folded yet.

    Written in every transaction that ends a payment: no index but the key, no look-up of keys.
    """

    shop_id = models.UUIDField()
    environment = environment_field()
    branch_id = models.UUIDField(null=True)
    config_id = models.UUIDField(null=True)
    created_by = models.CharField(max_length=254, blank=True)
    origin = models.CharField(max_length=8)
    status = models.CharField(max_length=10)
    result_code = models.CharField(max_length=40, blank=True)
    # The payment's own moment.
    created_at = models.DateTimeField()
    count = models.SmallIntegerField()
    amount = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.count:+} {self.status}"


class HourlyTally(_Counted):
    """All payments by hour, as they are now: a view, only ever read."""

    result_code = models.CharField(max_length=40, blank=True)

    class Meta:
        managed = False
        db_table = "payments_hourlytally"


class DailyTally(_Counted):
    """All payments by day of Nairobi and by whoever took them, as they are now: a view."""

    created_by = models.CharField(max_length=254, blank=True)

    class Meta:
        managed = False
        db_table = "payments_dailytally"
