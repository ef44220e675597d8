"""
The database is what the models say, and holds what only a database can hold.

That migrating from zero works is shown by every other test: their database was made so.
"""

from __future__ import annotations

from decimal import Decimal
from io import StringIO

import pgtrigger
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from payments.models import CallbackSource, Evidence, Payment, PaymentConfig, Transition
from payments.states import PAYMENT_MOVES
from tenants.models import RateWindow
from tests import world

pytestmark = pytest.mark.django_db

OURS = ("tenants", "audit", "payments", "reconciliation")
MODELS = [
    m for label in OURS if apps.is_installed(label) for m in apps.get_app_config(label).get_models()
]


@pytest.fixture(scope="module")
def corner(django_db_setup, django_db_blocker):
    with world.kept(django_db_blocker):
        yield world.furnish(name="Duka", number=60, now=timezone.now())


def names(statement, *params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return {row[0] for row in cursor.fetchall()}


def refused(change):
    """Tell whether the database refuses a change, and leave the transaction usable."""
    try:
        with transaction.atomic():
            change()
    except DatabaseError:
        return True
    return False


class TestTheMigrations:
    def test_are_all_written(self):
        output = StringIO()
        try:
            call_command("makemigrations", check=True, dry_run=True, stdout=output)
        except SystemExit:
            pytest.fail(output.getvalue())

    @pytest.mark.parametrize("label", OURS)
    def test_can_be_taken_back(self, label):
        """Each step has a way back that can be written down."""
        loader = MigrationLoader(connection, replace_migrations=False)
        for key, migration in loader.graph.nodes.items():
            if key[0] != label:
                continue
            assert all(operation.reversible for operation in migration.operations), key
            assert loader.collect_sql([(migration, True)]), key

    def test_have_one_end_each(self):
        assert MigrationLoader(connection).detect_conflicts() == {}

    def test_list_where_callbacks_come_from(self):
        networks = set(CallbackSource.objects.values_list("network", flat=True))

        assert len(networks) >= 12
        assert all(network.startswith("196.201.21") for network in networks)


class TestTheTables:
    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
    def test_hold_every_constraint_and_index(self, model):
        table = model._meta.db_table
        there = names("SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass", table)
        there |= names("SELECT indexname FROM pg_indexes WHERE tablename = %s", table)
        wanted = {row.name for row in (*model._meta.constraints, *model._meta.indexes)}

        assert wanted - there == set()

    def test_hold_every_trigger(self):
        there = names("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
        wanted = {trigger.get_pgid(model) for model, trigger in pgtrigger.registered()}

        assert {"payment_moves", "evidence_append_only", "transition_append_only"} <= {
            trigger.name for _model, trigger in pgtrigger.registered()
        }
        assert wanted - there == set()

    def test_count_without_a_log(self):
        persistence = names(
            "SELECT relpersistence FROM pg_class WHERE relname = %s", RateWindow._meta.db_table
        )

        assert {each.decode() if isinstance(each, bytes) else each for each in persistence} == {"u"}

    def test_never_lose_a_shop_with_its_rows(self):
        """Nothing of ours cascades: money rows outlive whatever they point at."""
        cascading = {
            f"{model._meta.label}.{field.name}"
            for model in MODELS
            for field in model._meta.fields
            if field.is_relation and field.remote_field.on_delete.__name__ == "CASCADE"
        }

        assert cascading == set()


class TestTheTriggers:
    def test_allow_the_moves_of_the_table_and_no_other(self, corner):
        payment = corner.payments["here"].pk
        statuses = [str(status) for status in PAYMENT_MOVES]

        def put(status):
            # Whoever could switch the trigger off could do anything; here it is the test.
            with pgtrigger.ignore("payments.Payment:payment_moves"):
                Payment.objects.filter(pk=payment).update(status=status)

        for old in statuses:
            allowed = {str(status) for status in PAYMENT_MOVES[old]} | {old}
            for new in statuses:
                put(old)
                change = Payment.objects.filter(pk=payment).update
                assert refused(lambda c=change, n=new: c(status=n)) is (new not in allowed), (
                    old,
                    new,
                )

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": Decimal(151)},
            {"currency": "USD"},
            {"environment": "production"},
            {"order_ref": "another"},
            {"branch": None},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_keep_money_as_it_was(self, corner, change):
        row = Payment.objects.filter(pk=corner.payments["here"].pk)

        assert refused(lambda: row.update(**change))

    @pytest.mark.parametrize("model", [Evidence, Transition])
    def test_keep_history(self, corner, model):
        rows = model.objects.filter(shop=corner.shop)
        changes = {Evidence: {"amount": 1}, Transition: {"why": "another"}}[model]

        assert rows.exists()
        assert refused(lambda: rows._raw_delete(rows.db))
        assert refused(lambda: rows.update(**changes))


class TestTheConstraints:
    def test_let_nothing_unverified_be_active(self, corner):
        config = PaymentConfig.objects.filter(pk=corner.configs["here"].pk)

        with pytest.raises(IntegrityError, match="config_active_only_if_verified"):
            config.update(status="suspended", is_active=True)

    def test_let_no_payment_complete_without_a_time(self, corner):
        payment = Payment.objects.filter(pk=corner.payments["here"].pk)

        with pytest.raises(IntegrityError, match="payment_completed_has_time"):
            payment.update(completed_at=None)
