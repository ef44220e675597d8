"""
A shop with something in every room, so that a wall can be tried wherever there is one.

Everything of a shop that people can read carries its name, so that one look at an answer tells
whose it is. Nothing is asked of a provider.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

from django.db import connections, transaction
from django.utils import timezone

from audit.actors import Actor
from payments.choices import (
    AttemptStatus,
    ConfigStatus,
    Environment,
    NoticeCode,
    Provider,
    ReceiptChannel,
    ReceiptStatus,
    ReviewCode,
    Submission,
    VerificationResult,
    VerificationType,
)
from payments.models import (
    AccountBalance,
    Attempt,
    CredentialVersion,
    Event,
    GoLiveApproval,
    Notice,
    Payment,
    PaymentConfig,
    ProviderCallback,
    ProviderRequest,
    Receipt,
    ReceiptCheck,
    Refund,
    Review,
    ShortcodeClaim,
    VerificationLog,
    WebhookDelivery,
    WebhookEndpoint,
)
from payments.receipt_choices import UnallocatedReason
from payments.services import callbacks, configs, initiation, webhook_endpoints
from payments.services.config_rules import ConfigFields
from payments.services.transitions import Change, record_creation
from reconciliation.choices import Bearer, RunKind, RunOutcome
from reconciliation.models import ConfigBearer, Replay, Run, Shift, StatementImport
from reconciliation.statements.packing import Packer
from tenants import services as tenants
from tenants import support
from tenants.models import ApiKey, Branch, Membership, Shop, SupportAccess, User
from tenants.roles import Role
from tenants.signals import By

SECRETS = {"consumer_key": "ck", "consumer_secret": "cs", "passkey": "pk"}
ACTOR = Actor.system("tests")
#: Where a payment of the world was taken.
PLACES = ("here", "elsewhere", "live")


@dataclass
class Corner:
    """One shop and what is in it, by name; payments and configs by place."""

    shop: Shop
    branches: dict[str, Branch] = field(default_factory=dict)
    configs: dict[str, PaymentConfig] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    callbacks: dict[str, ProviderCallback] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    unallocated: dict[str, Receipt] = field(default_factory=dict)
    reviews: dict[str, Review] = field(default_factory=dict)
    webhooks: dict[str, WebhookEndpoint] = field(default_factory=dict)
    deliveries: dict[str, WebhookDelivery] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    members: dict[str, Membership] = field(default_factory=dict)
    key: ApiKey | None = None
    access: SupportAccess | None = None

    @property
    def name(self) -> str:
        return self.shop.name

    def marks(self) -> set[str]:
        """Return every text by which something of this shop can be recognised."""
        rows = [self.shop, self.key, *self.payments.values(), *self.callbacks.values()]
        rows += [*self.branches.values(), *self.configs.values(), *self.reviews.values()]
        rows += [*self.receipts.values(), *self.unallocated.values()]
        rows += [*self.webhooks.values(), *self.deliveries.values()]
        ids = {text for row in rows for text in (str(row.pk), row.pk.hex)}
        return ids | {self.name, self.name.upper(), self.shop.slug}


@contextmanager
def kept(blocker: Any) -> Iterator[None]:
    """
    Keep rows for all the tests of a module, and take them away after the last.

    Each test works in a savepoint inside, so what it changes is gone with it.
    """
    with blocker.unblock():
        block = transaction.atomic()
        block._from_testcase = True
        block.__enter__()
        try:
            yield
        finally:
            transaction.set_rollback(True)
            block.__exit__(None, None, None)


@contextmanager
def one_connection() -> Iterator[None]:
    """Let a request made past Django's test client leave the test's connection open."""
    with mock.patch.object(connections["default"], "close_if_unusable_or_obsolete"):
        yield


def furnish(*, name: str, number: int, now: datetime) -> Corner:
    """Make a shop that has one of everything; number keeps receipts and shortcodes apart."""
    slug = name.lower()
    corner = Corner(tenants.create_shop(name=name, slug=slug))
    shop = corner.shop
    for place in ("here", "elsewhere"):
        corner.branches[place] = tenants.add_branch(
            shop=shop, code=f"{slug}-{place}", name=f"{name} {place}"
        )
    corner.configs = {
        "shop": _config(corner, "shop", f"{number}001", None, now=now),
        "here": _config(corner, "here", f"{number}002", corner.branches["here"], now=now),
        "elsewhere": _config(
            corner, "elsewhere", f"{number}003", corner.branches["elsewhere"], now=now
        ),
        "live": _config(corner, "live", f"{number}004", None, now=now, live=True),
    }
    for place in PLACES:
        _payment(corner, place, now=now)
        _money(corner, place, now=now)
    for place in ("here", "live"):
        _hook(corner, place, now=now)
    _doubt(corner, now=now)
    _people(corner)
    corner.key, _text = tenants.issue_api_key(
        shop=shop, name=f"{name} till", role=Role.CASHIER, environment=Environment.SANDBOX
    )
    return corner


def _config(
    corner: Corner,
    place: str,
    shortcode: str,
    branch: Branch | None,
    *,
    now: datetime,
    live: bool = False,
) -> PaymentConfig:
    config = configs.create_config(
        shop=corner.shop,
        environment=Environment.PRODUCTION if live else Environment.SANDBOX,
        fields=ConfigFields(
            name=f"{corner.name} {place}",
            provider=Provider.MPESA_PAYBILL,
            shortcode=shortcode,
            branch=branch,
            purposes=("rent",),
        ),
        credentials={
            name: f"{corner.shop.slug}-{value}-{place}" for name, value in SECRETS.items()
        },
        actor=ACTOR,
        now=now,
    )
    config.status, config.is_active, config.verified_at = ConfigStatus.VERIFIED, True, now
    config.save(update_fields=["status", "is_active", "verified_at"])
    VerificationLog.objects.create(
        shop=corner.shop,
        config=config,
        version=CredentialVersion.objects.get(config=config),
        type=VerificationType.values[0],
        stage="oauth",
        result=VerificationResult.SUCCESS,
        response_message=f"{corner.name} {place}",
    )
    return config


def _payment(corner: Corner, place: str, *, now: datetime) -> None:
    """Take a payment at a place and let a callback complete it."""
    attempt = prompt(corner, place, checkout_id=checkout_id_of(corner.name, place), now=now)
    corner.callbacks[place] = _callback(corner, attempt, place, now=now)
    corner.payments[place] = Payment.objects.get(pk=attempt.payment_id)


def prompt(
    corner: Corner, place: str, *, checkout_id: str, now: datetime, sale: str = ""
) -> Attempt:
    """Take a payment that waits for its customer; another sale is another phone."""
    config = corner.configs[place]
    payment = initiation.new_payment(
        shop=corner.shop,
        environment=config.environment,
        branch=config.branch,
        config=config,
        asked=initiation.NewPayment(
            amount=150,
            msisdn=_msisdn(corner, place + sale),
            order_ref=f"{corner.name}-{place}{sale}",
        ),
        actor=Actor.system(f"{corner.name} till"),
        now=now,
    )
    payment.save(force_insert=True)
    version = config.versions.get()
    attempt = initiation.add_attempt(payment, config=config, version=version, round_=1, now=now)
    attempt.status, attempt.submission = AttemptStatus.SUBMITTED, Submission.SENT
    attempt.checkout_request_id = checkout_id
    attempt.save()
    record_creation(Change(payment, [attempt], [], ACTOR), now=now)
    return attempt


def _callback(corner: Corner, attempt: Attempt, place: str, *, now: datetime) -> ProviderCallback:
    body = {
        "Body": {
            "stkCallback": {
                "MerchantRequestID": f"{corner.shop.slug}-{place}",
                "CheckoutRequestID": attempt.checkout_request_id,
                "ResultCode": 0,
                "ResultDesc": f"Paid at {corner.name}",
                "CallbackMetadata": {
                    "Item": [
                        {"Name": "Amount", "Value": 150},
                        {"Name": "MpesaReceiptNumber", "Value": receipt_of(corner.name, place)},
                    ]
                },
            }
        }
    }
    row_id = callbacks.receive(
        kind="stk",
        subject_id=attempt.pk,
        body=json.dumps(body).encode(),
        content_type="application/json",
        source_ip="196.201.214.200",
        now=now,
    )
    callbacks.apply_rows([row_id], now=now)
    return ProviderCallback.objects.get(pk=row_id)


def _money(corner: Corner, place: str, *, now: datetime) -> None:
    """Find the receipt of the place's payment, and let money arrive there that is nobody's yet."""
    corner.receipts[place] = Receipt.objects.get(payment=corner.payments[place])
    config = corner.configs[place]
    corner.unallocated[place] = Receipt.objects.create(
        shop=corner.shop,
        environment=config.environment,
        family=config.family,
        number=receipt_of(corner.name, f"{place} waits"),
        amount=Decimal("75.50"),
        status=ReceiptStatus.UNALLOCATED,
        reason=UnallocatedReason.NO_SUCH_REFERENCE,
        channel=ReceiptChannel.C2B,
        config=config,
        shortcode=config.shortcode,
        account_reference=f"{corner.name} {place}",
        payer_initials="J. W.",
        payer_masked="2547*****678",
        paid_at=now,
        created_at=now,
    )


def _hook(corner: Corner, place: str, *, now: datetime) -> None:
    """Let a system of the shop be told of its newest event; both worlds have one."""
    environment = corner.configs[place].environment
    endpoint, _secret = webhook_endpoints.create_endpoint(
        shop=corner.shop,
        environment=environment,
        url=f"https://{corner.shop.slug}.example.test/{place}",
        actor=ACTOR,
        now=now,
    )
    event = Event.objects.filter(shop=corner.shop, environment=environment).latest("seq")
    corner.webhooks[place] = endpoint
    corner.deliveries[place] = WebhookDelivery.objects.create(
        shop=corner.shop,
        endpoint=endpoint,
        event=event,
        seq=event.seq,
        type=event.type,
        next_try_at=now,
    )


def _doubt(corner: Corner, *, now: datetime) -> None:
    for place, payment in corner.payments.items():
        corner.reviews[place] = Review.objects.create(
            shop=corner.shop,
            environment=payment.environment,
            payment=payment,
            callback=corner.callbacks[place],
            code=ReviewCode.SURPLUS,
            subject=f"{corner.name} {place}",
            opened_at=now,
        )


def _people(corner: Corner) -> None:
    """Hire one person per role, and a cashier of one branch; nobody has a password."""
    for role in (Role.ADMIN, Role.MANAGER, Role.CASHIER):
        _hire(corner, role.value, role)
    _hire(corner, "branch_cashier", Role.CASHIER, branches=[corner.branches["here"]])
    _hire(corner, "branch_admin", Role.ADMIN, branches=[corner.branches["here"]])


def let_support_in(corner: Corner, *, now: datetime) -> SupportAccess:
    """Let the shop's admin open it to platform support for four hours."""
    admin = corner.users["admin"]
    by = By(admin, reason=f"{corner.name} asks for help")
    corner.access = support.grant_support_access(
        shop=corner.shop, hours=4, granted_by=admin, now=now, by=by
    )
    return corner.access


def _hire(corner: Corner, post: str, role: str, branches: Any = ()) -> None:
    user = User.objects.create_user(
        f"{post}@{corner.shop.slug}.test", None, name=f"{corner.name} {post}"
    )
    corner.users[post] = user
    corner.members[post] = tenants.grant_role(
        user=user, shop=corner.shop, role=role, branches=branches
    )


def issue(shop: Shop, role: str, *, environment: str = "sandbox", **more: Any) -> str:
    """Issue a key and return its text."""
    _row, text = tenants.issue_api_key(
        shop=shop, name=f"{shop.name} {role}", role=role, environment=environment, **more
    )
    return text


def row_of(key: str) -> ApiKey:
    return ApiKey.objects.get(prefix=key.split("_")[2])


def approval_of(corner: Corner) -> GoLiveApproval:
    """Let the shop's admin ask for a second person's yes."""
    config = corner.configs["here"]
    return GoLiveApproval.objects.create(
        shop=corner.shop, config=config, asked_by_label=f"{corner.name} admin"
    )


def check_of(corner: Corner) -> ReceiptCheck:
    """Let the cashier of the branch "here" check a receipt."""
    return ReceiptCheck.objects.create(
        shop=corner.shop,
        environment=Environment.SANDBOX,
        branch=corner.branches["here"],
        receipt=corner.unallocated["here"],
        answer="genuine_unclaimed",
        code_masked="UKK…99",
        asked_by=f"{corner.name} cashier",
    )


def notice_of(corner: Corner) -> Notice:
    """Return an open warning about the config of the branch "here"."""
    config = corner.configs["here"]
    subject = f"{corner.name} here"
    return Notice.objects.get_or_create(
        shop=corner.shop, config=config, code=NoticeCode.TOKEN_WAR, subject=subject
    )[0]


def shift_of(corner: Corner) -> Shift:
    """Let the manager have signed what the branch "here" took in the last hour."""
    now = timezone.now()
    return Shift.objects.create(
        shop=corner.shop,
        environment=Environment.SANDBOX,
        branch=corner.branches["here"],
        since=now - timedelta(hours=1),
        until=now,
        note=f"{corner.name} here",
        signed_by=f"manager@{corner.shop.slug}.test",
    )


def statement_of(corner: Corner) -> StatementImport:
    """Let a statement of the branch "here" wait to be applied."""
    config = corner.configs["here"]
    return StatementImport.objects.create(
        shop=corner.shop,
        environment=config.environment,
        config=config,
        status="read",
        filename=f"{corner.name} here.xlsx",
        digest="0" * 64,
        size=1,
        read_lines=Packer().packed(),
        uploaded_by=f"{corner.name} manager",
    )


def claim_of(corner: Corner) -> ShortcodeClaim:
    """Let the shop have its live number."""
    config = corner.configs["live"]
    return ShortcodeClaim.objects.create(
        shop=corner.shop,
        environment=config.environment,
        family=config.family,
        shortcode=config.shortcode,
        config=config,
    )


def refund_of(corner: Corner) -> Refund:
    """Let somebody ask for the money of the receipt at the branch "here"."""
    return Refund.objects.create(
        shop=corner.shop,
        environment=Environment.SANDBOX,
        payment=corner.payments["here"],
        receipt=corner.receipts["here"],
        amount=Decimal(150),
        reason=f"{corner.name} wants it back",
        asked_by_label=f"{corner.name} manager",
    )


def request_of(corner: Corner) -> ProviderRequest:
    """Let Safaricom be asked about that receipt."""
    config = corner.configs["here"]
    return ProviderRequest.objects.create(
        shop=corner.shop,
        environment=config.environment,
        kind="status",
        config=config,
        version=config.versions.get(),
        receipt=corner.receipts["here"],
        receipt_number=corner.receipts["here"].number,
        asked_by=f"{corner.name} manager",
    )


def run_of(corner: Corner) -> Run:
    """Let Safaricom have been asked for all that came to the number of the branch "here"."""
    config = corner.configs["here"]
    return Run.objects.create(
        shop=corner.shop,
        environment=config.environment,
        config=config,
        kind=RunKind.PULL,
        outcome=RunOutcome.DONE,
        started_at=timezone.now(),
    )


def replay_of(corner: Corner) -> Replay:
    """Let somebody have the callback of the branch "here" processed again."""
    return Replay.objects.create(
        shop=corner.shop,
        callback_ids=[str(corner.callbacks["here"].pk)],
        reason=f"{corner.name} mended it",
        asked_by=f"{corner.name} manager",
    )


def bearer_of(corner: Corner) -> ConfigBearer:
    """Let the shop have said who pays the charges at the branch "here"."""
    config, day = corner.configs["here"], date(2026, 1, 1)
    return ConfigBearer.objects.get_or_create(
        shop=corner.shop, config=config, effective_from=day, defaults={"bearer": Bearer.SHARED}
    )[0]


def balance_of(corner: Corner) -> AccountBalance:
    """Let Safaricom have told what an account of the branch "here" holds."""
    return AccountBalance.objects.create(
        shop=corner.shop,
        config=corner.configs["here"],
        account=f"{corner.name} Utility",
        current=Decimal("1500.00"),
        source="asked",
        at=timezone.now(),
    )


def receipt_of(name: str, place: str) -> str:
    """Return the receipt of a shop's payment at a place: ten signs, like Safaricom's."""
    return hashlib.sha256(f"{name} {place}".encode()).hexdigest()[:10].upper()


def checkout_id_of(name: str, place: str) -> str:
    """Return a CheckoutRequestID of the form of today: a time, then nine digits of the payer's."""
    digits = int(hashlib.sha256(f"{name} {place}".encode()).hexdigest(), 16) % 10**12
    return f"ws_CO_2711202{digits:012d}123456789"


def _msisdn(corner: Corner, place: str) -> str:
    digits = int(hashlib.sha256(f"{corner.name} {place}".encode()).hexdigest(), 16) % 10**8
    return f"2547{digits:08d}"


def money_now() -> list[tuple[Any, ...]]:
    """Return what must not move when a stranger knocks: every payment, attempt, config and review."""
    payments = Payment.objects.order_by("pk").values_list("pk", "status", "version", "amount")
    attempts = Attempt.objects.order_by("pk").values_list("pk", "status", "asked_count")
    accounts = PaymentConfig.objects.order_by("pk").values_list(
        "pk", "name", "status", "is_active", "is_default", "deleted_at", "updated_at"
    )
    reviews = Review.objects.order_by("pk").values_list("pk", "resolved_at", "blocking")
    receipts = Receipt.objects.order_by("pk").values_list("pk", "status", "payment")
    inbox = ProviderCallback.objects.order_by("pk").values_list("pk", "status", "tries")
    return [*payments, *attempts, *accounts, *reviews, *receipts, *inbox]


def settled(corner: Corner) -> bool:
    """Tell whether the world is as furnished: all payments completed for what was asked."""
    return all(
        (payment.status, payment.amount) == ("completed", Decimal(150))
        for payment in Payment.objects.filter(shop=corner.shop)
    )
