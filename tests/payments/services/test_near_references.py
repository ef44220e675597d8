from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from payments import references
from payments.choices import PaymentStatus
from payments.receipt_choices import RuleKind
from payments.services import near_references
from payments.services.account_rule_changes import NewRule, save_rules
from tests.payments.services.config_world import pay

# Well-formed, and so are its neighbours in no test: one sign wrong fails the check.
REFERENCE = f"{'K7Q2M9A'}{references._check_character('K7Q2M9A')}"
TYPED = f"{REFERENCE[:2]}O{REFERENCE[3:]}"


@pytest.fixture
def assigning(paybill):
    paybill.assigns_close_references = True
    paybill.save(update_fields=["assigns_close_references"])
    return paybill


@pytest.fixture
def ask(now):
    def ask(config, now=now, **more):
        given = {"account_reference": REFERENCE, "is_reference_ours": True, **more}
        status = given.pop("status", PaymentStatus.EXPIRED)
        done = {"completed_at": now} if status == PaymentStatus.COMPLETED else {}
        return pay_as(config, now, status=status, **done, **given)

    return ask


def pay_as(config, now, **more):
    reference = more.pop("account_reference")
    payment = pay(config, now, created_at=now, **more)
    type(payment).objects.filter(pk=payment.pk).update(account_reference=reference)
    payment.refresh_from_db()
    return payment


def suggest(config, typed, amount, now, **more):
    found = near_references.suggest(
        shop_id=config.shop_id,
        environment=config.environment,
        config=config,
        typed=typed,
        amount=None if amount is None else Decimal(amount),
        now=now,
        **more,
    )
    return [near.payment for near in found]


class TestSuggest:
    def test_offers_what_is_meant_exact_amount_first_then_slips_then_age(self, ask, paybill, now):
        other_amount = ask(paybill, amount=Decimal(250))
        two_slips = ask(paybill, account_reference="K7Q2MWWA")
        old = ask(
            paybill,
            now - timedelta(hours=3),
            account_reference=f"{REFERENCE[:7]}2",
            is_reference_ours=False,
        )
        ask(paybill, account_reference="ZZZZZZZZ")

        found = suggest(paybill, REFERENCE[:7], 100, now)

        assert found == [old, two_slips, other_amount]
        assert suggest(paybill, REFERENCE[:7], 100, now, limit=1) == [old]

    def test_says_why(self, ask, paybill, now):
        ask(paybill)
        near = near_references.suggest(
            shop_id=paybill.shop_id,
            environment="sandbox",
            config=paybill,
            typed=TYPED,
            amount=Decimal(99),
            now=now,
        )

        assert [each.why for each in near] == ["1 slip away from the reference, another amount."]

    @pytest.mark.parametrize(
        ("more", "is_open"),
        [
            ({"status": PaymentStatus.CREATED}, True),
            ({"status": PaymentStatus.PENDING}, True),
            ({"status": PaymentStatus.EXPIRED}, True),
            ({"status": PaymentStatus.COMPLETED, "receipt_pending": True}, True),
            ({"status": PaymentStatus.COMPLETED}, False),
            ({"status": PaymentStatus.FAILED}, False),
            ({"status": PaymentStatus.REVERSED}, False),
        ],
    )
    def test_only_what_is_open_or_awaits_its_receipt(self, ask, paybill, now, more, is_open):
        payment = ask(paybill, **more)

        assert suggest(paybill, TYPED, 100, now) == ([payment] if is_open else [])

    def test_not_what_was_asked_for_a_day_ago_or_later(self, ask, paybill, now):
        ask(paybill, now - timedelta(hours=24))
        ask(paybill, now + timedelta(minutes=1), account_reference=f"{REFERENCE[:7]}2")

        assert suggest(paybill, TYPED, 100, now) == []

    def test_every_config_of_the_number_but_no_other_number(
        self, ask, paybill, till, shop, branch, make_config, now
    ):
        same = make_config(
            shop, name="West", provider="mpesa_paybill", shortcode=paybill.shortcode, branch=branch
        )
        theirs = ask(same)
        ask(till, account_reference=f"{REFERENCE[:7]}2")

        assert suggest(paybill, TYPED, 100, now) == [theirs]

    def test_a_neighbours_payments_are_not_there(self, ask, paybill, neighbour, make_config, now):
        foreign = make_config(
            neighbour, name="P", provider="mpesa_paybill", shortcode=paybill.shortcode
        )
        ask(foreign)

        assert suggest(paybill, TYPED, 100, now) == []
        found = near_references.suggest(
            shop_id=paybill.shop_id,
            environment="sandbox",
            config=foreign,
            typed=TYPED,
            amount=Decimal(100),
            now=now,
        )
        assert found == []

    def test_asks_no_more_with_many_payments(
        self, ask, paybill, now, django_assert_max_num_queries
    ):
        for number in range(20):
            ask(paybill, account_reference=f"TILL-{number}", is_reference_ours=False)

        with django_assert_max_num_queries(3):
            assert len(suggest(paybill, "TILL-21", 100, now, limit=50)) == 20

    @pytest.mark.parametrize("typed", ["", "   ", "K" * 41])
    def test_offers_nothing_for_nothing(self, ask, paybill, now, typed):
        ask(paybill)

        assert suggest(paybill, typed, 100, now) == []


class TestSureMatch:
    @pytest.fixture
    def sure(self, assigning, now):
        def sure(typed=TYPED, amount=Decimal(100)):
            return near_references.sure_match(config=assigning, typed=typed, amount=amount, now=now)

        return sure

    def test_finds_the_one_that_is_meant(self, ask, assigning, sure):
        payment = ask(assigning)

        assert sure() == payment

    def test_not_unless_the_shop_wants_it(self, ask, paybill, now):
        ask(paybill)

        found = near_references.sure_match(
            config=paybill, typed=TYPED, amount=Decimal(100), now=now
        )
        assert found is None

    @pytest.mark.parametrize("amount", [Decimal("100.01"), Decimal(99), None])
    def test_not_with_another_amount(self, ask, assigning, sure, amount):
        ask(assigning)

        assert sure(amount=amount) is None

    def test_not_where_two_could_be_meant(self, ask, assigning, sure):
        ask(assigning)
        ask(assigning, account_reference=f"{REFERENCE[:7]}2", is_reference_ours=False)

        assert sure() is None

    def test_another_amount_does_not_stand_in_the_way(self, ask, assigning, sure):
        payment = ask(assigning)
        ask(assigning, account_reference=f"{REFERENCE[:7]}2", amount=Decimal(70))

        assert sure() == payment

    def test_not_a_whole_reference_of_ours(self, ask, assigning, sure):
        other = "K7Q2M9B" + references._check_character("K7Q2M9B")
        ask(assigning)

        assert references.distance(other, REFERENCE) <= 2
        assert sure(other) is None

    def test_not_a_reference_the_till_gave(self, ask, assigning, sure):
        ask(assigning, is_reference_ours=False)

        assert sure() is None

    def test_not_an_account_the_rules_name(self, ask, assigning, sure, actor, now):
        payment = ask(assigning)
        rules = [NewRule(RuleKind.DEFAULT, label="Rest")]
        save_rules(config=assigning, rules=rules, actor=actor, now=now)
        assert sure() == payment

        rules.append(NewRule(RuleKind.EXACT, TYPED, label="A customer of ours"))
        save_rules(config=assigning, rules=rules, actor=actor, now=now)
        assert sure() is None

    def test_a_prefix_left_out_is_forgiven(self, ask, assigning, sure):
        assigning.account_prefix = "DUKA"
        assigning.save(update_fields=["account_prefix"])
        payment = ask(assigning, account_reference=f"DUKA{REFERENCE}")

        assert sure(REFERENCE) == payment

    def test_three_slips_are_too_many(self, ask, assigning, sure):
        ask(assigning)

        assert sure(f"{REFERENCE[:5]}WWW") is None

    def test_not_where_more_are_open_than_were_read(self, ask, assigning, sure, monkeypatch):
        ask(assigning)
        ask(assigning, account_reference="ZZZZZZZZ")
        monkeypatch.setattr(near_references, "_LOOKED_AT", 1)

        assert sure() is None
