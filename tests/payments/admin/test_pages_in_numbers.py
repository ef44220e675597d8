"""Every list, search, dashboard and list of the API that the bench asks for: its statements."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from bench.pages import Pages
from payments.services import demo, demo_history

pytestmark = pytest.mark.django_db
# None asks once a row, but the queue of unallocated money: for each of its ten, what fits it.
MOST_STATEMENTS = 24
MOST_IN_THE_QUEUE = 90
_COUNTS_ALL = re.compile(
    r'SELECT COUNT\(\*\)[^(]* FROM "payments_'
    r'(payment|attempt|evidence|transition|receipt|providercallback|event)"(?!.*LIMIT)',
    re.IGNORECASE | re.DOTALL,
)


@pytest.fixture
def pages(db):
    now = timezone.now()
    demo.seed_demo(now=now)
    list(demo_history.seed_payments(400, now=now))
    return Pages()


def test_ask_few_statements_and_never_count_a_ledger(pages):
    seen = {name: pages.statements(name) for name in pages.all}

    assert len(seen) > 150
    most = dict.fromkeys(seen, MOST_STATEMENTS)
    most |= {name: MOST_IN_THE_QUEUE for name in seen if "unallocatedreceipt" in name}
    assert {n: len(each) for n, each in seen.items() if len(each) > most[n]} == {}
    counting = {n: [s for s in each if _COUNTS_ALL.search(s)] for n, each in seen.items()}
    assert {name: found for name, found in counting.items() if found} == {}
