from __future__ import annotations

import copy
import hashlib
import io
import json
import logging
import pickle

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from payments.errors import CannotOpen
from payments.fields import DOTS, Sealed, blind_index
from payments.models import AccessToken, CredentialVersion, Payment, PaymentConfig
from payments.services.initiation import NewPayment, new_payment
from tests.conftest import DARAJA_SECRETS

MSISDN = "254712345678"


@pytest.fixture
def payment(shop, till, actor, now):
    row = new_payment(
        shop=shop,
        environment="sandbox",
        branch=None,
        config=till,
        asked=NewPayment(amount=150, msisdn=MSISDN),
        actor=actor,
        now=now,
    )
    row.save(force_insert=True)
    return Payment.objects.get(pk=row.pk)


@pytest.fixture
def version(till):
    return CredentialVersion.objects.select_related("config").get(config=till)


class TestSealed:
    def test_is_dots_however_it_is_printed(self, payment):
        sealed = payment.phone

        shown = [str(sealed), repr(sealed), f"{sealed}", f"{sealed!r}", f"{[sealed]}"]
        assert all(DOTS in text and MSISDN not in text for text in shown)
        assert sealed.token not in "".join(shown)

    def test_opens_by_reveal_alone(self, payment):
        assert payment.phone.reveal() == MSISDN

    @pytest.mark.parametrize("take", [pickle.dumps, copy.deepcopy])
    def test_is_not_pickled(self, payment, take):
        with pytest.raises(TypeError, match="not pickled"):
            take(payment.phone)

    def test_is_no_json(self, payment):
        with pytest.raises(TypeError):
            json.dumps({"phone": payment.phone}, cls=DjangoJSONEncoder)

    def test_leaves_no_trace_in_a_log(self, payment, version, caplog):
        with caplog.at_level(logging.INFO):
            logging.getLogger("x").info("%s %r %s", payment.phone, version.secrets, version)

        assert MSISDN not in caplog.text
        assert not any(secret in caplog.text for secret in DARAJA_SECRETS.values())

    def test_knows_whether_there_is_anything(self, payment):
        assert payment.phone
        payment.phone = ""
        assert not payment.phone


class TestEncryptedTextField:
    def test_seals_on_assignment(self, payment):
        payment.phone = "254700000000"

        assert isinstance(payment.phone, Sealed)
        assert "254700000000" not in str(vars(payment))
        assert payment.phone.reveal() == "254700000000"

    def test_keeps_nothing_readable_in_the_database(self, payment):
        with connection.cursor() as cursor:
            cursor.execute("SELECT p::text FROM payments_payment p")
            assert MSISDN not in cursor.fetchone()[0]

    def test_does_not_open_in_another_row(self, payment, shop, till, actor, now):
        other = new_payment(
            shop=shop,
            environment="sandbox",
            branch=None,
            config=till,
            asked=NewPayment(amount=1, msisdn="254700000000"),
            actor=actor,
            now=now,
        )
        other.phone = payment.phone

        with pytest.raises(CannotOpen):
            other.phone.reveal()

    @pytest.mark.parametrize("column", ["shop_id", "environment"])
    def test_does_not_open_for_another_owner(self, payment, neighbour, column):
        value = {"shop_id": neighbour.pk, "environment": "production"}[column]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(f"UPDATE payments_payment SET {column} = %s", [value])  # noqa: S608
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")

        with pytest.raises(CannotOpen):
            Payment.objects.get().phone.reveal()

    def test_takes_nothing_unsealed_from_a_fixture(self):
        field = Payment._meta.get_field("phone")

        with pytest.raises(ValidationError):
            field.to_python("254712345678")


class TestEncryptedSecretsField:
    def test_seals_each_secret_for_itself(self, version):
        assert set(version.secrets) == set(DARAJA_SECRETS)
        assert {name: s.reveal() for name, s in version.secrets.items()} == DARAJA_SECRETS
        assert "canary" not in repr(version.secrets)
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(version.secrets)

    def test_does_not_open_under_another_name(self, version):
        stored = vars(version)["secrets"]
        stored["consumer_key"], stored["passkey"] = stored["passkey"], stored["consumer_key"]

        with pytest.raises(CannotOpen):
            version.secrets["passkey"].reveal()

    @pytest.mark.parametrize("bound", ["environment", "provider", "shortcode"])
    def test_does_not_open_for_another_account(self, version, bound):
        value = {"environment": "production", "provider": "mpesa_paybill", "shortcode": "999999"}
        PaymentConfig.objects.filter(pk=version.config_id).update(**{bound: value[bound]})
        moved = CredentialVersion.objects.get(pk=version.pk)

        with pytest.raises(CannotOpen):
            moved.secrets["passkey"].reveal()


class TestFixtures:
    def test_survive_dumpdata_and_loaddata(self, payment, version, tmp_path):
        AccessToken.objects.create(pk="f" * 64, environment="sandbox")
        dump = tmp_path / "dump.json"
        out = io.StringIO()
        call_command("dumpdata", "tenants", "payments", stdout=out)
        dump.write_text(out.getvalue())
        assert MSISDN not in out.getvalue()
        assert "canary" not in out.getvalue()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("DELETE FROM payments_payment")
            cursor.execute("DELETE FROM payments_credentialversion")
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")

        call_command("loaddata", str(dump), verbosity=0)

        assert Payment.objects.get().phone.reveal() == MSISDN
        again = CredentialVersion.objects.get(pk=version.pk)
        assert {name: s.reveal() for name, s in again.secrets.items()} == DARAJA_SECRETS


class TestRotation:
    def test_reads_the_old_and_writes_the_new(self, payment, settings):
        old = dict(settings.FIELD_ENCRYPTION_KEYS)
        settings.FIELD_ENCRYPTION_KEYS = {"next": hashlib.sha256(b"next").digest(), **old}

        assert Payment.objects.get().phone.reveal() == MSISDN
        payment.phone = "254700000000"
        assert payment.phone.token.split(".")[1] == "next"

        settings.FIELD_ENCRYPTION_KEYS = {"next": settings.FIELD_ENCRYPTION_KEYS["next"]}
        assert payment.phone.reveal() == "254700000000"
        with pytest.raises(CannotOpen):
            Payment.objects.get().phone.reveal()


class TestBlindIndex:
    def test_mixes_no_purposes_and_needs_the_key(self, settings):
        one = blind_index("phone", MSISDN)

        assert one != blind_index("daraja-app", MSISDN)
        assert one != hashlib.sha256(MSISDN.encode()).hexdigest()
        settings.BLIND_INDEX_KEY = b"x" * 32
        assert one != blind_index("phone", MSISDN)
