"""The page of a config's account rules: the box that explains, and the editor."""

from __future__ import annotations

import pytest
from django.urls import reverse

from audit.models import AuditEntry
from payments.models import AccountRule, Payment
from payments.receipt_choices import RuleKind
from payments.services.account_rule_changes import NewRule, save_rules
from tests.world import ACTOR

pytestmark = pytest.mark.django_db
EXACT, PREFIX, DEFAULT = RuleKind.EXACT, RuleKind.PREFIX, RuleKind.DEFAULT


def page(config):
    return reverse("admin:payments_paymentconfig_rules", args=[config.pk])


@pytest.fixture
def config(ours):
    return ours.configs["shop"]


@pytest.fixture
def admin(ours, browse):
    return browse(ours.users["admin"])


@pytest.fixture
def ruled(config, now):
    rules = [
        NewRule(EXACT, "GOLD001", label="Gold"),
        NewRule(PREFIX, "GOLD", label="Metals"),
        NewRule(DEFAULT, label="Walk-in"),
    ]
    return save_rules(config=config, rules=rules, actor=ACTOR, now=now)


def lines(client, config, *changed, **more):
    """Fill the editor in as a browser does: what it shows, with some fields typed over."""
    editor = client.get(page(config)).context_data["lines"]
    given = {"seen": editor.seen}
    for name, value in editor.management_form.initial.items():
        given[f"rule-{name}"] = value
    for number, line in enumerate(editor):
        for name in line.fields:
            value = line.get_initial_for_field(line.fields[name], name)
            given[f"rule-{number}-{name}"] = "" if value in (None, False) else value

    for number, values in changed:
        given |= {f"rule-{number}-{name}": value for name, value in values.items()}
    return {name: value for name, value in given.items() if value != ""} | more


def rules(config):
    rows = AccountRule.objects.filter(config=config).order_by("kind", "pattern")
    return [(str(row.kind), row.pattern, row.label) for row in rows]


class TestWhoMayOpenIt:
    def test_follows_the_matrix(self, ours, config, support, root, browse):
        people = {**ours.users, "support": support, "root": root}
        found = {post: browse(user).get(page(config)).status_code for post, user in people.items()}

        assert found == {
            "admin": 200,
            "manager": 200,
            "cashier": 404,
            "branch_cashier": 404,
            "branch_admin": 404,
            "support": 403,
            "root": 200,
        }

    def test_a_neighbours_rules_are_not_there(self, theirs, admin):
        config = theirs.configs["shop"]

        assert admin.get(page(config)).status_code == 404
        assert admin.post(page(config), {}).status_code == 404

    def test_a_manager_looks_and_does_not_touch(self, ours, config, ruled, browse):
        client = browse(ours.users["manager"])
        answer = client.get(page(config))

        assert answer.context_data["lines"] is None
        assert "GOLD001" in answer.content.decode()
        assert client.post(page(config), {"seen": ""}).status_code == 403
        assert len(rules(config)) == 3

    def test_only_looking_and_saving(self, admin, config):
        assert admin.put(page(config)).status_code == 405

    def test_the_config_leads_to_it(self, admin, config):
        shown = admin.get(reverse("admin:payments_paymentconfig_change", args=[config.pk]))

        assert page(config) in shown.content.decode()


class TestEditor:
    def test_writes_rules_down(self, admin, config, ours):
        here = ours.branches["here"]
        asked = lines(
            admin,
            config,
            (0, {"kind": PREFIX, "pattern": "vip*", "label": "VIP", "branch": str(here.pk)}),
            (2, {"kind": DEFAULT, "label": "Walk-in"}),
        )

        answer = admin.post(page(config), asked)

        assert (answer.status_code, answer.url) == (302, page(config))
        assert rules(config) == [("default", "", "Walk-in"), ("prefix", "VIP", "VIP")]
        assert AccountRule.objects.get(pattern="VIP").branch == here
        entry = AuditEntry.objects.get(action="payment_config.account_rules_changed")
        assert entry.actor_label == ours.users["admin"].email

    def test_changes_and_takes_away(self, admin, config, ruled):
        asked = lines(admin, config, (0, {"label": "Gold one"}), (1, {"DELETE": "on"}))

        admin.post(page(config), asked)

        assert rules(config) == [("default", "", "Walk-in"), ("exact", "GOLD001", "Gold one")]

    def test_saved_as_it_stands_changes_nothing(self, admin, config, ruled):
        before = AuditEntry.objects.count()

        assert admin.post(page(config), lines(admin, config)).status_code == 302

        assert len(rules(config)) == 3
        assert AuditEntry.objects.count() == before

    def test_says_at_the_line_what_is_wrong_and_keeps_what_was_typed(self, admin, config, ruled):
        asked = lines(
            admin,
            config,
            (1, {"DELETE": "on"}),
            (3, {"kind": EXACT, "pattern": "gold001", "label": "Again"}),
            (4, {"kind": EXACT, "pattern": "EMPTY"}),
        )

        answer = admin.post(page(config), asked)
        editor = answer.context_data["lines"]

        assert answer.status_code == 200
        assert editor.forms[3].errors == {"pattern": ["Rule 1 is the same."]}
        assert list(editor.forms[4].errors) == ["label"]
        assert "Again" in answer.content.decode()
        assert len(rules(config)) == 3

    def test_does_not_write_over_what_somebody_else_wrote_meanwhile(
        self, admin, config, ruled, now
    ):
        asked = lines(admin, config, (0, {"label": "Mine"}))
        theirs = [NewRule(EXACT, "OTHER", label="Theirs")]
        save_rules(config=config, rules=theirs, actor=ACTOR, now=now)

        answer = admin.post(page(config), asked)

        assert "Somebody else changed the rules" in answer.content.decode()
        assert rules(config) == [("exact", "OTHER", "Theirs")]

    @pytest.mark.parametrize(
        "broken",
        [
            {"rule-TOTAL_FORMS": "many"},
            {"rule-TOTAL_FORMS": "9999"},
            {"rule-0-branch": "x"},
            {"rule-0-kind": "often"},
            {"rule-0-pattern": "A" * 500},
            {"seen": ""},
        ],
        ids=["no-count", "too-many", "branch", "kind", "long", "unseen"],
    )
    def test_takes_no_nonsense(self, admin, config, ruled, broken):
        before = rules(config)

        answer = admin.post(page(config), lines(admin, config, **broken))

        assert answer.status_code == 200
        assert rules(config) == before

    def test_offers_no_branch_of_a_neighbour(self, admin, config, theirs):
        foreign = theirs.branches["here"]
        asked = lines(admin, config, (0, {"pattern": "A", "label": "A", "branch": str(foreign.pk)}))

        answer = admin.post(page(config), asked)

        assert answer.status_code == 200
        assert str(foreign.name) not in answer.content.decode()
        assert rules(config) == []

    def test_the_platform_says_why(self, root, config, browse):
        client = browse(root)
        asked = lines(client, config, (0, {"pattern": "A", "label": "A"}))

        assert client.post(page(config), asked).status_code == 200
        client.post(page(config), {**asked, "reason": "Ticket 12"})

        assert rules(config) == [("exact", "A", "A")]
        entry = AuditEntry.objects.get(action="payment_config.account_rules_changed")
        assert entry.reason == "Ticket 12"


class TestTryBox:
    def ask(self, client, config, **given):
        return client.get(page(config), given).context_data["tried"]

    def test_explains_step_by_step_and_saves_nothing(self, admin, config, ruled):
        before = AuditEntry.objects.count()

        tried = self.ask(admin, config, reference=" gold001")

        assert tried["verdict"]["text"] == "GOLD001 means: Gold"
        assert tried["verdict"]["detail"] == "It is exactly GOLD001."
        rows = [dict(row) for row in tried["tables"][0]["rows"]]
        assert [row["A reference that"] for row in rows] == [
            "is exactly GOLD001",
            "begins with GOLD*",
            "is anything else",
        ]
        assert ["Wins" in row["Result"] for row in rows] == [True, False, False]
        assert rows[1]["Why"] == "It fits, but a more exact rule fits too."
        assert AuditEntry.objects.count() == before

    def test_says_where_no_rule_fits(self, admin, config):
        tried = self.ask(admin, config, reference="GOLD001")

        assert tried["verdict"]["is_bad"]
        assert tried["tables"] == []
        assert "not a reference Malipo made" in tried["check"]

    def test_asks_did_you_mean(self, admin, ours):
        config = ours.configs["here"]
        payment = Payment.objects.filter(config=config).get()
        Payment.objects.filter(pk=payment.pk).update(receipt_pending=True)
        reference = payment.account_reference
        typed = f"{reference[:-1]}{'2' if reference[-1] != '2' else '3'}"

        tried = self.ask(admin, config, reference=typed, amount="150")

        assert "something was mistyped" in tried["check"]
        rows = [dict(row) for row in tried["tables"][-1]["rows"]]
        assert [row["Reference"] for row in rows] == [reference]
        assert rows[0]["Why"] == "1 slip away from the reference, the same amount."
        assert "its check character fits" in self.ask(admin, config, reference=reference)["check"]

    @pytest.mark.parametrize(
        "given",
        [{"reference": "A" * 41}, {"reference": "A", "amount": "x"}, {"reference": "A\x00"}],
        ids=["long", "amount", "nul"],
    )
    def test_takes_no_nonsense(self, admin, config, given):
        assert self.ask(admin, config, **given) is None

    def test_the_branchs_admin_is_told_of_his_own_branchs_payments_alone(
        self, ours, browse, theirs
    ):
        here = ours.configs["here"]
        payment = Payment.objects.filter(config=here).get()
        Payment.objects.filter(pk=payment.pk).update(receipt_pending=True)
        client = browse(ours.users["branch_admin"])
        asked = {"reference": payment.account_reference}

        assert len(self.ask(client, here, **asked)["tables"]) == 1
        same = {"shortcode": here.shortcode}
        type(here).objects.filter(pk=ours.configs["elsewhere"].pk).update(**same)
        other = Payment.objects.filter(config=ours.configs["elsewhere"]).get()
        Payment.objects.filter(pk=other.pk).update(receipt_pending=True)
        assert self.ask(client, here, reference=other.account_reference)["tables"] == []

    def test_is_in_swahili_too(self, admin, config, ruled):
        answer = admin.get(
            page(config), {"reference": "gold001"}, headers={"accept-language": "sw"}
        )

        assert answer.status_code == 200
