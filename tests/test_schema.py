"""
The OpenAPI document and the API agree.

Schemathesis makes calls from the document, good ones and bad ones, and holds every answer against
it; nothing may be a 500, and nothing may answer with what the document does not know.
"""

from __future__ import annotations

import json
import logging

import pytest
import schemathesis
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests import world
from tests.routes import api_routes, calls

pytestmark = pytest.mark.django_db

DOCUMENT = SchemaGenerator().get_schema(request=None, public=True)
SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT, default=str)))
SCHEMA.app = get_wsgi_application()
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
EXAMPLES = {GenerationMode.POSITIVE: 6, GenerationMode.NEGATIVE: 4}


@pytest.fixture(scope="module")
def corner(django_db_setup, django_db_blocker):
    with world.kept(django_db_blocker):
        yield world.furnish(name="Duka", number=60, now=timezone.now())


@pytest.fixture(scope="module")
def headers(corner):
    return {"Authorization": f"Bearer {world.issue(corner.shop, 'admin')}"}


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class TestTheDocument:
    def test_is_valid_and_made_without_a_doubt(self, tmp_path):
        call_command(
            "spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "api.yaml")
        )

    def test_names_every_call(self):
        documented = {
            (path, method.upper()) for path, row in DOCUMENT["paths"].items() for method in row
        }
        there = {
            (f"/api/v1/{plain(route)}", method)
            for route, method in calls()
            if route in api_routes()
        }

        assert documented == there

    def test_is_served_to_everybody(self, client):
        served = client.get("/api/schema", headers={"Accept": "application/json"}).json()

        assert served["paths"].keys() == DOCUMENT["paths"].keys()

    def test_gives_every_answer_a_form(self):
        shapeless = {
            (path, method, status)
            for path, row in DOCUMENT["paths"].items()
            for method, operation in row.items()
            for status, answer in operation["responses"].items()
            for media in answer.get("content", {}).values()
            if not {"$ref", "items", "properties"} & media["schema"].keys()
        }

        assert shapeless == set()


def plain(route):
    return route.replace("<uuid:", "{").replace("<str:", "{").replace(">", "}")


class TestTheApi:
    @pytest.mark.parametrize("mode", list(EXAMPLES), ids=lambda mode: mode.value)
    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
    def test_answers_as_the_document_says(self, corner, headers, daraja, operation, mode):
        real = {"config_id": corner.configs["here"].pk, "payment_id": corner.payments["here"].pk}
        real["code"] = "1032"
        real["receipt_id"] = corner.receipts["here"].pk
        real["review_id"] = corner.reviews["here"].pk
        real["endpoint_id"] = corner.webhooks["here"].pk
        real["delivery_id"] = corner.deliveries["here"].pk
        turn = iter(range(10_000))

        @settings(
            max_examples=EXAMPLES[mode],
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case):
            # Every other call is about something that is there.
            if next(turn) % 2 == 0:
                for name in case.path_parameters or {}:
                    case.path_parameters[name] = str(real[name])
            if "wait" in (case.query or {}):
                case.query["wait"] = "0"
            case.call_and_validate(checks=CHECKS, headers=headers)

        with world.one_connection():
            call()
