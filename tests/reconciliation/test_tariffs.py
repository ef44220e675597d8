"""What a payment costs the shop: bands to the cent, who pays, and a past that never changes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from audit.models import AuditEntry
from payments.errors import InvalidInput
from payments.models import PaymentConfig
from reconciliation import tariffs
from reconciliation.choices import Bearer
from reconciliation.models import ConfigBearer, Tariff
from reconciliation.tariffs import NewBand

pytestmark = pytest.mark.django_db
NAIROBI = ZoneInfo("Africa/Nairobi")
JANUARY = date(2026, 1, 1)
# Free to 200, then 0.55 percent, never more than 200.
BANDS = (
    NewBand(Decimal(0), Decimal(0)),
    NewBand(Decimal(201), Decimal(0), Decimal("0.55")),
    NewBand(Decimal(36364), Decimal(200)),
)


@pytest.fixture
def save(actor, now):
    def call(bands=BANDS, **values):
        values = {
            "provider": "mpesa_till",
            "bearer": Bearer.MERCHANT,
            "effective_from": JANUARY,
            "source": "Tariff guide",
            **values,
        }
        return tariffs.save_tariff(bands=bands, actor=actor, now=now, **values)

    return call


@pytest.fixture
def bear(actor, now):
    def call(config, bearer, day):
        return tariffs.set_bearer(
            config=config, bearer=bearer, effective_from=day, actor=actor, now=now
        )

    return call


def at(year, month, day, hour=12, minute=0):
    return datetime(year, month, day, hour, minute, tzinfo=NAIROBI)


MAY = at(2026, 5, 4)


class TestTheBands:
    @pytest.mark.parametrize(
        ("amount", "charge"),
        [
            ("1", "0.00"),
            ("200", "0.00"),
            ("200.99", "0.00"),
            ("201", "1.11"),
            ("1000", "5.50"),
            ("36363", "200.00"),
            ("36363.99", "200.00"),
            ("36364", "200.00"),
            ("250000", "200.00"),
        ],
    )
    def test_hold_to_the_cent_at_their_edges(self, save, till, amount, charge):
        save()

        assert tariffs.expected_charge(till, Decimal(amount), MAY) == Decimal(charge)

    def test_round_half_a_cent_up(self, save, till):
        save(bands=[NewBand(Decimal(0), Decimal(0), Decimal("0.5"))])

        assert tariffs.expected_charge(till, Decimal(1), MAY) == Decimal("0.01")

    def test_say_nothing_below_the_first(self, save, till):
        save(bands=[NewBand(Decimal(1), Decimal(5))])

        assert tariffs.expected_charge(till, Decimal("0.50"), MAY) is None

    def test_of_another_provider_or_bearer_do_not_count(self, save, till, paybill):
        save(provider="mpesa_paybill")
        save(bearer=Bearer.SHARED)

        assert tariffs.expected_charge(till, Decimal(500), MAY) is None
        assert tariffs.expected_charge(paybill, Decimal(500), MAY) is None


class TestWhoPays:
    def test_is_the_merchant_at_a_till_and_unsaid_at_a_paybill(self, till, paybill):
        assert tariffs.bearer_at(till, JANUARY) == Bearer.MERCHANT
        assert tariffs.bearer_at(paybill, JANUARY) == ""

    def test_costs_the_shop_nothing_where_the_customer_pays(self, bear, paybill):
        bear(paybill, Bearer.CUSTOMER, JANUARY)

        assert tariffs.expected_charge(paybill, Decimal(500), MAY) == 0

    def test_changes_from_a_day_on_in_nairobi(self, save, bear, till):
        save()
        bear(till, Bearer.CUSTOMER, date(2026, 5, 4))

        before = tariffs.expected_charge(till, Decimal(1000), at(2026, 5, 3, 23, 59))
        after = tariffs.expected_charge(till, Decimal(1000), at(2026, 5, 4, 0, 0))

        assert (before, after) == (Decimal("5.50"), 0)

    def test_is_kept_with_who_said_so(self, bear, till):
        bear(till, Bearer.SHARED, JANUARY)

        entry = AuditEntry.objects.get(action="tariff.changed")
        assert (entry.shop, entry.object_id) == (till.shop, str(till.pk))

    def test_never_changes_backwards(self, bear, till):
        bear(till, Bearer.SHARED, date(2026, 5, 4))

        with pytest.raises(InvalidInput):
            bear(till, Bearer.CUSTOMER, date(2026, 5, 4))
        with pytest.raises(InvalidInput):
            bear(till, Bearer.CUSTOMER, date(2026, 5, 3))

        assert ConfigBearer.objects.get().bearer == Bearer.SHARED

    def test_may_be_corrected_until_its_day_is_over(self, bear, till, now):
        today = now.astimezone(NAIROBI).date()
        bear(till, Bearer.SHARED, today)

        bear(till, Bearer.CUSTOMER, today)

        assert ConfigBearer.objects.get().bearer == Bearer.CUSTOMER


class TestVersions:
    def test_a_new_tariff_leaves_the_past_as_it_was(self, save, till):
        save()
        save(effective_from=date(2026, 6, 1), bands=[NewBand(Decimal(0), Decimal(9))])

        last_of_may = tariffs.expected_charge(till, Decimal(1000), at(2026, 5, 31, 23, 59))
        first_of_june = tariffs.expected_charge(till, Decimal(1000), at(2026, 6, 1, 0, 0))

        assert (last_of_may, first_of_june) == (Decimal("5.50"), Decimal("9.00"))
        assert tariffs.expected_charge(till, Decimal(1000), at(2025, 12, 31)) is None

    @pytest.mark.parametrize("day", [JANUARY, date(2025, 12, 31)], ids=["same day", "before"])
    def test_none_begins_before_the_newest(self, save, day):
        save()

        with pytest.raises(InvalidInput):
            save(effective_from=day)

        assert Tariff.objects.count() == 1

    def test_one_that_has_begun_no_longer_changes(self, save):
        tariff = save()

        with pytest.raises(InvalidInput):
            save(tariff=tariff, bands=[NewBand(Decimal(0), Decimal(1))])

        assert tariff.bands.count() == len(BANDS)

    def test_one_that_has_not_begun_may_be_corrected(self, save, now):
        later = (now + timedelta(days=3)).date()
        tariff = save(effective_from=later)

        save(tariff=tariff, effective_from=later, bands=[NewBand(Decimal(0), Decimal(1))])

        assert Tariff.objects.get().bands.get().charge == 1
        assert AuditEntry.objects.filter(action="tariff.changed", shop=None).count() == 2

    @pytest.mark.parametrize(
        "bands",
        [
            [],
            [NewBand(Decimal(100), Decimal(0))],
            [NewBand(Decimal(0), Decimal(0)), NewBand(Decimal(0), Decimal(1))],
            [NewBand(Decimal(0), Decimal(-1))],
            [NewBand(Decimal(0), Decimal(0), Decimal(101))],
            [NewBand(Decimal(number), Decimal(0)) for number in range(101)],
        ],
        ids=["none", "a gap", "twice", "negative", "too much", "too many"],
    )
    def test_refuse_bands_that_make_no_sense(self, save, bands):
        with pytest.raises(InvalidInput):
            save(bands=bands)

        assert not Tariff.objects.exists()


class TestManyConfigs:
    def test_are_asked_in_few_statements(
        self, save, shop, make_config, django_assert_max_num_queries
    ):
        save()
        for number in range(5):
            make_config(shop, name=f"Till {number}", shortcode=f"17437{number}")
        configs = list(PaymentConfig.objects.all())

        with django_assert_max_num_queries(3):
            found = tariffs.schedules_of(configs)

        assert {each.expected(Decimal(1000), MAY) for each in found.values()} == {Decimal("5.50")}
