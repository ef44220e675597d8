from __future__ import annotations

import pgtrigger
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import (
    AttemptStatus,
    EvidenceSource,
    OutcomeVerdict,
    PaymentStatus,
    Provider,
    Submission,
)
from payments.fields import EncryptedTextField
from payments.models.configs import CredentialVersion, PaymentConfig
from payments.states import LIVE_STATUSES, PAYMENT_MOVES
from tenants.scoping import ShopScopedModel, environment_field

_LIVE = Q(status__in=sorted(LIVE_STATUSES))
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
    Money a shop asked for.

    status is a pure function of its evidence (verdicts.decide) and of time (expiry); only
    services/transitions.py writes it. `live` prompts are unique per phone and per order in the
    database, whatever the number of tills asking at once.
    """

    environment = environment_field()
    branch = models.ForeignKey(
        "tenants.Branch", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="payments")
    provider = models.CharField(_("provider"), max_length=16, choices=Provider.choices)
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
    account_reference = models.CharField(_("account reference"), max_length=12)
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
        triggers = [_refuse_other_moves()]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "environment", "phone_index"],
                name="payment_one_live_per_phone",
                condition=_LIVE & ~Q(phone_index=""),
            ),
            models.UniqueConstraint(
                fields=["shop", "environment", "order_ref"],
                name="payment_one_live_per_order",
                condition=_LIVE & ~Q(order_ref=""),
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
        ]
        indexes = [
            models.Index(
                fields=["shop", "environment", "-created_at", "-id"], name="payment_shop_newest"
            ),
            models.Index(
                fields=["shop", "environment", "branch", "-created_at"], name="payment_branch"
            ),
            models.Index(
                fields=["shop", "environment", "status", "-created_at"], name="payment_status"
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
            models.Index(fields=["expires_at"], name="payment_overdue", condition=_LIVE),
        ]

    def __str__(self) -> str:
        return f"{self.account_reference} KES {self.amount}"


class Attempt(ShopScopedModel):
    """
    One request to one config, committed before the provider sees it.

    round counts what people asked for (1 to 3); next_ask_at is when the sweep asks the provider.
    """

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="+")
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


class Evidence(ShopScopedModel):
    """What somebody said became of a payment. Append-only; the digest recognises repeats."""

    environment = environment_field()
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="evidence")
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, null=True, related_name="+")
    callback = models.ForeignKey(
        "payments.ProviderCallback", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    source = models.CharField(max_length=20, choices=EvidenceSource.choices)
    verdict = models.CharField(max_length=10, choices=OutcomeVerdict.choices)
    is_final = models.BooleanField(default=False)
    is_duplicate_receipt = models.BooleanField(default=False)
    result_code = models.CharField(max_length=40, blank=True)
    result_desc = models.CharField(max_length=300, blank=True)
    # Six decimals, so that nothing a provider says is rounded into the amount we expect.
    amount = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    receipt_number = models.CharField(max_length=32, blank=True)
    paid_at = models.DateTimeField(null=True)
    digest = models.CharField(max_length=64)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["recorded_at", "id"]
        triggers = [
            pgtrigger.Protect(name="evidence_append_only", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="evidence_fixed",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("verdict", "amount", "receipt_number", "payment"),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["payment", "digest"], name="evidence_once"),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.verdict} {self.result_code}"


class Transition(ShopScopedModel):
    """One recorded move of a payment; append-only, one per change of status."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="transitions")
    number = models.PositiveSmallIntegerField()
    from_status = models.CharField(max_length=10, choices=PaymentStatus.choices, blank=True)
    to_status = models.CharField(max_length=10, choices=PaymentStatus.choices)
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, null=True, related_name="+")
    why = models.CharField(max_length=200, blank=True)
    actor_kind = models.CharField(max_length=10)
    actor_label = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        triggers = [
            pgtrigger.Protect(
                name="transition_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["payment", "number"], name="transition_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} → {self.to_status}"


class IdempotencyKey(ShopScopedModel):
    """The till's promise that this is the same sale; unique in the database."""

    environment = environment_field()
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="+")
    running_until = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "environment", "key"], name="idempotency_key_once"
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return self.key
