from __future__ import annotations

import pytest

from audit.actions import AuditAction
from audit.models import AuditEntry
from payments.errors import InvalidInput
from payments.models import AccountRule
from payments.receipt_choices import RuleKind
from payments.services import account_rules
from payments.services.account_rule_changes import MAX_RULES, NewRule, save_rules
from tenants import services as tenants

EXACT, PREFIX, DEFAULT = RuleKind.EXACT, RuleKind.PREFIX, RuleKind.DEFAULT
# The mapping of the older system (S1-6): default, beginnings with a star, whole accounts.
MAPPING = (
    NewRule(DEFAULT, label="Walk-in"),
    NewRule(PREFIX, "VIP*", label="VIP"),
    NewRule(PREFIX, "VIP-G*", label="VIP gold"),
    NewRule(EXACT, "vip-gold1", label="The first of gold", order_ref="ORD-1"),
    NewRule(EXACT, "007", label="Agent"),
)


@pytest.fixture
def save(paybill, actor, now):
    def save(*rules, config=paybill):
        return save_rules(config=config, rules=rules, actor=actor, now=now)

    return save


def refusals(save, *rules):
    with pytest.raises(InvalidInput) as refused:
        save(*rules)
    return [(field, code) for field, code, _detail in refused.value.errors]


class TestMatch:
    @pytest.mark.parametrize(
        ("reference", "label"),
        [
            ("VIP-GOLD1", "The first of gold"),
            ("  vip-gold1 ", "The first of gold"),
            ("VIP-GOLD2", "VIP gold"),
            ("vip-g", "VIP gold"),
            ("Vip", "VIP"),
            ("VI", "Walk-in"),
            ("", "Walk-in"),
            ("007", "Agent"),
            ("7", "Walk-in"),
            ("0070", "Walk-in"),
            ("VIP" + "X" * 500, "VIP"),
            ("\u200f007\x00", "Agent"),
            ("GOLD\ud800", "Walk-in"),
        ],
    )
    def test_exact_beats_the_longest_beginning_which_beats_the_default(
        self, save, paybill, reference, label
    ):
        save(*MAPPING)

        assert account_rules.match(paybill, reference).label == label

    def test_tells_label_branch_order_and_why(self, save, paybill, branch):
        save(NewRule(EXACT, "GOLD001", label="Gold", branch=branch, order_ref="ORD-9"))

        match = account_rules.match(paybill, "gold001")

        assert (match.label, match.branch_id, match.order_ref) == ("Gold", branch.pk, "ORD-9")
        assert match.is_named
        assert match.why == "It is exactly GOLD001."

    def test_finds_none_without_a_default(self, save, paybill):
        save(NewRule(PREFIX, "VIP", label="VIP"))

        assert account_rules.match(paybill, "GOLD") is None

    def test_the_default_names_no_account(self, save, paybill):
        save(NewRule(DEFAULT, label="Walk-in"))

        assert not account_rules.match(paybill, "GOLD").is_named

    def test_asks_once_however_many_rules_there_are(self, save, paybill, django_assert_num_queries):
        save(*(NewRule(PREFIX, f"A{number:03d}", label="A") for number in range(MAX_RULES)))

        with django_assert_num_queries(1):
            assert account_rules.match(paybill, "A123-and-more").rule.pattern == "A123"

    def test_another_config_and_another_shop_have_their_own(
        self, save, paybill, till, neighbour, make_config
    ):
        theirs = make_config(neighbour, name="Theirs", shortcode="174379")
        save(NewRule(DEFAULT, label="Theirs"), config=theirs)

        assert account_rules.match(paybill, "GOLD") is None
        assert account_rules.match(till, "GOLD") is None
        assert account_rules.explain(till, "GOLD") == []


class TestExplain:
    def test_says_of_every_rule_why_it_wins_or_not(self, save, paybill):
        save(*MAPPING)

        steps = account_rules.explain(paybill, "vip-gold1")

        assert [(step.rule.pattern, step.fits, step.wins) for step in steps] == [
            ("VIP-GOLD1", True, True),
            ("007", False, False),
            ("VIP-G", True, False),
            ("VIP", True, False),
            ("", True, False),
        ]
        assert [step.why for step in steps] == [
            "It is exactly VIP-GOLD1.",
            "It is not exactly this.",
            "It fits, but a more exact rule fits too.",
            "It fits, but a more exact rule fits too.",
            "It fits, but a more exact rule fits too.",
        ]

    def test_says_that_a_longer_beginning_won(self, save, paybill):
        save(*MAPPING)

        steps = account_rules.explain(paybill, "VIP-GREEN")

        assert {step.rule.pattern: step.why for step in steps}["VIP"] == (
            "It fits, but a longer beginning fits too."
        )


class TestSaveRules:
    def test_stores_beginnings_without_their_star_and_in_one_case(self, save):
        saved = save(NewRule(PREFIX, " vip* ", label=" VIP "), NewRule(DEFAULT, "*", label="Rest"))

        assert [(rule.kind, rule.pattern, rule.label) for rule in saved] == [
            ("prefix", "VIP", "VIP"),
            ("default", "", "Rest"),
        ]

    def test_replaces_what_was_there_and_keeps_what_stays(self, save, paybill):
        first = save(*MAPPING)
        kept = next(rule for rule in first if rule.pattern == "007")

        save(NewRule(EXACT, "007", label="Bond"), NewRule(EXACT, "008", label="New"))

        rows = AccountRule.objects.filter(config=paybill)
        assert {row.pattern: row.label for row in rows} == {"007": "Bond", "008": "New"}
        assert rows.get(pattern="007").pk == kept.pk

    def test_is_on_the_trail_with_before_and_after(self, save, paybill, branch):
        save(NewRule(EXACT, "007", label="Bond", branch=branch))
        save(NewRule(PREFIX, "0", order_ref="ORD-1"))

        entry = AuditEntry.objects.filter(action=AuditAction.ACCOUNT_RULES_CHANGED).latest("seq")

        assert entry.object_id == str(paybill.pk)
        assert entry.changes == [
            {"field": "account_rules", "old": ["007 → Bond · WEST"], "new": ["0* → ORD-1"]}
        ]

    def test_says_nothing_on_the_trail_where_nothing_changed(self, save):
        save(*MAPPING)
        save(*MAPPING)

        entries = AuditEntry.objects.filter(action=AuditAction.ACCOUNT_RULES_CHANGED)
        assert entries.count() == 1

    @pytest.mark.parametrize(
        ("rule", "error"),
        [
            (NewRule("often", "A", label="A"), ("kind", "invalid_choice")),
            (NewRule(EXACT, " ", label="A"), ("pattern", "required")),
            (NewRule(PREFIX, "*", label="A"), ("pattern", "required")),
            (NewRule(EXACT, "VIP*", label="A"), ("pattern", "invalid")),
            (NewRule(PREFIX, "V*P*", label="A"), ("pattern", "invalid")),
            (NewRule(EXACT, "A" * 41, label="A"), ("pattern", "invalid")),
            (NewRule(EXACT, "A\u202eB", label="A"), ("pattern", "invalid")),
            (NewRule(EXACT, "A\x00B", label="A"), ("pattern", "invalid")),
            (NewRule(DEFAULT, "A", label="A"), ("pattern", "not_applicable")),
            (NewRule(EXACT, "A", label="A" * 65), ("label", "invalid")),
            (NewRule(EXACT, "A", label="A\nB"), ("label", "invalid")),
            (NewRule(EXACT, "A", order_ref="two words"), ("order_ref", "invalid")),
            (NewRule(EXACT, "A"), ("label", "required")),
        ],
        ids=lambda value: (
            f"{value.kind}-{ascii(value.pattern)[:12]}" if isinstance(value, NewRule) else value[0]
        ),
    )
    def test_refuses_a_rule_that_says_nothing_or_cannot_be(self, save, paybill, rule, error):
        field, code = error
        fine = NewRule(EXACT, "FINE", label="Fine")

        assert (f"account_rules.1.{field}", code) in refusals(save, fine, rule)
        assert not AccountRule.objects.filter(config=paybill).exists()

    def test_refuses_the_same_twice_whatever_its_case(self, save):
        twice = refusals(
            save,
            NewRule(PREFIX, "vip", label="A"),
            NewRule(EXACT, "VIP", label="Another kind"),
            NewRule(PREFIX, "VIP*", label="B"),
            NewRule(DEFAULT, label="C"),
            NewRule(DEFAULT, "*", label="D"),
        )

        assert twice == [
            ("account_rules.2.pattern", "duplicate"),
            ("account_rules.4.pattern", "duplicate"),
        ]

    def test_another_shops_branch_does_not_exist(self, save, neighbour):
        theirs = tenants.add_branch(shop=neighbour, code="CBD", name="Town")

        refused = refusals(save, NewRule(EXACT, "A", label="A", branch=theirs))

        assert refused == [("account_rules.0.branch", "does_not_exist")]

    def test_refuses_more_than_anybody_can_read(self, save):
        many = [NewRule(EXACT, f"A{number}", label="A") for number in range(MAX_RULES + 1)]

        assert refusals(save, *many) == [("account_rules", "too_many")]
