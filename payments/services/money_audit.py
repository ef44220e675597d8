"""
Questions to the database whose every answer is a broken promise about money (safety.md section 2).

Each is one statement that names the offending rows; none must return any.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True)
class Promise:
    """One invariant, and the statement that finds what breaks it."""

    code: str
    says: str
    sql: str


@dataclass(frozen=True)
class Breach:
    """A row that breaks a promise."""

    code: str
    says: str
    row: str


PROMISES = (
    Promise(
        "I3",
        "A payment has at most one credited receipt, of its own shop, and carries its number.",
        """
        SELECT r.number FROM payments_receipt r JOIN payments_payment p ON p.id = r.payment_id
        WHERE r.status = 'credited' AND (r.number <> p.receipt_number OR r.shop_id <> p.shop_id
            OR r.environment <> p.environment)
        UNION ALL
        SELECT p.id::text FROM payments_payment p
        WHERE p.receipt_number <> '' AND (SELECT count(*) FROM payments_receipt r
            WHERE r.payment_id = p.id AND r.status = 'credited') <> 1
        """,
    ),
    Promise(
        "I6",
        "A completed payment has authentic success evidence of one of its attempts.",
        """
        SELECT p.id::text FROM payments_payment p
        WHERE p.status = 'completed' AND NOT EXISTS (
            SELECT 1 FROM payments_evidence e JOIN payments_attempt a ON a.id = e.attempt_id
            WHERE e.payment_id = p.id AND a.payment_id = p.id AND e.verdict = 'succeeded'
              AND NOT e.is_duplicate_receipt)
        AND NOT EXISTS (SELECT 1 FROM payments_receipt r
            WHERE r.payment_id = p.id AND r.status = 'credited')
        """,
    ),
    Promise(
        "I7",
        "What completed a payment has its exact amount, or none by protocol.",
        """
        SELECT p.id::text FROM payments_payment p
        WHERE p.status = 'completed' AND NOT EXISTS (
            SELECT 1 FROM payments_evidence e WHERE e.payment_id = p.id
              AND e.verdict = 'succeeded' AND NOT e.is_duplicate_receipt
              AND (e.amount = p.amount OR (e.amount IS NULL AND e.source = 'stk_query')))
        AND NOT EXISTS (SELECT 1 FROM payments_receipt r
            WHERE r.payment_id = p.id AND r.status = 'credited' AND r.amount = p.amount)
        UNION ALL
        SELECT r.number FROM payments_receipt r JOIN payments_payment p ON p.id = r.payment_id
        WHERE r.status = 'credited' AND r.amount IS NOT NULL AND r.amount <> p.amount
        """,
    ),
    Promise(
        "I8",
        "Every row's shop is its parent's shop.",
        """
        SELECT 'attempt ' || a.id FROM payments_attempt a JOIN payments_payment p
            ON p.id = a.payment_id JOIN payments_paymentconfig c ON c.id = a.config_id
            JOIN payments_credentialversion v ON v.id = a.version_id
            WHERE a.shop_id <> p.shop_id OR c.shop_id <> p.shop_id OR v.config_id <> c.id
        UNION ALL SELECT 'payment ' || p.id FROM payments_payment p JOIN payments_paymentconfig c
            ON c.id = p.config_id LEFT JOIN tenants_branch b ON b.id = p.branch_id
            WHERE c.shop_id <> p.shop_id OR b.shop_id <> p.shop_id
        UNION ALL SELECT 'evidence ' || e.id FROM payments_evidence e JOIN payments_payment p
            ON p.id = e.payment_id LEFT JOIN payments_attempt a ON a.id = e.attempt_id
            WHERE e.shop_id <> p.shop_id OR a.payment_id <> p.id
        UNION ALL SELECT 'receipt ' || r.number FROM payments_receipt r JOIN payments_payment p
            ON p.id = r.payment_id WHERE r.shop_id <> p.shop_id
        UNION ALL SELECT 'callback ' || c.id FROM payments_providercallback c
            JOIN payments_payment p ON p.id = c.payment_id WHERE c.shop_id <> p.shop_id
        UNION ALL SELECT 'review ' || r.id FROM payments_review r JOIN payments_payment p
            ON p.id = r.payment_id WHERE r.shop_id <> p.shop_id
        UNION ALL SELECT 'transition ' || t.id FROM payments_transition t JOIN payments_payment p
            ON p.id = t.payment_id WHERE t.shop_id <> p.shop_id
        """,
    ),
    Promise(
        "I15",
        "The transitions, replayed, yield the payment.",
        """
        SELECT p.id::text FROM payments_payment p LEFT JOIN LATERAL (
            SELECT count(*) AS moves, max(number) AS newest,
                bool_and(t.from_status = coalesce(t.before, '')) AS joined,
                (array_agg(t.to_status ORDER BY number DESC))[1] AS status
            FROM (SELECT *, lag(to_status) OVER (ORDER BY number) AS before
                  FROM payments_transition WHERE payment_id = p.id) t) h ON true
        WHERE h.moves IS DISTINCT FROM p.version OR h.newest IS DISTINCT FROM p.version
           OR h.status IS DISTINCT FROM p.status OR h.joined IS NOT TRUE
        """,
    ),
    Promise(
        "I17",
        "Sandbox and production never meet.",
        """
        SELECT p.id::text FROM payments_payment p JOIN payments_paymentconfig c ON c.id = p.config_id
            WHERE c.environment <> p.environment
        UNION ALL SELECT e.id::text FROM payments_evidence e JOIN payments_payment p
            ON p.id = e.payment_id WHERE e.environment <> p.environment
        UNION ALL SELECT r.number FROM payments_receipt r JOIN payments_payment p
            ON p.id = r.payment_id WHERE r.environment <> p.environment
        UNION ALL SELECT r.id::text FROM payments_review r JOIN payments_payment p
            ON p.id = r.payment_id WHERE r.environment <> p.environment
        """,
    ),
    Promise(
        "I20",
        "An active config is verified, and one at most is the default.",
        """
        SELECT c.id::text FROM payments_paymentconfig c WHERE c.deleted_at IS NULL
            AND c.is_active AND (c.status <> 'verified' OR NOT EXISTS (
                SELECT 1 FROM payments_credentialversion v
                WHERE v.config_id = c.id AND v.status = 'current'))
        UNION ALL SELECT min(c.id::text) FROM payments_paymentconfig c
            WHERE c.deleted_at IS NULL AND c.is_default
            GROUP BY c.shop_id, c.branch_id, c.provider, c.environment HAVING count(*) > 1
        """,
    ),
    Promise(
        "I23",
        "Work is bounded: eight tries a callback, twelve questions an attempt.",
        """
        SELECT 'callback ' || id FROM payments_providercallback WHERE tries > 8
        UNION ALL SELECT 'attempt ' || id FROM payments_attempt WHERE asked_count > 12
        """,
    ),
    Promise(
        "N9",
        "The events of a shop and environment are numbered from one, without a gap.",
        """
        SELECT e.shop_id::text FROM payments_event e GROUP BY e.shop_id, e.environment
        HAVING min(e.seq) <> 1 OR max(e.seq) <> count(*)
        """,
    ),
)


def audit_money() -> list[Breach]:
    """Ask every question; an empty list means that the books are clean."""
    breaches = []
    with connection.cursor() as cursor:
        for promise in PROMISES:
            cursor.execute(promise.sql)
            breaches += [
                Breach(promise.code, promise.says, str(row[0])) for row in cursor.fetchall()
            ]
    return breaches
