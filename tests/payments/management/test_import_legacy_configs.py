from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from payments.models import CredentialVersion, PaymentConfig
from tests.payments.services.config_world import revealed

pytestmark = pytest.mark.django_db

KEYS = {"consumerKey": "canary-key-1234", "consumerSecret": "canary-secret", "passkey": "canary-p"}
EMBEDDED = {
    "_id": {"$oid": "64f1"},
    "name": "Duka",
    "mpesaConfig": {
        "type": "paybill",
        "shortCode": "600100",
        "accountPrefix": "DUKA",
        **KEYS,
        "callbackUrl": "https://old.example/mpesa",
        "enabled": True,
        "verificationStatus": "verified",
    },
}
TENANT = {
    "slug": "jirani",
    "mpesaConsumerKey": "canary-key-5678",
    "mpesaConsumerSecret": "canary-secret",
    "mpesaShortcode": "600200",
    "mpesaPasskey": "canary-p",
    "mpesaCallbackUrl": None,
    "mpesaEnv": "sandbox",
}
MERCHANT = {"id": 7, "business_name": "Duka", "mpesa_till_number": "174379"}


@pytest.fixture
def load(shop, neighbour, tmp_path, capsys):
    def load(rows, *args):
        path = tmp_path / "legacy"
        path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
        call_command("import_legacy_configs", str(path), *args)
        said = capsys.readouterr()
        assert "canary" not in said.out + said.err
        return said.out

    return load


class TestImportLegacyConfigs:
    def test_takes_a_shops_embedded_settings(self, load, shop):
        said = load([EMBEDDED])

        config = PaymentConfig.objects.get()
        assert (config.shop, config.provider, config.shortcode) == (shop, "mpesa_paybill", "600100")
        assert (config.account_prefix, config.environment) == ("DUKA", "production")
        assert (config.status, config.is_active, config.verified_at) == ("draft", False, None)
        assert revealed(config) == {
            "consumer_key": "canary-key-1234",
            "consumer_secret": "canary-secret",
            "passkey": "canary-p",
        }
        assert "Its status was verified; it must be verified again." in said
        assert "Its callback address is not taken over" in said
        assert "1 imported" in said

    def test_takes_a_tenants_six_fields(self, load, neighbour):
        load([TENANT])

        config = PaymentConfig.objects.get()
        assert (config.shop, config.environment) == (neighbour, "sandbox")
        assert revealed(config)["consumer_key"] == "canary-key-5678"

    def test_takes_a_merchants_till_once_its_store_is_known(self, load, shop):
        with pytest.raises(CommandError, match="Nothing was changed"):
            load([MERCHANT])
        assert not PaymentConfig.objects.exists()

        load([MERCHANT], "--store-number", "174379=600996")

        config = PaymentConfig.objects.get()
        assert (config.name, config.provider, config.store_number) == (
            "Legacy Channel",
            "mpesa_till",
            "600996",
        )
        assert not CredentialVersion.objects.exists()

    def test_takes_csv_of_merchants_and_leaves_out_those_without(self, load):
        said = load(
            "id,business_name,mpesa_till_number\n1,Duka,174379\n2,Jirani,\n",
            "--store-number",
            "174379=600996",
        )

        assert PaymentConfig.objects.get().shop.slug == "duka"
        assert "1 imported, 0 there already, 1 empty, 0 faulty" in said

    def test_puts_all_rows_into_a_named_shop(self, load, shop):
        load([{**TENANT, "slug": "nobody"}], "--shop", "duka")

        assert PaymentConfig.objects.get().shop == shop

    def test_dry_changes_nothing(self, load):
        said = load([EMBEDDED, TENANT], "--dry-run")

        assert "2 imported" in said
        assert "A dry run: nothing was changed." in said
        assert not PaymentConfig.objects.exists()

    def test_may_be_run_again(self, load):
        load([EMBEDDED])

        said = load([EMBEDDED, TENANT])

        assert "1 imported, 1 there already" in said
        assert PaymentConfig.objects.count() == 2

    def test_with_one_bad_row_changes_nothing(self, load):
        bad = {**TENANT, "mpesaPasskey": "canary with spaces"}

        with pytest.raises(CommandError):
            load([EMBEDDED, bad])

        assert not PaymentConfig.objects.exists()

    @pytest.mark.parametrize(
        "change",
        [
            {"mpesaConsumerSecret": "canary\nbroken"},
            {"mpesaShortcode": "canary"},
            {"mpesaEnv": "canary"},
            {"slug": "canary"},
        ],
    )
    def test_never_says_a_secret(self, load, change, capsys):
        with pytest.raises(CommandError):
            load([{**TENANT, **change}])

        said = capsys.readouterr()
        hidden = ("canary-", "broken")
        assert not any(word in said.out + said.err for word in hidden)

    def test_leaves_secrets_sealed_elsewhere(self, load):
        old = {**EMBEDDED["mpesaConfig"], "consumerKey": "9f8e", "consumerKeyIv": "00ff"}

        said = load([{**EMBEDDED, "mpesaConfig": old}])

        assert "consumer_key" not in revealed(PaymentConfig.objects.get())
        assert "encrypted with a key that is not ours" in said

    @pytest.mark.parametrize("text", ["", "[]", "{", "[1]", '"x"', "\x00"])
    def test_refuses_what_is_no_file_of_rows(self, load, text):
        with pytest.raises(CommandError):
            load(text)

    @pytest.mark.parametrize(
        "args", [("--shop", "nobody"), ("--store-number", "174379"), ("--environment", "mars")]
    )
    def test_refuses_wrong_options(self, load, args):
        with pytest.raises(CommandError):
            load([TENANT], *args)

        assert not PaymentConfig.objects.exists()
