"""Which pages B9 asks for; imported after Django is set up."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bench.pages import Asked
from payments.choices import Environment
from payments.models import Attempt, Payment, Receipt
from payments.services.demo_history import FIRST_PAYER
from reconciliation.dashboards_frame import PERIODS
from reconciliation.pages import PAGES
from tenants import services as tenants
from tenants.models import Shop, User
from tenants.roles import Role

SHOP = "duka-la-njeri"
_SECURE = {"X-Forwarded-Proto": "https"}
_API = "/api/v1"


def clients() -> dict[str, Client]:
    """Log in the admin of a shop and of the platform, and make a key."""
    shop = Shop.objects.get(slug=SHOP)
    people = {
        "shop": User.objects.get(email=f"admin@{SHOP}.example"),
        "platform": User.objects.get(platform_role=Role.SUPER_ADMIN),
    }
    found = {who: _client() for who in people}
    for who, user in people.items():
        found[who].force_login(user)
    _row, text = tenants.issue_api_key(
        shop=shop, name="bench", role=Role.ADMIN, environment=Environment.SANDBOX
    )
    return {**found, "key": _client({"Authorization": f"Bearer {text}"})}


def listed(who: dict[str, Client]) -> dict[str, Asked]:
    """Name every page: lists, filters, searches, dashboards, and the lists of the API."""
    shop = Shop.objects.get(slug=SHOP)
    payment = _some_payment(shop)
    return {
        **_lists("shop", who["shop"]),
        **_lists("platform", who["platform"]),
        **_answering(_dashboards(shop), who),
        **_answering(_ledger(shop, payment), who),
        **_details(payment),
        **_api(payment),
    }


def _client(headers: dict[str, str] | None = None) -> Client:
    return Client(SERVER_NAME="127.0.0.1", headers=_SECURE | (headers or {}))


def _some_payment(shop: Shop) -> Payment:
    """Take one of the middle of the year: neither cached nor at an edge."""
    at = timezone.now() - timedelta(days=100)
    rows = Payment.objects.filter(shop=shop, environment="sandbox", created_at__lt=at)
    return rows.filter(status="completed").order_by("-created_at")[0]


def _lists(who: str, client: Client) -> dict[str, Asked]:
    """Name the first page, and every list this person may open."""
    pages = {f"{who}:first": Asked(who, reverse("admin:index"))}
    for model in admin.site._registry:  # noqa: SLF001 - Django has no other list of them
        path = _list_of(model)
        if client.get(path).status_code == 200:
            pages[f"{who}:list:{model._meta.model_name}"] = Asked(who, path)  # noqa: SLF001
    return pages


def _list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")  # noqa: SLF001


def _dashboards(shop: Shop) -> dict[str, Asked]:
    """Name the pages that belong to no model; the platform's own are its admin's alone."""
    return {
        f"{who}:{page.name}:{period}": Asked(
            who, page.url, {"shop": str(shop.pk), "environment": "sandbox", "period": period}
        )
        for page in PAGES.values()
        for who in (("platform",) if page.for_platform else ("shop",))
        for period in PERIODS
    }


def _answering(pages: dict[str, Asked], who: dict[str, Client]) -> dict[str, Asked]:
    """Leave out the pages of one thing, which need its name, and a last page that is not there."""

    def status(page: Asked) -> int:
        return who[page.who].get(page.path, page.query).status_code

    return {name: page for name, page in pages.items() if status(page) == 200}


def _ledger(shop: Shop, payment: Payment) -> dict[str, Asked]:
    """Name the filters and searches of payments and receipts."""
    payments, receipts = _list_of(Payment), _list_of(Receipt)
    checkout = Attempt.objects.filter(payment=payment).values_list("checkout_request_id").first()
    receipt = Receipt.objects.filter(payment=payment).get()
    day = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    searched = {
        "receipt": payment.receipt_number,
        "order": payment.order_ref,
        "account": payment.account_reference,
        "checkout": (checkout or ("",))[0],
        "phone": f"{FIRST_PAYER}",
        "nothing": "NO-SUCH-THING",
    }
    filtered: dict[str, dict[str, str]] = {
        "failed": {"status__exact": "failed"},
        "expired": {"status__exact": "expired"},
        "reversed": {"status__exact": "reversed"},
        "pending": {"status__exact": "pending"},
        "by hand": {"origin__exact": "manual"},
        "this week": {"created_at__gte": (day - timedelta(days=7)).isoformat()},
        "this year": {"created_at__gte": (day - timedelta(days=350)).isoformat()},
        "long ago": {"created_at__lt": (day - timedelta(days=350)).isoformat()},
        "config": {"config__id__exact": str(payment.config_id)},
        "config failed": {
            "config__id__exact": str(payment.config_id),
            "status__exact": "failed",
        },
        "last page": {"p": "20"},
    }
    if payment.branch_id:
        filtered["branch"] = {"branch__id__exact": str(payment.branch_id)}
    pages: dict[str, Asked] = {}
    for who in ("shop", "platform"):
        for name, term in searched.items():
            pages[f"{who}:search:{name}"] = Asked(who, payments, {"q": term})
        for name, query in filtered.items():
            pages[f"{who}:payments:{name}"] = Asked(who, payments, query)
        pages[f"{who}:receipts:number"] = Asked(who, receipts, {"q": receipt.number})
        pages[f"{who}:receipts:beginning"] = Asked(who, receipts, {"q": receipt.number[:2]})
        for status in ("credited", "unallocated", "in_review", "reversed"):
            pages[f"{who}:receipts:{status}"] = Asked(who, receipts, {"status__exact": status})
        for name in ("this week", "long ago", "config", "last page"):
            pages[f"{who}:receipts:{name}"] = Asked(who, receipts, filtered[name])
    pages["platform:payments:shop"] = Asked("platform", payments, {"shop__id__exact": str(shop.pk)})
    pages["platform:receipts:shop"] = Asked("platform", receipts, {"shop__id__exact": str(shop.pk)})
    return pages


def _details(payment: Payment) -> dict[str, Asked]:
    receipt = Receipt.objects.get(payment=payment)
    return {
        "shop:payment": Asked("shop", reverse("admin:payments_payment_change", args=[payment.pk])),
        "shop:receipt": Asked("shop", reverse("admin:payments_receipt_change", args=[receipt.pk])),
    }


def _api(payment: Payment) -> dict[str, Asked]:
    """Name the lists of the API with each filter they take."""
    long_ago = (timezone.now() - timedelta(days=300)).isoformat()
    last_week = (timezone.now() - timedelta(days=7)).isoformat()
    checkout = Attempt.objects.get(payment=payment).checkout_request_id or ""
    payments: dict[str, dict[str, str]] = {
        "": {},
        "status": {"status": "failed"},
        "no such status": {"status": "reversed"},
        "phone": {"phone_number": f"{FIRST_PAYER}"},
        "receipt": {"receipt_number": payment.receipt_number},
        "order": {"order_ref": payment.order_ref},
        "account": {"account_reference": payment.account_reference},
        "checkout": {"checkout_request_id": checkout},
        "after": {"created_after": last_week},
        "before": {"created_before": long_ago},
        "config": {"config": str(payment.config_id)},
        "config failed": {"config": str(payment.config_id), "status": "failed"},
        "longest": {"limit": "200"},
    }
    receipts: dict[str, dict[str, str]] = {
        "": {},
        "status": {"status": "unallocated"},
        "number": {"receipt_number": payment.receipt_number},
        "after": {"paid_after": last_week},
        "before": {"paid_before": long_ago},
    }
    others: dict[str, dict[str, str]] = {
        "events": {},
        "reviews": {"open": "true"},
        "payments/configs": {},
        "payments/stats": {},
        "payments/readiness": {},
    }
    return {
        **{f"api:payments:{name}": _asked("payments", query) for name, query in payments.items()},
        **{f"api:receipts:{name}": _asked("receipts", query) for name, query in receipts.items()},
        **{f"api:{name}": _asked(name, query) for name, query in others.items()},
    }


def _asked(name: str, query: dict[str, str]) -> Asked:
    return Asked("key", f"{_API}/{name}", query)
