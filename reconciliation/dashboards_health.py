"""Is every till well: success hour by hour, callbacks, token, and how Daraja answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from payments.admin.looks import choice_badge
from payments.choices import (
    ConfigHealth,
    HealthReason,
    VerificationResult,
    VersionStatus,
)
from payments.models import AccessToken, CredentialVersion, PaymentConfig, VerificationLog
from payments.services import stats_health
from payments.services.stats_health import Answers, Callbacks, Hour
from reconciliation import heatmap
from reconciliation.dashboards_words import clock, lasting
from tenants.admin_access import Fence, rows_for
from tenants.admin_looks import badge
from tenants.roles import Action

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.utils.safestring import SafeString

    from reconciliation.dashboards_frame import Place

HOURS = 24
# A till whose 95th callback comes later than this keeps customers waiting.
SLOW_S = stats_health.LATE.total_seconds()
_FENCE = Fence(branch="branch")


@dataclass(frozen=True)
class Till:
    """One config of the last 24 hours."""

    config: PaymentConfig
    url: str
    health: SafeString | str
    why: str
    day: Hour
    callbacks: Callbacks
    answers: Answers
    token: SafeString | str
    failed_probes: int

    @property
    def is_slow(self) -> bool:
        return (self.callbacks.p95_s or 0) > SLOW_S

    @property
    def callbacks_within(self) -> str:
        """Say how long callbacks take; "" where none came."""
        if not self.callbacks.count:
            return ""
        times = {"median": lasting(self.callbacks.median_s), "p95": lasting(self.callbacks.p95_s)}
        return _("half within %(median)s, 95 of 100 within %(p95)s") % times


def health_of(place: Place) -> dict[str, Any]:
    """Build the page about the tills and paybills in use."""
    since = _full_hour(place.now) - timedelta(hours=HOURS - 1)
    configs = list(_configs(place))
    payments = place.payments()
    hours = stats_health.hours_of(payments, since=since)
    tills = _tills(configs, hours, since, place)
    moments = [since + timedelta(hours=step) for step in range(HOURS - 1, -1, -1)]
    return {
        "tills": tills,
        "map": heatmap.heat_map([(str(row), hours.get(row.pk, {})) for row in configs], moments),
        "trouble": _trouble(tills),
        "late_s": int(SLOW_S),
        "is_empty": not configs,
        "is_quiet": not any(hours.values()),
    }


def _configs(place: Place) -> QuerySet[PaymentConfig]:
    rows = rows_for(place.user, Action.VIEW_CONFIGS, _FENCE, now=place.now)
    found = PaymentConfig.objects.not_deleted().filter(rows, has_api=True, **place.where())
    if place.branch:
        found = found.filter(branch=place.branch.pk)
    # A draft takes no money; what did take some and stopped is worth a line.
    used = Q(is_active=True) | Q(last_callback_at__gte=place.now - timedelta(days=7))
    return found.filter(used).select_related("branch", "breaker").order_by("name", "pk")


def _tills(
    configs: list[PaymentConfig], hours: dict[Any, Any], since: datetime, place: Place
) -> list[Till]:
    payments = place.payments()
    callbacks = stats_health.callbacks_of(payments, since=since)
    answers = stats_health.answers_of(payments, since=since, now=place.now)
    tokens, probes = _tokens(configs, place.now), _failed_probes(configs, since)
    return [
        Till(
            config=config,
            url=reverse("admin:payments_paymentconfig_change", args=[config.pk]),
            health=choice_badge(ConfigHealth, config.health),
            why=str(HealthReason(config.health_reason).label) if config.health_reason else "",
            day=sum(hours.get(config.pk, {}).values(), Hour()),
            callbacks=callbacks.get(config.pk, Callbacks()),
            answers=answers.get(config.pk, Answers()),
            token=tokens.get(config.pk) or badge(_("None yet")),
            failed_probes=probes.get(config.pk, 0),
        )
        for config in configs
    ]


def _tokens(configs: list[PaymentConfig], now: datetime) -> dict[Any, SafeString]:
    """Tell the state of each config's access token; never the token."""
    current = CredentialVersion.objects.filter(config__in=configs, status=VersionStatus.CURRENT)
    apps = dict(current.order_by().values_list("config", "app_fingerprint"))
    tokens = AccessToken.objects.defer("token").in_bulk([app for app in apps.values() if app])
    return {config: _token_badge(tokens[app], now) for config, app in apps.items() if app in tokens}


def _token_badge(token: AccessToken, now: datetime) -> SafeString:
    if token.refused_at and (token.obtained_at is None or token.refused_at > token.obtained_at):
        return badge(_("Refused at %(time)s") % {"time": clock(token.refused_at, now=now)}, "bad")
    if token.expires_at is None:
        return badge(_("None yet"))
    until = {"time": clock(token.expires_at, now=now)}
    if token.expires_at <= now:
        return badge(_("Expired at %(time)s") % until, "warn")
    return badge(_("Valid until %(time)s") % until, "good")


def _failed_probes(configs: list[PaymentConfig], since: datetime) -> dict[Any, int]:
    bad = (VerificationResult.FAILED, VerificationResult.TIMEOUT, VerificationResult.ERROR)
    rows = VerificationLog.objects.filter(config__in=configs, created_at__gte=since, result__in=bad)
    return dict(rows.order_by().values_list("config").annotate(count=Count("pk")))


def _trouble(tills: list[Till]) -> list[dict[str, str]]:
    return [
        {"text": text, "link": str(till.config), "url": till.url}
        for till in tills
        if (text := _wrong_with(till))
    ]


def _wrong_with(till: Till) -> str:
    """Say in one sentence what is wrong with a till; empty for nothing."""
    if till.config.health == ConfigHealth.DOWN:
        return till.why or _("It is out of use.")
    if till.answers.uncalled and not till.callbacks.count:
        return _("Prompts are accepted, and no callback of any of them came.")
    if till.is_slow:
        said = {"time": lasting(till.callbacks.p95_s)}
        return _("Callbacks are late: one in twenty takes more than %(time)s.") % said
    return till.why


def _full_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
