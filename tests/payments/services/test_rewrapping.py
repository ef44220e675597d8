from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from audit.models import AuditEntry
from payments.encryption import key_id_of
from payments.fields import SealedField
from payments.models import AccessToken, CredentialVersion, Payment, ProviderCallback
from payments.services import rewrapping
from payments.services.connections import connect
from tests.committed import committed_db as committed_db  # noqa: PLC0414 - a fixture
from tests.conftest import DARAJA_SECRETS
from tests.payments.services.config_world import pay, revealed

OLD, NEW = os.urandom(32), os.urandom(32)


@pytest.fixture(autouse=True)
def old_ring(settings):
    settings.FIELD_ENCRYPTION_KEYS = {"old": OLD}


@pytest.fixture
def new_ring(settings):
    """Let the new key seal from the moment a test calls it; the old one still opens."""

    def turn():
        settings.FIELD_ENCRYPTION_KEYS = {"new": NEW, "old": OLD}

    return turn


def column(name):
    return next(each for each in rewrapping.sealed_columns() if each.name == name)


def inbox_row(config, body):
    row = ProviderCallback(
        shop=config.shop,
        kind="stk",
        subject_id=config.pk,
        digest="0" * 64,
        size=len(body),
    )
    row.body = body
    row.save(force_insert=True)
    return row


def run(**options):
    out = StringIO()
    call_command("rewrap_secrets", stdout=out, stderr=out, **options)
    return out.getvalue()


class TestSealedColumns:
    def test_are_all_there_are(self):
        names = {each.name for each in rewrapping.sealed_columns()}

        assert names >= {
            "payments_credentialversion.secrets",
            "payments_accesstoken.token",
            "payments_payment.phone",
            "payments_providercallback.body",
        }
        assert all(isinstance(each.field, SealedField) for each in rewrapping.sealed_columns())


@pytest.mark.django_db
class TestRewrapSecrets:
    def test_seals_every_column_with_the_new_key(self, till, daraja, now, new_ring, settings):
        connect(config=till, now=now)
        token = AccessToken.objects.get().token.reveal()
        payment = pay(till, now)
        payment.phone = "254712345678"
        payment.save(update_fields=["phone"])
        callback = inbox_row(till, b'\xff{"Body": 1}')
        new_ring()

        said = run()

        assert "payments_payment.phone: 1 of 1" in said
        settings.FIELD_ENCRYPTION_KEYS = {"new": NEW}
        assert revealed(till) == DARAJA_SECRETS
        assert AccessToken.objects.get().token.reveal() == token
        assert Payment.objects.get().phone.reveal() == "254712345678"
        assert (
            ProviderCallback.objects.get(pk=callback.pk).body.reveal_bytes() == b'\xff{"Body": 1}'
        )

    def test_does_nothing_twice(self, till, new_ring):
        new_ring()
        run()
        before = CredentialVersion.objects.get().secrets["passkey"].token

        run()

        assert CredentialVersion.objects.get().secrets["passkey"].token == before
        assert AuditEntry.objects.filter(action="secrets.rewrapped").count() == 1

    def test_goes_on_where_it_was_stopped(self, shop, make_config, new_ring):
        for number in range(7):
            make_config(shop, shortcode=f"70000{number}")
        new_ring()
        versions = column("payments_credentialversion.secrets")

        def stop(done):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rewrapping.rewrap(versions, batch=3, progress=stop)

        assert rewrapping.usage(versions) == {"new": 3, "old": 4}
        assert rewrapping.rewrap(versions, batch=3).rewrapped == 4
        assert rewrapping.usage(versions) == {"new": 7}

    def test_leaves_what_does_not_open_and_fails(self, till, paybill, new_ring):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE payments_credentialversion SET secrets = (SELECT secrets FROM"
                " payments_credentialversion WHERE config_id = %s) WHERE config_id = %s",
                [till.pk, paybill.pk],
            )
        new_ring()

        with pytest.raises(CommandError, match="not rewrapped"):
            run()

        assert revealed(till) == DARAJA_SECRETS
        versions = column("payments_credentialversion.secrets")
        assert rewrapping.usage(versions) == {"new": 1, "old": 1}

    def test_writes_nothing_that_does_not_open_again(self, till, new_ring, monkeypatch):
        new_ring()
        before = CredentialVersion.objects.get().secrets["passkey"].token
        field = column("payments_credentialversion.secrets").field
        stored = type(field).as_stored

        def spoil(self, value, instance):
            sealed = stored(self, value, instance)
            return type(sealed)({name: f"{text[:-4]}AAAA" for name, text in sealed.items()})

        monkeypatch.setattr(type(field), "as_stored", spoil)
        with pytest.raises(CommandError):
            run()

        monkeypatch.undo()
        assert CredentialVersion.objects.get().secrets["passkey"].token == before

    def test_prints_no_secret(self, till, new_ring):
        new_ring()

        said = run()

        assert not any(secret in said for secret in DARAJA_SECRETS.values())


class TestBesideOthers:
    @pytest.fixture
    def db(self, committed_db):
        """Commit for real: several runs and payments at once are the point."""

    def test_shares_the_work(self, shop, make_config, new_ring):
        for number in range(40):
            make_config(shop, shortcode=f"7000{number:02}")
        new_ring()

        def rewrap(_run):
            try:
                versions = column("payments_credentialversion.secrets")
                return rewrapping.rewrap(versions, batch=2).rewrapped
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            shares = list(pool.map(rewrap, range(4)))

        assert sum(shares) == 40
        assert rewrapping.usage(column("payments_credentialversion.secrets")) == {"new": 40}

    def test_steps_round_a_row_that_is_held(self, till, paybill, new_ring):
        new_ring()
        versions = column("payments_credentialversion.secrets")
        with transaction.atomic():
            CredentialVersion.objects.select_for_update().get(config=till)
            with ThreadPoolExecutor(1) as pool:
                first = pool.submit(_first_batch, versions).result(10)

        assert first == 1
        assert rewrapping.rewrap(versions).left == 0
        assert rewrapping.usage(versions) == {"new": 2}

    def test_fails_no_payment(self, shop, make_config, daraja, now, new_ring):
        configs = [make_config(shop, shortcode=f"7000{number:02}") for number in range(30)]
        new_ring()
        stop = []

        def take_payments(part):
            failed = made = 0
            try:
                while not stop:
                    for config in configs[part::3]:
                        try:
                            connect(config=config, now=now)
                            pay(config, now)
                            made += 1
                        except Exception:  # noqa: BLE001 - whatever it is, it is counted
                            failed += 1
                return made, failed
            finally:
                connections.close_all()

        with ThreadPoolExecutor(3) as pool:
            tills = [pool.submit(take_payments, part) for part in range(3)]
            try:
                for each in rewrapping.sealed_columns():
                    assert rewrapping.rewrap(each, batch=2).left == 0
            finally:
                stop.append(True)
            counts = [till.result(30) for till in tills]

        assert sum(failed for _made, failed in counts) == 0
        assert all(made for made, _failed in counts)
        assert "old" not in rewrapping.usage(column("payments_credentialversion.secrets"))


@pytest.mark.django_db
class TestKeyUsage:
    def ask(self, **options):
        out = StringIO()
        call_command("key_usage", stdout=out, **options)
        return out.getvalue()

    def test_counts_rows_by_key(self, till, paybill, new_ring):
        new_ring()
        version = CredentialVersion.objects.get(config=till)
        version.secrets = DARAJA_SECRETS
        version.save(update_fields=["secrets"])

        said = self.ask()

        assert "new (seals and opens): 1 rows" in said
        assert "old (opens only): 1 rows" in said
        assert key_id_of(version.secrets["passkey"].token) == "new"

    def test_refuses_to_let_go_of_a_key_that_is_needed(self, till, new_ring):
        new_ring()

        with pytest.raises(CommandError, match="1 rows still need old"):
            self.ask(retire="old")

        run()
        assert "No row needs old" in self.ask(retire="old")

    @pytest.mark.parametrize(("key", "why"), [("new", "the key that seals"), ("x", "no key x")])
    def test_refuses_what_makes_no_sense(self, till, new_ring, key, why):
        new_ring()

        with pytest.raises(CommandError, match=why):
            self.ask(retire=key)

    def test_cries_out_over_a_key_that_is_gone(self, till, settings):
        settings.FIELD_ENCRYPTION_KEYS = {"new": NEW}

        with pytest.raises(CommandError, match="gone: old"):
            self.ask()


def _first_batch(versions):
    try:
        return rewrapping._next_batch(versions, None, batch=10).rewrapped
    finally:
        connections.close_all()
