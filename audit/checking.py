"""Does a chain hold? From its first entry to its head, and against the heads kept elsewhere."""

from __future__ import annotations

import uuid

from audit import anchors, chain
from audit.chain import Fault
from audit.models import AuditEntry, AuditHead


def check_chain(shop_id: uuid.UUID | None) -> Fault | None:
    """Return the first entry at which a chain does not hold, or None where all does."""
    inside, outside = chain.verify_chain(shop_id), anchors.first_fault(shop_id)
    faults = [fault for fault in (inside, outside and Fault(*outside)) if fault]
    return min(faults, key=lambda fault: fault.seq, default=None)


def check_all() -> dict[uuid.UUID | None, Fault]:
    """Check every chain there is or ever was; return those that do not hold."""
    found = {shop_id: check_chain(shop_id) for shop_id in known_chains()}
    return {shop_id: fault for shop_id, fault in found.items() if fault is not None}


def known_chains() -> list[uuid.UUID | None]:
    """List the chains, the platform's first; a table that was emptied is known by its heads."""
    known = set(AuditHead.objects.values_list("shop", flat=True))
    known |= set(AuditEntry.objects.order_by().values_list("shop", flat=True).distinct())
    known |= anchors.shops()
    return sorted(known, key=lambda shop_id: str(shop_id or ""))
