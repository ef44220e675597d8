"""
Who may do what: the access matrix as data (safety.md section 7).

May he at all? `grant(role, action)` answers how far; NO means 403. To add an action: one row here,
and `tests/test_permissions.py` walks it over every route, method and role.
"""

from __future__ import annotations

from enum import Enum

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Role(TextChoices):
    ADMIN = "admin", _("Shop admin")
    MANAGER = "manager", _("Manager")
    CASHIER = "cashier", _("Cashier")
    SUPPORT = "support", _("Platform support")
    SUPER_ADMIN = "super_admin", _("Platform admin")


SHOP_ROLES = (Role.ADMIN, Role.MANAGER, Role.CASHIER)
PLATFORM_ROLES = (Role.SUPPORT, Role.SUPER_ADMIN)


class Grant(Enum):
    """How far an action is allowed."""

    NO = "no"
    YES = "yes"
    MASKED = "masked"
    WITH_REASON = "with_reason"
    OWN_BRANCHES = "own_branches"
    OWN_BRANCHES_TODAY = "own_branches_today"
    STATUS_ONLY = "status_only"
    SANDBOX_ONLY = "sandbox_only"
    LIMITED = "limited"


class Action(TextChoices):
    VIEW_CONFIGS = "view_configs", _("View payment configs")
    MANAGE_CONFIGS = "manage_configs", _("Create, change, verify and switch payment configs")
    SUSPEND_CONFIGS = "suspend_configs", _("Suspend payment configs")
    RESTORE_CONFIGS = "restore_configs", _("Restore payment configs")
    REVEAL_SECRETS = "reveal_secrets", _("View decrypted keys")
    VIEW_AUDIT = "view_audit", _("View audit logs")
    TAKE_PAYMENTS = "take_payments", _("Take payments")
    LIST_PAYMENTS = "list_payments", _("List payments")
    REVEAL_PHONE = "reveal_phone", _("See a full phone number")
    CLAIM_RECEIPTS = "claim_receipts", _("Check or claim a receipt")
    RECORD_MANUAL = "record_manual", _("Record a manual payment")
    VOID_MANUAL = "void_manual", _("Void a manual payment")
    RESOLVE_REVIEWS = "resolve_reviews", _("Resolve a review, allocate a receipt")
    ASK_PROVIDER = "ask_provider", _("Ask the provider again")
    EXPORT = "export", _("Export")
    MANAGE_SHOP = "manage_shop", _("Users, branches and API keys of the shop")
    MANAGE_WEBHOOKS = "manage_webhooks", _("Webhooks, registered addresses")
    VIEW_EVENTS = "view_events", _("Events, active config")
    VIEW_STATS = "view_stats", _("Stats, readiness, timeline, receipts")
    SET_STATUS = "set_status", _("Set a status by hand")
    VIEW_INBOX = "view_inbox", _("View the callback inbox")
    OPERATE_PLATFORM = "operate_platform", _("Address lists, schedules, all shops")
    VIEW_SUPPORT = "view_support", _("See when platform support may look")
    GRANT_SUPPORT = "grant_support", _("Let platform support look")
    ASK_REFUND = "ask_refund", _("Ask for a refund")
    APPROVE_REFUND = "approve_refund", _("Approve a refund somebody else asked for")
    VIEW_BALANCE = "view_balance", _("See account balances")
    IDENTIFY = "identify", _("Ask who one is; read the result codes")


_Y, _N, _M, _R = Grant.YES, Grant.NO, Grant.MASKED, Grant.WITH_REASON
_B = Grant.OWN_BRANCHES

# Columns: admin, manager, cashier, support, super admin.
_ROWS: dict[Action, tuple[Grant, Grant, Grant, Grant, Grant]] = {
    Action.VIEW_CONFIGS: (_Y, _Y, _N, Grant.STATUS_ONLY, _Y),
    Action.MANAGE_CONFIGS: (_Y, _N, _N, _N, _R),
    Action.SUSPEND_CONFIGS: (_Y, _N, _N, _Y, _Y),
    Action.RESTORE_CONFIGS: (_Y, _N, _N, _N, _Y),
    Action.REVEAL_SECRETS: (_N, _N, _N, _N, _N),
    Action.VIEW_AUDIT: (_Y, _Y, _N, _M, _Y),
    Action.TAKE_PAYMENTS: (_Y, _Y, _B, _N, Grant.SANDBOX_ONLY),
    Action.LIST_PAYMENTS: (_Y, _Y, Grant.OWN_BRANCHES_TODAY, _M, _M),
    Action.REVEAL_PHONE: (_Y, _N, _N, _N, _N),
    Action.CLAIM_RECEIPTS: (_Y, _Y, _Y, _N, _N),
    Action.RECORD_MANUAL: (_Y, _Y, _Y, _N, _N),
    Action.VOID_MANUAL: (_Y, _N, _N, _N, _N),
    Action.RESOLVE_REVIEWS: (_Y, _Y, _N, _N, _N),
    Action.ASK_PROVIDER: (_Y, _Y, Grant.LIMITED, _Y, _Y),
    Action.EXPORT: (_Y, _M, _N, _N, _N),
    Action.MANAGE_SHOP: (_Y, _N, _N, _N, _R),
    Action.MANAGE_WEBHOOKS: (_Y, _N, _N, _N, _R),
    Action.VIEW_EVENTS: (_Y, _Y, _N, _N, _Y),
    Action.VIEW_STATS: (_Y, _Y, _B, _M, _M),
    Action.SET_STATUS: (_N, _N, _N, _N, _N),
    # Not rows of the design's matrix: the inbox shows masked bodies to those who may see payments.
    Action.VIEW_INBOX: (_Y, _Y, _N, _M, _M),
    Action.OPERATE_PLATFORM: (_N, _N, _N, _N, _Y),
    # The shop alone lets support in (N17); both sides see until when.
    Action.VIEW_SUPPORT: (_Y, _Y, _N, _Y, _Y),
    Action.GRANT_SUPPORT: (_Y, _N, _N, _N, _N),
    # Money out takes two people of the shop; nobody of the platform is one of them.
    Action.ASK_REFUND: (_Y, _Y, _N, _N, _N),
    Action.APPROVE_REFUND: (_Y, _N, _N, _N, _N),
    Action.VIEW_BALANCE: (_Y, _N, _N, _N, _N),
    Action.IDENTIFY: (_Y, _Y, _Y, _Y, _Y),
}

_COLUMNS = (Role.ADMIN, Role.MANAGER, Role.CASHIER, Role.SUPPORT, Role.SUPER_ADMIN)
MATRIX: dict[Action, dict[Role, Grant]] = {
    action: dict(zip(_COLUMNS, grants, strict=True)) for action, grants in _ROWS.items()
}


def grant(role: str, action: Action) -> Grant:
    """Tell how far the role may do the action; what is not in the matrix is not allowed."""
    return MATRIX.get(action, {}).get(Role(role), Grant.NO) if role in Role.values else Grant.NO


def may(role: str, action: Action) -> bool:
    return grant(role, action) is not Grant.NO
