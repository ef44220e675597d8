from __future__ import annotations

import json

import pytest

from audit.models import AuditEntry
from payments.models import CredentialVersion, PaymentConfig
from payments.services import config_files, configs
from payments.services.config_imports import import_configs
from tests.payments.services.config_world import create

pytestmark = pytest.mark.django_db

HEAD = "name,provider,environment,branch,shortcode,store_number,priority,max_amount,purposes"
GOOD = f"""{HEAD}
Counter,mpesa_till,sandbox,,174379,600996,1,5000,
Westlands,mpesa_paybill,sandbox,WEST,600100,,2,,rent;fees
"""


@pytest.fixture
def load(shop, branch, actor, now):
    def load(text, *, apply=True, branch_ids=None, target=shop):
        raw = text if isinstance(text, bytes) else text.encode()
        return import_configs(
            shop=target, raw=raw, branch_ids=branch_ids, apply=apply, actor=actor, now=now
        )

    return load


def faults(result):
    return [(fault.line, fault.column) for fault in result.faults]


class TestImport:
    def test_makes_drafts(self, load, branch):
        result = load(GOOD)

        assert (result.is_applied, result.counts) == (
            True,
            {"new": 2, "changed": 0, "unchanged": 0},
        )
        counter, west = PaymentConfig.objects.order_by("priority")
        assert (counter.name, counter.status, counter.is_active) == ("Counter", "draft", False)
        assert (west.branch, west.purposes) == (branch, ["rent", "fees"])
        assert (counter.max_amount, west.max_amount) == (5000, 250_000)

    def test_twice_changes_nothing(self, load):
        load(GOOD)

        assert load(GOOD).counts == {"new": 0, "changed": 0, "unchanged": 2}
        assert PaymentConfig.objects.count() == 2

    def test_changes_what_is_there(self, load):
        load(GOOD)

        result = load(GOOD.replace("Counter", "Front").replace(",5000,", ",,"))

        assert result.counts == {"new": 0, "changed": 1, "unchanged": 1}
        assert result.lines[0].changes == (
            ("name", "Counter", "Front"),
            ("max_amount", "5000.00", "250000"),
        )
        assert PaymentConfig.objects.get(shortcode="174379").name == "Front"

    def test_leaves_alone_what_has_no_column(self, load):
        load(GOOD)
        short = "name,provider,environment,branch,shortcode,store_number\n"

        load(short + "Front,mpesa_till,sandbox,,174379,600996\n")

        config = PaymentConfig.objects.get(shortcode="174379")
        assert (config.name, config.max_amount, config.priority) == ("Front", 5000, 1)

    def test_takes_a_till_without_an_api_and_writes_it_again(self, load, shop):
        head = "name,provider,environment,shortcode,store_number,has_api\n"

        result = load(
            f"{head}By hand,mpesa_till,sandbox,174379,,no\nAsked,mpesa_till,sandbox,174380,600996,\n"
        )

        by_hand, asked = PaymentConfig.objects.filter(shop=shop).order_by("shortcode")
        assert (by_hand.has_api, asked.has_api) == (False, True)
        assert result.counts["new"] == 2
        (text,) = {line for line in config_files.write_csv([by_hand]) if "By hand" in line}
        assert text.strip().endswith(',"no"')
        again = load(
            '[{"name": "By hand", "provider": "mpesa_till", "environment": "sandbox",'
            ' "shortcode": "174379", "has_api": false}]'
        )
        assert again.counts == {"new": 0, "changed": 0, "unchanged": 1}

    def test_takes_no_other_word_for_yes(self, load):
        head = "name,provider,environment,shortcode,store_number,has_api\n"

        result = load(f"{head}A,mpesa_till,sandbox,174379,600996,maybe\n")

        assert faults(result) == [(2, "has_api")]

    def test_previews_without_a_trace(self, load):
        result = load(GOOD, apply=False)

        assert result.counts["new"] == 2
        assert not result.is_applied
        assert not PaymentConfig.objects.exists()
        assert not AuditEntry.objects.filter(action__startswith="payment_config").exists()

    def test_is_on_the_trail(self, load, shop):
        load(GOOD)

        actions = AuditEntry.objects.filter(shop_id=shop.pk).order_by("seq")
        actions = list(actions.values_list("action", flat=True))
        assert actions.count("payment_config.created") == 2
        assert actions[-1] == "payment_config.imported"

    def test_with_one_bad_line_changes_nothing_and_tells_every_fault(self, load):
        bad = f"""{HEAD}
Counter,mpesa_till,sandbox,,174379,600996,1,5000,
,mpesa_till,mars,NOWHERE,174379,174379,x,1e3,
Same,mpesa_till,sandbox,,174379,600996,,,
No store,mpesa_till,sandbox,,174380,,,,
"""

        result = load(bad)

        assert not result.is_applied
        assert not PaymentConfig.objects.exists()
        assert faults(result) == [
            (3, "environment"),
            (3, "branch"),
            (3, "priority"),
            (3, "max_amount"),
            (3, "name"),
            (3, "store_number"),
            (4, "shortcode"),
            (5, "store_number"),
        ]

    def test_tells_what_a_verified_config_does_not_take(self, load, till):
        line = f"{HEAD}\nMain till,mpesa_till,sandbox,,174379,600997,,,\n"

        result = load(line)

        assert faults(result) == [(2, "")]
        assert "does not change" in result.faults[0].detail
        till.refresh_from_db()
        assert till.store_number == "600996"

    def test_knows_no_branch_of_others(self, load, neighbour):
        result = load(GOOD, target=neighbour)

        assert faults(result) == [(3, "branch")]

    def test_keeps_a_branchs_admin_to_the_branch(self, load, branch):
        result = load(GOOD, branch_ids={branch.pk})

        assert faults(result) == [(2, "branch")]
        assert not PaymentConfig.objects.exists()

    def test_does_not_touch_the_neighbours_account(self, load, neighbour, make_config):
        theirs = make_config(neighbour, name="Theirs", shortcode="174379")

        load(GOOD)

        theirs.refresh_from_db()
        assert theirs.name == "Theirs"
        assert PaymentConfig.objects.filter(shortcode="174379").count() == 2


class TestTheFile:
    @pytest.mark.parametrize("column", ["consumer_key", "Passkey", "credentials.consumer_secret"])
    def test_has_no_secrets(self, load, column):
        text = f"{HEAD},{column}\nA,mpesa_till,sandbox,,174379,600996,,,,s3cr3t-canary\n"

        result = load(text)

        assert faults(result)[0][0] == 1
        assert result.faults[0].detail == "Secrets are never imported."
        assert "canary" not in str(result)
        assert not PaymentConfig.objects.exists()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", [(1, "")]),
            (HEAD, [(1, "")]),
            ("name,provider\nA,mpesa_till\n", [(1, "environment"), (1, "shortcode")]),
            (f"{HEAD},colour\nA\n", [(1, "colour")]),
            (f"{HEAD},name\nA\n", [(1, "")]),
            (f"{HEAD}\na,b,c,d,e,f,g,h,i,j\n\nk,l,m,n,o,p,q,r,s,t\n", [(2, ""), (4, "")]),
            (f'{HEAD}\n"open\n', [(2, "")]),
            (b"\xff\xfe\x00", [(1, "")]),
            ("[1]", [(1, "")]),
            ("{}", [(1, "")]),
            ('[{"name": "A", "name": "B"}]', [(1, "")]),
            ("x" * (config_files.MAX_BYTES + 1), [(1, "")]),
        ],
    )
    def test_is_refused_as_a_whole(self, load, text, expected):
        assert faults(load(text)) == expected

    def test_may_be_json_with_the_line_of_each_config(self, load):
        good = {"name": "A", "provider": "mpesa_till", "environment": "sandbox",
                "shortcode": "174379", "store_number": "600996", "priority": 3,
                "purposes": ["rent"]}  # fmt: skip
        bad = {**good, "shortcode": 600100, "priority": True, "passkey": "canary"}

        made = load(json.dumps([good]))
        result = load(f"[\n{json.dumps(good)},\n\n{json.dumps(bad)}]")

        assert made.counts["new"] == 1
        assert PaymentConfig.objects.get().purposes == ["rent"]
        assert faults(result) == [(4, "passkey"), (4, "priority")]
        assert "canary" not in str(result)

    def test_refuses_control_characters(self, load):
        line = "A\x00B,mpesa_till,sandbox,,174379,600996,,,\n"

        assert faults(load(f"{HEAD}\n{line}")) == [(2, "name")]

    def test_may_have_semicolons_and_lines_of_windows(self, load):
        text = "\ufeff" + GOOD.replace("rent;fees", "rent").replace(",", ";").replace("\n", "\r\n")

        assert load(text).counts["new"] == 2


class TestExport:
    @pytest.fixture
    def made(self, shop, branch, actor, now):
        secrets = {"consumer_key": "canary-key", "consumer_secret": "canary", "passkey": "canary"}
        return [
            create(shop, actor, now, name="=HYPERLINK(1)", credentials=secrets),
            create(shop, actor, now, name="West", branch=branch, purposes=("rent", "fees"),
                   daily_limit=100),
        ]  # fmt: skip

    @pytest.mark.parametrize("write", [config_files.write_csv, config_files.write_json])
    def test_comes_back_as_it_was_and_holds_no_secret(self, load, made, write):
        rows = PaymentConfig.objects.select_related("branch").order_by("created_at")

        text = "".join(write(rows))

        assert "canary" not in text
        assert load(text).counts == {"new": 0, "changed": 0, "unchanged": 2}

    def test_has_no_cell_a_spreadsheet_would_run(self, made):
        rows = PaymentConfig.objects.select_related("branch")

        text = "".join(config_files.write_csv(rows))

        assert '"\'=HYPERLINK(1)"' in text
        assert '"=HYPERLINK' not in text

    def test_of_one_shop_fits_another(self, load, made, neighbour, actor, now):
        rows = PaymentConfig.objects.select_related("branch").filter(branch=None)

        result = load("".join(config_files.write_csv(rows)), target=neighbour)

        assert result.counts["new"] == 1
        theirs = PaymentConfig.objects.get(shop=neighbour)
        assert not CredentialVersion.objects.filter(config=theirs).exists()
        configs.delete_config(config=theirs, actor=actor, now=now)
