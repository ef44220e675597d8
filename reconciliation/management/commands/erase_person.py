"""A person's right to be forgotten: who paid goes from a shop's books, what was paid stays."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audit.actors import Actor
from payments.errors import InvalidPhoneNumber, PaymentsError
from reconciliation import person_erasure
from reconciliation.persons import Holdings, Person
from tenants.models import Shop


class Command(BaseCommand):
    help = "Erase a phone number from a shop's books; amounts and receipts stay. Prints no number."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_person(parser)
        parser.add_argument("--reason", required=True, help="kept on the shop's audit trail")
        parser.add_argument("--dry-run", action="store_true", help="say what would be erased")

    @sensitive_variables()
    def handle(self, *_args: Any, **options: Any) -> None:
        person = person_of(options)
        if options["dry_run"]:
            self._say(person, person_erasure.counts_of(Holdings(person)))
            if blocker := person_erasure.blocker_of(Holdings(person)):
                self.stdout.write(blocker)
            self.stdout.write("A dry run: nothing was changed.")
            return
        try:
            counts = person_erasure.erase(
                person=person,
                reason=options["reason"],
                actor=Actor.system("erase_person"),
                now=timezone.now(),
            )
        except PaymentsError as error:
            raise CommandError(error.detail) from error
        self._say(person, counts)
        self.stdout.write("Erased.")

    def _say(self, person: Person, counts: dict[str, int]) -> None:
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        self.stdout.write(f"Person {person.mark} of {person.shop.slug}: {said or 'nothing'}.")


def add_person(parser: ArgumentParser) -> None:
    """Ask for a shop and a number."""
    parser.add_argument("--shop", metavar="SLUG", required=True)
    parser.add_argument("--phone", metavar="07…", required=True)


@sensitive_variables()
def person_of(options: dict[str, Any]) -> Person:
    """
    Name the person the command is about.

    :raises CommandError: without such a shop, or for what is no Kenyan mobile number.
    """
    shop = Shop.objects.filter(slug=options["shop"]).first()
    if shop is None:
        raise CommandError("There is no such shop.")
    try:
        return Person.of(shop, options["phone"])
    except InvalidPhoneNumber as error:
        raise CommandError("This is no Kenyan mobile number.") from error
