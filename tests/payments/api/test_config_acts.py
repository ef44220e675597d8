from __future__ import annotations

from datetime import timedelta

import pytest
from drf_spectacular.generators import SchemaGenerator

from audit.models import AuditEntry
from payments.models import GoLiveApproval
from payments.services import approvals
from tenants.models import User
from tenants.services import grant_role
from tests.conftest import DARAJA_SECRETS
from tests.payments.api.config_requests import BODY, LIST, errors, of

pytestmark = pytest.mark.django_db
STAGES = ["fields", "base_url", "oauth", "passkey", "callback", "urls"]


class TestDetail:
    def test_puts_defaults_where_nothing_is_said(self, api, admin_key, till):
        client = api(admin_key)
        client.patch(of(till), {"priority": 4, "purposes": ["rent"], "daily_limit": "9"})
        body = {name: value for name, value in BODY.items() if name != "credentials"}

        answer = client.put(of(till), body).json()

        assert (answer["priority"], answer["purposes"], answer["daily_limit"]) == (0, [], None)
        assert answer["credentials"]["consumer_key"] == "****abcd"

    def test_patches_only_what_is_said(self, api, admin_key, till):
        client = api(admin_key)
        client.patch(of(till), {"priority": 4, "metadata": {"a": 1}})

        answer = client.patch(of(till), {"name": "Front"}).json()

        assert (answer["name"], answer["priority"], answer["metadata"]) == ("Front", 4, {"a": 1})

    def test_wants_a_whole_config_in_a_put(self, api, admin_key, till):
        response = api(admin_key).put(of(till), {"name": "Front"})

        assert errors(response) == {("provider", "required"), ("shortcode", "required")}

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_leaves_credentials_of_a_verified_one_to_rotation(self, api, admin_key, till, method):
        response = api(admin_key).send(method, of(till), BODY)

        assert response.status_code == 409
        assert response.json()["code"] == "invalid_transition"
        assert response.json()["allowed"] == ["expired", "suspended"]

    def test_takes_new_credentials_in_draft(self, api, admin_key, shop, make_config):
        config = make_config(shop, status="draft")

        body = (
            api(admin_key)
            .patch(of(config), {"credentials": {"consumer_key": "another-key-wxyz"}})
            .json()
        )

        assert body["credentials"]["consumer_key"] == "****wxyz"
        assert body["credentials"]["passkey"] == "********"
        assert body["version"] == 2

    def test_is_gone_once_deleted(self, api, admin_key, till):
        client = api(admin_key)

        response = client.delete(of(till))

        assert (response.status_code, response.content) == (204, b"")
        assert client.get(of(till)).status_code == 404
        assert client.delete(of(till)).status_code == 404
        assert client.get(LIST).json()["results"] == []


class TestDeleting:
    @pytest.mark.parametrize(
        ("query", "body"),
        [("?reason=Closed%20branch", None), ("", {"reason": "Closed branch"})],
        ids=["in the query", "in the body"],
    )
    def test_keeps_the_reason_on_the_trail(self, api, admin_key, till, query, body):
        response = api(admin_key).send("DELETE", of(till) + query, body)

        assert (response.status_code, response.content) == (204, b"")
        entry = AuditEntry.objects.get(action="payment_config.deleted")
        assert (entry.reason, entry.actor_kind) == ("Closed branch", "api_key")

    @pytest.mark.parametrize(
        ("query", "body", "fault"),
        [
            ("?reason=" + "x" * 201, None, ("reason", "max_length")),
            ("", {"reason": 7}, ("reason", "not_text")),
            ("", {"why": "x"}, ("why", "unknown_field")),
            ("?why=x", None, ("why", "unknown_field")),
            ("?reason=a&reason=b", None, ("reason", "repeated")),
        ],
        ids=["too long", "no text", "surplus in the body", "surplus in the query", "twice"],
    )
    def test_changes_nothing_where_it_is_not_understood(
        self, api, admin_key, till, query, body, fault
    ):
        response = api(admin_key).send("DELETE", of(till) + query, body)

        till.refresh_from_db()
        assert response.status_code == 400
        assert errors(response) == {fault}
        assert till.deleted_at is None


class TestActivatingForReal:
    @pytest.fixture
    def live(self, shop, make_config, now):
        config = make_config(shop, environment="production", shortcode="600777", is_active=False)
        config.proven_at = now
        config.save(update_fields=["proven_at"])
        return config

    @pytest.fixture
    def person(self, shop):
        def make(name):
            user = User.objects.create_user(f"{name}@duka.test", None)
            grant_role(user=user, shop=shop, role="admin")
            return user

        return make

    @pytest.fixture
    def live_key(self, shop, issue_key, person):
        return issue_key(shop, "admin", environment="production", created_by=person("amina"))

    def test_opens_the_request_once_and_says_who_must_act(self, api, live_key, live):
        answers = [api(live_key).post(of(live, "activate")) for _time in range(3)]

        assert {answer.status_code for answer in answers} == {409}
        body = answers[0].json()
        assert (body["code"], body["missing"], body["approval"]) == (
            "invalid_transition",
            ["approval"],
            "open",
        )
        assert "second person must approve it in the admin" in body["detail"]
        assert answers[0].content == answers[2].content
        asked = GoLiveApproval.objects.get()
        assert (asked.asked_by_label, asked.asked_by.email) == ("duka admin", "amina@duka.test")
        assert AuditEntry.objects.filter(action="payment_config.approval_asked").count() == 1
        live.refresh_from_db()
        assert not live.is_active

    def test_works_once_a_person_said_yes(self, api, live_key, live, person, actor, now):
        api(live_key).post(of(live, "activate"))
        baraka = person("baraka")

        approval = GoLiveApproval.objects.get()
        approvals.approve(approval=approval, user=baraka, note="Seen", actor=actor, now=now)

        assert api(live_key).post(of(live, "activate")).json()["is_active"]

    def test_is_not_decided_by_whoever_issued_the_key(
        self, api, live_key, live, person, actor, now
    ):
        api(live_key).post(of(live, "activate"))
        person("baraka")
        approval, amina = GoLiveApproval.objects.get(), live_key.row.created_by

        with pytest.raises(approvals.NotASecondPerson):
            approvals.approve(approval=approval, user=amina, note="Me", actor=actor, now=now)

    def test_does_not_ask_again_after_a_no(self, api, live_key, live, person, actor, now):
        api(live_key).post(of(live, "activate"))
        approval = GoLiveApproval.objects.get()
        approvals.refuse(
            approval=approval, user=person("baraka"), note="Wrong till", actor=actor, now=now
        )

        response = api(live_key).post(of(live, "activate"))

        assert (response.status_code, response.json()["approval"]) == (409, "refused")
        assert GoLiveApproval.objects.count() == 1

    def test_asks_anew_of_what_was_verified_again(self, api, live_key, live, now):
        api(live_key).post(of(live, "activate"))
        GoLiveApproval.objects.update(asked_at=now - timedelta(hours=1))
        live.verified_at = now - timedelta(minutes=1)
        live.save(update_fields=["verified_at"])

        response = api(live_key).post(of(live, "activate"))

        assert response.json()["approval"] == "open"
        assert GoLiveApproval.objects.filter(decided_at=None).count() == 1
        assert GoLiveApproval.objects.count() == 2

    def test_asks_nobody_for_what_is_not_proven(self, api, live_key, live):
        live.proven_at = None
        live.save(update_fields=["proven_at"])

        response = api(live_key).post(of(live, "activate"))

        assert (response.status_code, response.json()["code"]) == (409, "not_verified")
        assert not GoLiveApproval.objects.exists()

    def test_is_told_in_the_docs(self):
        operation = SchemaGenerator().get_schema(request=None, public=True)["paths"][
            "/api/v1/payments/configs/{config_id}/activate"
        ]["post"]

        assert "A key never approves" in operation["description"]


class TestActs:
    def test_takes_a_config_from_draft_to_the_first_payment(self, api, admin_key, daraja):
        client = api(admin_key)
        path = f"{LIST}/{client.post(LIST, BODY).json()['id']}"

        refused = client.post(f"{path}/activate")
        verified = client.post(f"{path}/verify").json()
        active = client.post(f"{path}/activate", {}).json()
        default = client.post(f"{path}/set-default").json()

        assert (refused.status_code, refused.json()["code"]) == (409, "not_verified")
        assert [log["stage"] for log in verified["logs"]] == STAGES
        assert verified["config"]["status"] == "verified"
        assert verified["config"]["token_expires_at"]
        assert active["is_active"]
        assert default["is_default"]
        found = client.get("/payments/active-config").json()
        assert found["config"]["id"] == active["id"]
        logs = client.get(f"{path}/verification-logs").json()
        assert [log["stage"] for log in logs["results"]] == STAGES[::-1]

    def test_answers_what_safaricom_refused(self, api, admin_key, daraja):
        client = api(admin_key)
        secrets = {**DARAJA_SECRETS, "consumer_secret": "bad-one"}
        created = client.post(LIST, {**BODY, "credentials": secrets}).json()

        response = client.post(f"{LIST}/{created['id']}/verify")

        assert response.status_code == 200
        assert response.json()["config"]["status"] == "failed"
        assert response.json()["logs"][-1]["result"] == "failed"
        assert "bad-one" not in response.text

    def test_asks_for_missing_credentials(self, api, admin_key):
        client = api(admin_key)
        created = client.post(LIST, {**BODY, "credentials": {"passkey": "p"}}).json()

        response = client.post(f"{LIST}/{created['id']}/verify")

        assert (response.status_code, response.json()["code"]) == (400, "credentials_required")
        assert errors(response) == {
            ("credentials.consumer_key", "required"),
            ("credentials.consumer_secret", "required"),
        }

    def test_suspends_and_restores(self, api, admin_key, till, daraja):
        client = api(admin_key)

        suspended = client.post(of(till, "suspend"), {"reason": "Stolen phone"}).json()
        again = client.post(of(till, "suspend"), {"reason": "Stolen phone"})
        restored = client.post(of(till, "restore"), {"reason": "Found"}).json()

        assert (suspended["status"], suspended["is_active"]) == ("suspended", False)
        assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
        assert (restored["status"], restored["is_active"]) == ("verified", False)

    @pytest.mark.parametrize("act", ["suspend", "restore"])
    @pytest.mark.parametrize("body", [None, {}, {"reason": " "}, {"reason": "x" * 201}])
    def test_wants_a_reason(self, api, admin_key, till, act, body):
        response = api(admin_key).post(of(till, act), body)

        assert response.status_code == 400
        assert {field for field, _code in errors(response)} == {"reason"}

    @pytest.mark.parametrize("act", ["activate", "deactivate", "set-default", "verify"])
    def test_takes_no_field_it_does_not_know(self, api, admin_key, till, act):
        response = api(admin_key).post(of(till, act), {"force": True})

        assert errors(response) == {("force", "unknown_field")}

    def test_deactivates(self, api, admin_key, till):
        assert api(admin_key).post(of(till, "deactivate")).json()["is_active"] is False


class TestActiveConfig:
    def test_says_why(self, api, manager_key, till, paybill):
        body = api(manager_key).get("/payments/active-config", {"amount": "150"}).json()

        assert body["config"]["id"] == str(till.pk)
        assert body["resolution"] == [
            {
                "config": str(till.pk),
                "name": "Main till",
                "level": "shop",
                "chosen": True,
                "why": "chosen",
            },
            {
                "config": str(paybill.pk),
                "name": "Paybill",
                "level": "shop",
                "chosen": False,
                "why": "lower_priority",
            },
        ]

    def test_says_why_there_is_none(self, api, admin_key, shop, make_config):
        make_config(shop, is_active=False)

        response = api(admin_key).get("/payments/active-config")

        assert (response.status_code, response.json()["code"]) == (404, "no_active_config")
        assert [step["why"] for step in response.json()["resolution"]] == ["inactive"]

    def test_answers_the_same_where_the_amount_does_not_fit(self, api, admin_key, till):
        response = api(admin_key).get("/payments/active-config?amount=250001")

        assert (response.status_code, response.json()["code"]) == (404, "no_active_config")
        assert response.json()["resolution"][0]["why"] == "amount_above_maximum"

    def test_looks_from_a_branch(self, api, admin_key, branch, till, shop, make_config):
        own = make_config(shop, branch=branch)

        found = api(admin_key).get("/payments/active-config", {"branch": str(branch.pk)}).json()

        assert found["config"]["id"] == str(own.pk)

    @pytest.mark.parametrize(
        "query", ["environment=production", "amount=1e3", "amount=-1", "colour=red", "branch=x"]
    )
    def test_is_strict(self, api, admin_key, till, query):
        assert api(admin_key).get(f"/payments/active-config?{query}").status_code == 400
