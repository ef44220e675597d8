from __future__ import annotations

import pytest

from audit.models import AuditEntry
from payments.models import AccountRule, PaymentConfig
from tenants import services as tenants
from tests.payments.api.config_requests import BODY, LIST, errors

pytestmark = pytest.mark.django_db
GOLD = {"kind": "exact", "pattern": "gold001", "label": "Gold"}
VIP = {"kind": "prefix", "pattern": "VIP*", "order_ref": "ORD-1"}


def url(config):
    return f"{LIST}/{config.pk}/account-rules"


class TestAccountRules:
    def test_are_written_whole_and_read_whole(self, api, admin_key, paybill, branch):
        rest = {"kind": "default", "branch": str(branch.pk)}

        put = api(admin_key).put(url(paybill), {"account_rules": [VIP, rest, GOLD]})

        empty = {"label": "", "branch": None, "order_ref": ""}
        assert put.status_code == 200
        assert put.json() == {
            "account_rules": [
                {**empty, "kind": "exact", "pattern": "GOLD001", "label": "Gold"},
                {**empty, "kind": "prefix", "pattern": "VIP", "order_ref": "ORD-1"},
                {**empty, "kind": "default", "pattern": "", "branch": str(branch.pk)},
            ]
        }
        assert api(admin_key).get(url(paybill)).json() == put.json()
        entry = AuditEntry.objects.get(action="payment_config.account_rules_changed")
        assert entry.actor_kind == "api_key"

    def test_can_be_taken_away(self, api, admin_key, paybill):
        api(admin_key).put(url(paybill), {"account_rules": [GOLD]})

        assert api(admin_key).put(url(paybill), {"account_rules": []}).status_code == 200

        assert not AccountRule.objects.exists()

    @pytest.mark.parametrize(
        ("rules", "error"),
        [
            ([{**GOLD, "kind": "often"}], "account_rules.0.kind"),
            ([GOLD, {"kind": "exact", "label": "A"}], "account_rules.1.pattern"),
            ([GOLD, {**GOLD, "pattern": "GOLD001"}], "account_rules.1.pattern"),
            ([{**GOLD, "pattern": "A" * 41}], "account_rules.0.pattern"),
            ([{**GOLD, "pattern": 7}], "account_rules.0.pattern"),
            ([{**GOLD, "surprise": 1}], "account_rules.0.surprise"),
            ([{**GOLD, "order_ref": "two words"}], "account_rules.0.order_ref"),
            ("GOLD", "account_rules"),
            ([GOLD] * 201, "account_rules"),
        ],
        ids=["kind", "empty", "twice", "long", "number", "unknown", "order", "text", "many"],
    )
    def test_name_the_line_that_is_wrong(self, api, admin_key, paybill, rules, error):
        answer = api(admin_key).put(url(paybill), {"account_rules": rules})

        assert answer.status_code == 400
        assert error in [field for field, _code in errors(answer)]
        assert not AccountRule.objects.exists()

    def test_know_no_branch_of_a_neighbour(self, api, admin_key, paybill, neighbour):
        theirs = tenants.add_branch(shop=neighbour, code="CBD", name="Town")
        rule = {**GOLD, "branch": str(theirs.pk)}

        answer = api(admin_key).put(url(paybill), {"account_rules": [rule]})

        assert answer.status_code == 400
        assert [field for field, _code in errors(answer)] == ["account_rules.0.branch"]

    def test_are_their_own_shops(self, api, admin_key, neighbour_key, manager_key, paybill):
        api(admin_key).put(url(paybill), {"account_rules": [GOLD]})

        assert api(neighbour_key).get(url(paybill)).status_code == 404
        assert api(neighbour_key).put(url(paybill), {"account_rules": []}).status_code == 404
        assert api(manager_key).get(url(paybill)).status_code == 200
        assert api(manager_key).put(url(paybill), {"account_rules": []}).status_code == 403
        assert AccountRule.objects.count() == 1


class TestConfigsWithoutApi:
    def test_need_no_credentials_and_no_store_number(self, api, admin_key):
        body = {**BODY, "has_api": False}
        del body["credentials"], body["store_number"]

        made = api(admin_key).post(LIST, body)
        verified = api(admin_key).post(f"{LIST}/{made.json()['id']}/verify", {})
        active = api(admin_key).post(f"{LIST}/{made.json()['id']}/activate", {})

        assert (made.status_code, made.json()["has_api"]) == (201, False)
        assert [log["stage"] for log in verified.json()["logs"]] == ["fields"]
        assert active.json()["is_active"]
        assert api(admin_key).get("/payments/active-config").status_code == 404

    def test_switches_are_taken_and_shown(self, api, admin_key, paybill):
        given = {
            "refuses_unknown_accounts": True,
            "assigns_close_references": True,
            "recheck_above": "5000.00",
        }

        answer = api(admin_key).patch(f"{LIST}/{paybill.pk}", given)

        assert answer.status_code == 200
        assert given.items() <= answer.json().items()
        assert PaymentConfig.objects.get(pk=paybill.pk).refuses_unknown_accounts

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"has_api": "no"}, "has_api"),
            ({"recheck_above": 0}, "recheck_above"),
            ({"recheck_above": "1e3"}, "recheck_above"),
            ({"assigns_close_references": True}, "assigns_close_references"),
        ],
        ids=["text", "nothing", "float", "till"],
    )
    def test_take_no_nonsense(self, api, admin_key, till, given, field):
        answer = api(admin_key).patch(f"{LIST}/{till.pk}", given)

        assert (answer.status_code, [f for f, _code in errors(answer)]) == (400, [field])
