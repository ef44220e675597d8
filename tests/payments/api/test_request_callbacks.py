from __future__ import annotations

import uuid
from urllib.parse import urlsplit

import pytest
from django.test import Client

from payments.callback_urls import request_urls
from payments.choices import CallbackKind
from payments.models import ProviderCallback
from tests.daraja import SAFARICOM_ADDRESS
from tests.payloads import body_of

pytestmark = pytest.mark.django_db

SUBJECT = uuid.UUID(int=7)
RESULT, TIMEOUT = (urlsplit(url).path for url in request_urls(SUBJECT))
BODY = body_of("txn_status_result", "03-not-found-2032-2026").encode()


def post(path, body=BODY):
    return Client().post(
        path, data=body, content_type="application/json", REMOTE_ADDR=SAFARICOM_ADDRESS
    )


class TestAddressesOfRequests:
    @pytest.mark.parametrize(
        ("path", "kind"),
        [(RESULT, CallbackKind.RESULT), (TIMEOUT, CallbackKind.QUEUE_TIMEOUT)],
        ids=["result", "timeout"],
    )
    @pytest.mark.parametrize("body", [BODY, b"", b"<html>", b"\xff\xfe"])
    def test_keep_whatever_comes_and_say_so(self, path, kind, body):
        answer = post(path, body)

        assert (answer.status_code, answer.json()["ResultCode"]) == (200, 0)
        row = ProviderCallback.objects.get()
        assert (row.kind, row.subject_id) == (kind, SUBJECT)
        assert (row.body.reveal_bytes() if row.body else b"") == body

    @pytest.mark.parametrize(
        "path",
        [
            RESULT.replace("/cb/r/", "/cb/t/"),
            TIMEOUT.replace("/cb/t/", "/cb/r/"),
            f"{RESULT[:-1]}{'1' if RESULT[-1] != '1' else '2'}",
            f"{RESULT}/",
        ],
    )
    def test_of_another_kind_or_a_wrong_mac_do_not_exist(self, path):
        assert post(path).status_code == 404
        assert not ProviderCallback.objects.exists()

    @pytest.mark.parametrize("path", [RESULT, TIMEOUT], ids=["result", "timeout"])
    def test_are_only_posted_to(self, path):
        answer = Client().get(path)

        assert (answer.status_code, answer["Allow"]) == (405, "POST")
