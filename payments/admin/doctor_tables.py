"""What the set-up page shows: steps, the visit's stages, C2B addresses, approvals, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.admin.looks import choice_badge
from payments.admin.tables import table
from payments.choices import RunStatus, VerificationResult, VerificationStage
from payments.services.setup_steps import StepState, steps_of
from tenants.admin_looks import NONE, badge, code

if TYPE_CHECKING:
    from payments.models import PaymentConfig, VerificationLog, VerificationRun

MOST_LOGS = 60
_STEPS: dict[str, Any] = {
    "details": gettext_lazy("Details"),
    "credentials": gettext_lazy("Credentials"),
    "verify": gettext_lazy("Verify"),
    "register": gettext_lazy("Register C2B addresses"),
    "approve": gettext_lazy("Approval"),
    "activate": gettext_lazy("Activate"),
}
_STATES: dict[StepState, tuple[Any, str]] = {
    StepState.DONE: (gettext_lazy("Done"), "good"),
    StepState.NEXT: (gettext_lazy("Next"), "wait"),
    StepState.LATER: (gettext_lazy("Later"), "quiet"),
    StepState.BLOCKED: (gettext_lazy("Waits"), "warn"),
}
# The act that does a step, and its button's words.
_ACTS: dict[str, tuple[tuple[str, Any], ...]] = {
    "verify": (("restore", gettext_lazy("Restore")),),
    "register": (("register_urls", gettext_lazy("Register")),),
    "approve": (("ask_approval", gettext_lazy("Ask for approval")),),
    "activate": (("activate", gettext_lazy("Activate")),),
}


def checklist_of(
    config: PaymentConfig, links: dict[str, str], *, edit: str
) -> list[dict[str, Any]]:
    """Lay out the steps; the next one, and one that waited, has its button where it may be pressed."""
    rows = []
    for step in steps_of(config):
        label, tone = _STATES[step.state]
        # Whoever had the portal mended comes back to a step that waited.
        is_open = step.state in {StepState.NEXT, StepState.BLOCKED}
        rows.append(
            {
                "name": step.name,
                "title": _STEPS[step.name],
                "badge": badge(label, tone),
                "state": step.state.value,
                "says": _(step.says),
                "link": _link(step.name, links, edit) if is_open else None,
            }
        )
    return rows


def visit_of(run: VerificationRun) -> dict[str, Any]:
    """Lay out a visit: each stage it was asked for, done, at work or still to come."""
    logs = {log.stage: log for log in run.logs.order_by("created_at", "pk")}
    stages = [_stage(name, logs.get(name), run) for name in run.stages]
    return {
        "stages": stages,
        "status": run.get_status_display(),
        "phone": run.phone_number,
        "started_at": run.started_at,
        "by": run.actor.get("label", ""),
        "total_ms": sum(log.duration_ms for log in logs.values()),
    }


def urls_of(config: PaymentConfig) -> list[tuple[str, Any]]:
    """Tell what C2B addresses are registered, by whom and since when."""
    known = config.c2b_registration
    held_by = {"us": _("Malipo"), "somebody_else": _("Somebody else")}
    facts: list[tuple[str, Any]] = [
        (_("Registered by"), held_by.get(known.get("held_by", ""), _("Nobody, as far as we know"))),
        (_("Version"), known.get("version") or config.c2b_version),
    ]
    if config.c2b_registered_at:
        facts.append((_("Since"), config.c2b_registered_at))
    if url := known.get("confirmation_url"):
        facts.append((_("Confirmation"), code(url)))
        facts.append((_("Validation"), code(known.get("validation_url", ""))))
    if known.get("response_type"):
        facts.append((_("Unanswered payments are"), known["response_type"]))
    if checked := parse_datetime(known.get("checked_at", "")):
        facts.append((_("Last heard"), checked))
    return facts


def approvals_of(config: PaymentConfig) -> dict[str, Any]:
    columns = [_("Asked by"), _("Asked"), _("Decision"), _("By"), _("Decided"), _("Reason")]
    rows = [
        [
            approval.asked_by_label,
            approval.asked_at,
            decision_badge(approval.is_approved),
            approval.decided_by or NONE,
            approval.decided_at or NONE,
            approval.note or NONE,
        ]
        for approval in config.approvals.select_related("decided_by")[:20]
    ]
    return table(_("Approvals"), columns, rows)


def history_of(config: PaymentConfig) -> dict[str, Any]:
    columns = [_("At"), _("Stage"), _("Result"), _("Found"), _("What to do"), _("ms"), _("By")]
    logs = config.verifications.order_by("-created_at", "-pk")[:MOST_LOGS]
    rows = [
        [
            log.created_at,
            _stage_name(log),
            choice_badge(VerificationResult, log.result),
            _found(log),
            _(log.next_action) if log.next_action else NONE,
            log.duration_ms,
            log.initiated_by or NONE,
        ]
        for log in logs
    ]
    return table(_("Verification history"), columns, rows)


def _link(name: str, links: dict[str, str], edit: str) -> dict[str, Any] | None:
    if name in {"details", "credentials"}:
        return {"label": _("Edit"), "url": edit}
    acts = _ACTS.get(name, ())
    return next(({"label": label, "url": links[act]} for act, label in acts if act in links), None)


def _stage(name: str, log: VerificationLog | None, run: VerificationRun) -> dict[str, Any]:
    label = VerificationStage(name).label
    if log is None:
        is_over = run.status != RunStatus.RUNNING
        word = badge(_("Not reached"), "quiet") if is_over else badge(_("To come"), "quiet")
        return {"label": label, "badge": word, "says": "", "next": "", "ms": None}
    at_work = log.result == VerificationResult.PENDING and not log.response_message
    return {
        "label": label,
        "badge": badge(_("At work"), "wait")
        if at_work
        else choice_badge(VerificationResult, log.result),
        "says": _found(log) if not at_work else "",
        "next": _(log.next_action) if log.next_action else "",
        "ms": log.duration_ms if not at_work else None,
    }


def _stage_name(log: VerificationLog) -> Any:
    is_known = log.stage in VerificationStage.values
    return VerificationStage(log.stage).label if is_known else log.get_type_display()


def _found(log: VerificationLog) -> str:
    said = _(log.response_message) if log.response_message else ""
    return f"{said} ({log.response_code})" if log.response_code not in {"", "0", "200"} else said


def decision_badge(is_approved: bool | None) -> str:
    """Draw what the second person said; None while nobody did."""
    words = {
        None: (_("Waits"), "wait"),
        True: (_("Approved"), "good"),
        False: (_("Refused"), "bad"),
    }
    return badge(*words[is_approved])
