"""One payment's story in order: asked, sent, told, moved, doubted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.looks import checkout_id_for
from payments.choices import PaymentStatus
from payments.receipt_choices import PaymentOrigin
from payments.services import decisions
from tenants.admin_looks import shillings

if TYPE_CHECKING:
    from django.http import HttpRequest

    from payments.models import (
        Attempt,
        Evidence,
        Payment,
        ProviderCallback,
        Receipt,
        Review,
        Transition,
    )

_CAME: dict[str, Any] = {
    PaymentOrigin.PROMPT: gettext_lazy("Asked for KES %(amount)s"),
    PaymentOrigin.RECEIPT: gettext_lazy("Made of a receipt of KES %(amount)s"),
    PaymentOrigin.MANUAL: gettext_lazy("Written down: KES %(amount)s"),
}


@dataclass(frozen=True)
class Moment:
    """One line of the story; rank orders what happened in the same instant."""

    at: datetime
    rank: int
    kind: str
    summary: str
    detail: str = ""


@dataclass
class Story:
    """Everything that is known of a payment, read in a fixed number of queries."""

    payment: Payment
    request: HttpRequest
    attempts: list[Attempt] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    callbacks: list[ProviderCallback] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    @classmethod
    def of(cls, payment: Payment, request: HttpRequest) -> Story:
        return cls(
            payment=payment,
            request=request,
            attempts=list(payment.attempts.select_related("config", "version")),
            evidence=list(payment.evidence.select_related("attempt")),
            transitions=list(payment.transitions.all()),
            callbacks=list(payment.callbacks.defer("body").order_by("received_at")),
            reviews=list(payment.reviews.order_by("opened_at")),
            receipts=list(payment.receipts.order_by("created_at")),
        )

    def moments(self) -> list[Moment]:
        parts = [
            self._asked(),
            self._routed(),
            self._sent(),
            self._called(),
            self._told(),
            self._moved(),
            self._doubted(),
        ]
        return sorted(
            (moment for part in parts for moment in part), key=lambda each: (each.at, each.rank)
        )

    def _asked(self) -> Iterator[Moment]:
        payment = self.payment
        summary = _CAME[payment.origin] % {"amount": shillings(payment.amount)}
        yield Moment(payment.created_at, 0, "people", summary, payment.created_by)

    def _sent(self) -> Iterator[Moment]:
        for attempt in self.attempts:
            yield Moment(
                attempt.requested_at,
                2,
                "call",
                _("Attempt %(number)s through %(config)s: %(submission)s")
                % {
                    "number": attempt.number,
                    "config": attempt.config,
                    "submission": attempt.get_submission_display(),
                },
                self.checkout_id(attempt.checkout_request_id),
            )

    def _routed(self) -> Iterator[Moment]:
        for refused, following in decisions.moves_on(self.attempts):
            names = {"config": refused.config, "next": following.config}
            summary = _("Moved on from %(config)s to %(next)s") % names
            at = refused.answered_at or following.requested_at
            yield Moment(at, 2, "routing", summary, refused.result_code)

    def _called(self) -> Iterator[Moment]:
        for callback in self.callbacks:
            yield Moment(
                callback.received_at,
                3,
                "callback",
                _("Callback from %(source)s: %(status)s")
                % {
                    "source": callback.source_ip or _("an unknown address"),
                    "status": callback.get_status_display(),
                },
                said(callback.result_code, callback.result_desc) or callback.problem,
            )

    def _told(self) -> Iterator[Moment]:
        for evidence in self.evidence:
            yield Moment(
                evidence.recorded_at,
                4,
                "evidence",
                f"{evidence.get_source_display()}: {evidence.get_verdict_display()}",
                " · ".join(filter(None, [evidence.receipt_number, _said_of(evidence)])),
            )

    def _moved(self) -> Iterator[Moment]:
        for step in self.transitions:
            yield Moment(
                step.at,
                5 if step.from_status else 1,
                "transition",
                _moves(step),
                " · ".join(filter(None, [step.why, step.actor_label])),
            )

    def _doubted(self) -> Iterator[Moment]:
        for review in self.reviews:
            opened = _("Review: %(why)s") % {"why": review.get_code_display()}
            yield Moment(review.opened_at, 6, "review", opened, review.subject)
            if review.resolved_at:
                closed = _("Review resolved: %(how)s") % {"how": review.resolution}
                yield Moment(review.resolved_at, 7, "review", closed, review.resolved_by)

    def checkout_id(self, checkout_request_id: str | None) -> str:
        return checkout_id_for(self.request, self.payment.shop_id, checkout_request_id)


def said(result_code: str, result_desc: str) -> str:
    return " · ".join(filter(None, [result_code, result_desc]))


def _said_of(evidence: Any) -> str:
    return said(evidence.result_code, evidence.result_desc)


def _moves(step: Transition) -> str:
    to = PaymentStatus(step.to_status).label
    return f"{PaymentStatus(step.from_status).label} → {to}" if step.from_status else str(to)
