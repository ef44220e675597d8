"""The handset page's other half over real sockets: paying by hand and taking it back."""

from __future__ import annotations

import threading

import pytest
import requests

from payments.providers.daraja.simulator.engine import Engine
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.server import SimulatorServer

PAID = {"business": "600100", "amount": "150", "msisdn": "254712345678", "reference": "K7Q2M9"}
KNOBS = Knobs(
    names={"600100": "Duka la Njeri", "5200101": "Duka la Njeri Westlands"},
    tills={"5200101": "600996"},
)


@pytest.fixture
def page():
    server = SimulatorServer("127.0.0.1", 0, Engine(seed=7, knobs=KNOBS))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    with requests.Session() as session:
        session.trust_env = False
        url = f"http://127.0.0.1:{server.server_port}/simulator/"
        yield (
            lambda name, said=None: (
                session.get(f"{url}{name}")
                if said is None
                else session.post(f"{url}{name}", json=said)
            )
        )
    server.shutdown()
    thread.join()
    server.server_close()


class TestPayingByHand:
    def test_shows_who_can_be_paid(self, page):
        assert page("money").json()["businesses"] == [
            {"number": "600100", "name": "Duka la Njeri", "is_till": False},
            {"number": "5200101", "name": "Duka la Njeri Westlands", "is_till": True},
        ]

    def test_gives_the_payer_a_message_with_the_receipt(self, page):
        receipt = page("pay", PAID).json()["receipt_number"]

        [row] = page("money").json()["money"]

        start = f"{receipt} Confirmed. Ksh150.00 sent to Duka la Njeri for account K7Q2M9 on "
        assert row["message"].startswith(start)
        assert (row["receipt_number"], row["taken_back"]) == (receipt, False)

    def test_of_a_till_names_no_account(self, page):
        page("pay", {**PAID, "business": "5200101", "amount": "1234.5"})

        [row] = page("money").json()["money"]

        assert "Ksh1,234.50 paid to Duka la Njeri Westlands. on " in row["message"]
        assert row["reference"] == ""

    @pytest.mark.parametrize(
        "changes",
        [
            {"business": "12"},
            {"business": None},
            {"amount": "0"},
            {"amount": "-5"},
            {"amount": "NaN"},
            {"amount": "250000.01"},
            {"amount": "ten"},
            {"msisdn": "0712345678"},
            {"msisdn": None},
            {"colour": "red"},
        ],
        ids=str,
    )
    def test_says_what_does_not_fit_and_moves_nothing(self, page, changes):
        answer = page("pay", {**PAID, **changes})

        assert (answer.status_code, bool(answer.json()["error"])) == (400, True)
        assert page("money").json()["money"] == []

    def test_is_taken_back_once(self, page):
        receipt = page("pay", PAID).json()["receipt_number"]
        said = {"receipt_number": receipt}

        statuses = [page("take-back", said).status_code for _ in range(2)]

        assert statuses == [200, 404]
        assert page("money").json()["money"][0]["taken_back"]
        assert page("ledger").json()["returned"][0]["by"] == "customer"

    def test_plans_results_it_knows(self, page):
        assert page("result", {"kind": "reversal", "plan": "timeout", "times": 2}).ok
        assert page("result", {"kind": "reversal", "plan": "x"}).status_code == 400
        assert page("result", {"kind": "x", "plan": "timeout"}).status_code == 400
