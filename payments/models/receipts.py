from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from payments.choices import ProviderFamily, ReceiptChannel, ReceiptStatus
from payments.models.configs import PaymentConfig
from payments.receipt_choices import BalanceSource, CheckAnswer, UnallocatedReason
from tenants.scoping import ShopScopedModel, environment_field, unindexed_shop

_BY_HAND = Q(channel=ReceiptChannel.MANUAL)


class Receipt(ShopScopedModel):
    """
    The ledger of money that arrived: one row per receipt, over all channels and shops.

    The unique constraint is the lock: whoever inserts the row may credit it, once. A number that
    a person typed (channel manual) is unique in his own shop alone: another shop's money under the
    same number is never in its way, and never seen.
    """

    shop = unindexed_shop()
    environment = environment_field()
    family = models.CharField(max_length=8, choices=ProviderFamily.choices)
    number = models.CharField(_("receipt"), max_length=32)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2, null=True)
    status = models.CharField(_("status"), max_length=12, choices=ReceiptStatus.choices)
    channel = models.CharField(_("channel"), max_length=10, choices=ReceiptChannel.choices)
    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, null=True, related_name="receipts"
    )
    config = models.ForeignKey(
        "payments.PaymentConfig",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    shortcode = models.CharField(max_length=32, blank=True)
    account_reference = models.CharField(max_length=40, blank=True)
    # Initials and a masked number; the index finds the payer again and shows nobody who it is.
    payer_initials = models.CharField(max_length=20, blank=True)
    payer_masked = models.CharField(max_length=40, blank=True)
    payer_index = models.CharField(max_length=64, blank=True)
    branch = models.ForeignKey(
        "tenants.Branch",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    label = models.CharField(_("label"), max_length=64, blank=True)
    transaction_type = models.CharField(max_length=60, blank=True)
    reason = models.CharField(
        _("reason"), max_length=20, choices=UnallocatedReason.choices, blank=True
    )
    paid_at = models.DateTimeField(_("paid"), null=True)
    claimed_at = models.DateTimeField(null=True)
    claimed_by = models.CharField(max_length=254, blank=True)
    reversed_at = models.DateTimeField(null=True, blank=True)
    # When Safaricom is asked about it again: while it is held, and after large payments.
    next_ask_at = models.DateTimeField(null=True, blank=True)
    asked_count = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        ordering = ["-created_at"]
        constraints = [
            # What a provider told of is one shop's, whoever typed the number first.
            models.UniqueConstraint(
                fields=["environment", "family", "number"],
                name="receipt_one_credit",
                condition=~_BY_HAND,
            ),
            # A number is one payment of a shop, whoever told of it and under which family: a
            # person's word too, until it is taken back.
            models.UniqueConstraint(
                fields=["shop", "environment", "number"],
                name="receipt_once_a_shop",
                condition=~(_BY_HAND & Q(status=ReceiptStatus.REVERSED)),
            ),
            models.UniqueConstraint(
                fields=["payment"],
                name="receipt_one_credited_a_payment",
                condition=Q(status=ReceiptStatus.CREDITED),
            ),
        ]
        indexes = [
            models.Index(
                fields=["shop", "environment", "-created_at", "-id"], name="receipt_shop_newest"
            ),
            models.Index(fields=["environment", "-created_at", "-id"], name="receipt_newest"),
            models.Index(fields=["config", "-created_at"], name="receipt_config"),
            models.Index(
                fields=["branch", "-created_at"],
                name="receipt_branch",
                condition=Q(branch__isnull=False),
            ),
            # Few beside the credited ones: what waits, in one shop and over all of them.
            models.Index(
                fields=["shop", "environment", "status", "-created_at"],
                name="receipt_shop_waiting",
                condition=~Q(status=ReceiptStatus.CREDITED),
            ),
            models.Index(
                fields=["environment", "status", "-created_at"],
                name="receipt_waiting",
                condition=~Q(status=ReceiptStatus.CREDITED),
            ),
            models.Index(
                fields=["shop", "environment", "channel", "-created_at"],
                name="receipt_unprompted",
                condition=~Q(channel=ReceiptChannel.STK),
            ),
            models.Index(
                fields=["shop", "-claimed_at"],
                name="receipt_claimed",
                condition=Q(claimed_at__isnull=False),
            ),
            # Found by its beginning too, whatever the database's collation.
            models.Index(
                fields=["number"], name="receipt_number", opclasses=["varchar_pattern_ops"]
            ),
            # What was paid in a period, as statements tell it; some were told without a time.
            models.Index(
                "shop", "environment", Coalesce("paid_at", "created_at"), name="receipt_paid"
            ),
            models.Index(
                fields=["shop", "payer_index"], name="receipt_payer", condition=~Q(payer_index="")
            ),
            models.Index(
                fields=["next_ask_at"], name="receipt_to_ask", condition=~Q(next_ask_at=None)
            ),
            # When a number was last told of; it falls silent where its addresses are lost.
            models.Index(
                fields=["config", "-created_at"],
                name="receipt_c2b",
                condition=Q(channel=ReceiptChannel.C2B),
            ),
            # Few at any time, and looked at every few seconds.
            models.Index(
                fields=["id"], name="receipt_held", condition=Q(status=ReceiptStatus.HELD)
            ),
        ]

    def __str__(self) -> str:
        return self.number


class UnallocatedReceipt(Receipt):
    """The same rows with a page of their own: money that waits for a person to say whose it is."""

    class Meta:
        proxy = True
        verbose_name = _("unallocated receipt")
        verbose_name_plural = _("unallocated receipts")


class ReceiptCheck(ShopScopedModel):
    """Somebody showed a receipt and a cashier asked about it. The message itself is not kept."""

    environment = environment_field()
    branch = models.ForeignKey(
        "tenants.Branch", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    receipt = models.ForeignKey(
        Receipt, on_delete=models.PROTECT, null=True, blank=True, related_name="checks"
    )
    answer = models.CharField(_("answer"), max_length=20, choices=CheckAnswer.choices)
    why = models.CharField(max_length=40, blank=True)
    # Whatever was typed as a code, found again by its index only.
    code_index = models.CharField(max_length=64, blank=True)
    code_masked = models.CharField(_("code"), max_length=16, blank=True)
    is_claim = models.BooleanField(default=False)
    asked_by = models.CharField(_("asked by"), max_length=254)
    at = models.DateTimeField(_("asked"), default=timezone.now)

    class Meta:
        verbose_name = _("receipt check")
        verbose_name_plural = _("receipt checks")
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["shop", "-at"], name="check_shop"),
            models.Index(fields=["shop", "code_index", "-at"], name="check_code"),
        ]

    def __str__(self) -> str:
        return f"{self.code_masked}: {self.answer}"


class AccountBalance(ShopScopedModel):
    """What an account of a config held, as Safaricom told it; for shop admins only."""

    config = models.ForeignKey(PaymentConfig, on_delete=models.PROTECT, related_name="balances")
    account = models.CharField(_("account"), max_length=60)
    current = models.DecimalField(_("balance"), max_digits=16, decimal_places=2)
    available = models.DecimalField(
        _("available"), max_digits=16, decimal_places=2, null=True, blank=True
    )
    source = models.CharField(max_length=8, choices=BalanceSource.choices)
    at = models.DateTimeField(_("told"))

    class Meta:
        verbose_name = _("account balance")
        verbose_name_plural = _("account balances")
        ordering = ["-at"]
        constraints = [
            # The newest word only: a balance is no ledger.
            models.UniqueConstraint(
                fields=["config", "account", "source"], name="balance_newest_only"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.current}"
