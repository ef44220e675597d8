from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit import anchors, checking
from audit.actors import Actor
from tenants.models import Shop

if TYPE_CHECKING:
    import uuid
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Verify the audit chains; exit 1 and name the first entry that does not hold."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--shop", metavar="SLUG", help="one shop's chain alone")
        parser.add_argument(
            "--heads-lost-because",
            metavar="REASON",
            help="the lost file of kept heads will not come back: write down why, and begin anew",
        )

    def handle(
        self,
        *args: Any,
        shop: str | None = None,
        heads_lost_because: str | None = None,
        **options: Any,
    ) -> None:
        if heads_lost_because:
            actor = Actor.system("verify_audit")
            anchors.accept_loss(reason=heads_lost_because, actor=actor, now=timezone.now())
        chains = [_shop_id(shop)] if shop else checking.known_chains()
        names = {row.pk: row.slug for row in Shop.objects.filter(pk__in=filter(None, chains))}
        bad = [name for each in chains if not self._verify(each, name := _name(each, names))]
        lines = anchors.unreadable_lines()
        if lines:
            self.stderr.write(f"kept heads: line {lines[0]} was not signed by us")
        loss = anchors.first_loss()
        if loss is not None:
            self.stderr.write(f"kept heads: {loss.problem} {_lost(loss, names)}")
        if not anchors.is_on():
            self.stdout.write("AUDIT_ANCHOR_DIR is empty: a cut tail would not be noticed")
        if lines or loss:
            bad.append("the kept heads")
        if bad:
            raise CommandError(f"Does not hold: {', '.join(bad)}")
        self.stdout.write(f"{len(chains)} chains hold")

    def _verify(self, shop_id: uuid.UUID | None, name: str) -> bool:
        fault = checking.check_chain(shop_id)
        if fault is None:
            return True
        self.stderr.write(f"{name}: entry {fault.seq}: {fault.problem}")
        return False


def _shop_id(slug: str) -> uuid.UUID:
    shop = Shop.objects.filter(slug=slug).first()
    if shop is None:
        raise CommandError(f"There is no shop {slug!r}.")
    return shop.pk


def _lost(loss: anchors.Loss, names: dict[uuid.UUID, str]) -> str:
    at = loss.at.isoformat(timespec="seconds")
    return f"Missing: {_name(loss.shop_id, names)}, entry {loss.seq}, written {at}."


def _name(shop_id: uuid.UUID | None, names: dict[uuid.UUID, str]) -> str:
    return names.get(shop_id, str(shop_id)) if shop_id else "platform"
