from __future__ import annotations

import pgtrigger
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import (
    AttemptStatus,
    PaymentStatus,
    Provider,
    Submission,
)
from payments.fields import EncryptedTextField
from payments.models.configs import CredentialVersion, PaymentConfig
from payments.models.tallies import tell_of_ends
from payments.receipt_choices import ManualMethod, PaymentOrigin
from payments.states import LIVE_STATUSES, PAYMENT_MOVES
from tenants.scoping import ShopScopedModel, environment_field, unindexed_shop

_LIVE = Q(status__in=sorted(LIVE_STATUSES))
# A receipt may be claimed for an order whose prompt is still out: it asks nobody (safety.md 5.11).
_LIVE_PROMPT = _LIVE & Q(origin=PaymentOrigin.PROMPT)
_NOT_PAID = [PaymentStatus.EXPIRED, PaymentStatus.FAILED, PaymentStatus.REVERSED]
MAX_ATTEMPTS = 3


def _refuse_other_moves() -> pgtrigger.Trigger:
    """Refuse, in the database, every move that states.py does not list, and changed money."""
    allowed = " OR ".join(
        f"(OLD.status = '{old.value}' AND NEW.status = '{new.value}')"
        for old, targets in PAYMENT_MOVES.items()
        for new in sorted(targets)
    )
    fixed = ("amount", "currency", "shop_id", "branch_id", "environment", "order_ref")
    changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in fixed)
    return pgtrigger.Trigger(
        name="payment_moves",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=f"""
            IF OLD.status IS DISTINCT FROM NEW.status AND NOT ({allowed}) THEN
                RAISE EXCEPTION 'payment %: % may not become %', OLD.id, OLD.status, NEW.status;
            END IF;
            IF {changed} THEN
                RAISE EXCEPTION 'payment %: money fields do not change', OLD.id;
            END IF;
            RETURN NEW;
        """,
    )


class Payment(ShopScopedModel):
    """
    Money a shop asked for, or was sent: by a prompt, from a receipt, or written down by hand.

    status is a pure function of its evidence (verdicts.decide) and of time (expiry); only
    services/transitions.py writes it. `live` prompts are unique per phone and per order in the
    database, whatever the number of tills asking at once.
    """

    shop = unindexed_shop()
    environment = environment_field()
    branch = models.ForeignKey(
        "tenants.Branch",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    # Empty only where a person wrote the payment down: cash came through no config.
    config = models.ForeignKey(
        PaymentConfig,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payments",
        db_index=False,
    )
    provider = models.CharField(_("provider"), max_length=16, choices=Provider.choices, blank=True)
    origin = models.CharField(
        _("origin"), max_length=8, choices=PaymentOrigin.choices, default=PaymentOrigin.PROMPT
    )
    method = models.CharField(_("method"), max_length=16, choices=ManualMethod.choices, blank=True)
    external_reference = models.CharField(_("reference"), max_length=64, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=PaymentStatus.choices, default=PaymentStatus.CREATED
    )
    previous_status = models.CharField(max_length=10, choices=PaymentStatus.choices, blank=True)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default="KES")
    phone = EncryptedTextField(bind=("shop_id", "environment"), default="")
    phone_index = models.CharField(max_length=64, blank=True)
    phone_masked = models.CharField(_("phone"), max_length=16, blank=True)
    order_ref = models.CharField(_("order reference"), max_length=64, blank=True)
    account_reference = models.CharField(_("account reference"), max_length=40, blank=True)
    is_reference_ours = models.BooleanField(default=False)
    description = models.CharField(max_length=13, blank=True)
    purpose = models.CharField(max_length=32, blank=True)
    label = models.CharField(max_length=64, blank=True)
    metadata = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    resolution = models.JSONField(default=list, blank=True)
    receipt_number = models.CharField(_("receipt"), max_length=32, blank=True)
    receipt_pending = models.BooleanField(default=False)
    late = models.BooleanField(_("late"), default=False)
    result_code = models.CharField(max_length=40, blank=True)
    result_desc = models.CharField(max_length=300, blank=True)
    version = models.PositiveSmallIntegerField(default=0)
    created_by = models.CharField(_("taken by"), max_length=254, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ["-created_at", "-id"]
        triggers = [_refuse_other_moves(), tell_of_ends()]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "environment", "phone_index"],
                name="payment_one_live_per_phone",
                condition=_LIVE_PROMPT & ~Q(phone_index=""),
            ),
            models.UniqueConstraint(
                fields=["shop", "environment", "order_ref"],
                name="payment_one_live_per_order",
                condition=_LIVE_PROMPT & ~Q(order_ref=""),
            ),
            # A reference the till gave may repeat; one of ours names one payment.
            models.UniqueConstraint(
                fields=["shop", "environment", "account_reference"],
                name="payment_our_reference_once",
                condition=Q(is_reference_ours=True),
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_amount_positive"),
            models.CheckConstraint(
                condition=~Q(status=PaymentStatus.COMPLETED) | Q(completed_at__isnull=False),
                name="payment_completed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(config__isnull=False) | Q(origin=PaymentOrigin.MANUAL),
                name="payment_has_config",
            ),
            models.CheckConstraint(
                condition=Q(origin=PaymentOrigin.MANUAL) ^ Q(method=""),
                name="payment_manual_has_method",
            ),
        ]
        indexes = [
            models.Index(
                fields=["shop", "environment", "-created_at", "-id"], name="payment_shop_newest"
            ),
            models.Index(fields=["environment", "-created_at", "-id"], name="payment_newest"),
            models.Index(
                fields=["branch", "environment", "-created_at", "-id"],
                name="payment_branch",
                condition=Q(branch__isnull=False),
            ),
            models.Index(
                fields=["shop", "environment", "status", "-created_at"], name="payment_status"
            ),
            # Few, and looked for over all shops; a walk along the newest would read all of them.
            models.Index(
                fields=["environment", "status", "-created_at"],
                name="payment_not_paid",
                condition=Q(status__in=_NOT_PAID),
            ),
            models.Index(
                fields=["environment", "origin", "-created_at"],
                name="payment_unprompted",
                condition=~Q(origin=PaymentOrigin.PROMPT),
            ),
            models.Index(
                fields=["shop", "environment", "origin", "-created_at"],
                name="payment_shop_unprompted",
                condition=~Q(origin=PaymentOrigin.PROMPT),
            ),
            models.Index(fields=["config", "-created_at"], name="payment_config"),
            models.Index(fields=["shop", "phone_index", "-created_at"], name="payment_phone"),
            models.Index(
                fields=["shop", "order_ref"], name="payment_order", condition=~Q(order_ref="")
            ),
            models.Index(
                fields=["receipt_number"], name="payment_receipt", condition=~Q(receipt_number="")
            ),
            models.Index(fields=["shop", "account_reference"], name="payment_account"),
            models.Index(
                fields=["shop", "external_reference"],
                name="payment_external",
                condition=~Q(external_reference=""),
            ),
            models.Index(fields=["expires_at"], name="payment_overdue", condition=_LIVE),
            # Money without an owner looks here for payments it could belong to.
            models.Index(fields=["config", "amount", "-created_at"], name="payment_config_amount"),
        ]

    def __str__(self) -> str:
        # Never asks the database: reports of errors print rows that were read in part.
        told = self.__dict__
        names = ("account_reference", "order_ref", "external_reference", "id")
        reference = next(str(told[name]) for name in names if told.get(name))
        return f"{reference} KES {told.get('amount', '')}".rstrip()


class Attempt(ShopScopedModel):
    """
    One request to one config, committed before the provider sees it.

    round counts what people asked for (1 to 3); next_ask_at is when the sweep asks the provider.
    """

    shop = unindexed_shop()
    # The unique constraints begin with payment and config.
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="attempts", db_index=False
    )
    config = models.ForeignKey(
        PaymentConfig, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    version = models.ForeignKey(CredentialVersion, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveSmallIntegerField()
    round = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(
        max_length=10, choices=AttemptStatus.choices, default=AttemptStatus.CREATED
    )
    submission = models.CharField(
        max_length=8, choices=Submission.choices, default=Submission.UNSENT
    )
    checkout_request_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    merchant_request_id = models.CharField(max_length=64, blank=True)
    result_code = models.CharField(max_length=40, blank=True)
    result_desc = models.CharField(max_length=300, blank=True)
    requested_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    answer_ms = models.PositiveIntegerField(null=True, blank=True)
    next_ask_at = models.DateTimeField(null=True, blank=True)
    asked_count = models.PositiveSmallIntegerField(default=0)
    last_asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["payment", "number"], name="attempt_number_once"),
            # NULLs differ, so an attempt that never learnt its id does not collide.
            models.UniqueConstraint(
                fields=["config", "checkout_request_id"], name="attempt_checkout_request_once"
            ),
            models.CheckConstraint(
                condition=Q(round__gte=1) & Q(round__lte=MAX_ATTEMPTS), name="attempt_three_rounds"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_ask_at"], name="attempt_due", condition=Q(next_ask_at__isnull=False)
            ),
            models.Index(fields=["checkout_request_id"], name="attempt_checkout"),
        ]

    def __str__(self) -> str:
        return f"{self.payment} #{self.number}"
