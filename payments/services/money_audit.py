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
        "I2",
        "Of what died in the inbox of a shop a person was told.",
        """
        SELECT 'callback ' || b.id FROM payments_providercallback b
        WHERE b.status = 'dead' AND b.shop_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM payments_review v WHERE v.callback_id = b.id)
        """,
    ),
    Promise(
        "I3",
        "A payment has at most one credited receipt, of its own shop, and carries its number.",
        """
        SELECT r.number FROM payments_receipt r JOIN payments_payment p ON p.id = r.payment_id
        WHERE r.status = 'credited' AND (r.number <> p.receipt_number OR r.shop_id <> p.shop_id
            OR r.environment <> p.environment)
        UNION ALL
        -- A reversed payment keeps the number of what it was once paid with.
        SELECT p.id::text FROM payments_payment p
        WHERE p.receipt_number <> '' AND p.status <> 'reversed' AND (SELECT count(*) FROM payments_receipt r
            WHERE r.payment_id = p.id AND r.status = 'credited') <> 1
        UNION ALL
        SELECT number FROM payments_receipt
        WHERE status = 'credited' AND payment_id IS NULL AND reason <> 'proof'
        UNION ALL
        SELECT number FROM payments_receipt
        WHERE status IN ('unallocated', 'held') AND payment_id IS NOT NULL
        UNION ALL
        -- Money a shop could use twice, because it was told of under two families.
        SELECT number FROM payments_receipt
        WHERE NOT (channel = 'manual' AND status = 'reversed')
        GROUP BY shop_id, environment, number HAVING count(*) > 1
        """,
    ),
    Promise(
        "I5",
        "Money that was told of is in the ledger of its shop, or a person was told.",
        """
        SELECT 'callback ' || b.id FROM payments_providercallback b
            JOIN payments_paymentconfig c ON c.id = b.subject_id
        WHERE b.kind IN ('c2b', 'bank') AND b.status IN ('applied', 'duplicate')
            -- Empty where a bank told of something that is no money that came.
            AND (b.kind = 'c2b' OR b.result_desc <> '') AND NOT EXISTS (
            SELECT 1 FROM payments_receipt r WHERE r.number = b.result_desc
              AND r.shop_id = c.shop_id AND r.environment = c.environment)
        UNION ALL
        SELECT 'callback ' || b.id FROM payments_providercallback b
            JOIN payments_paymentconfig c ON c.id = b.subject_id
        WHERE b.kind IN ('c2b', 'bank') AND b.status IN ('quarantined', 'dead') AND NOT EXISTS (
            SELECT 1 FROM payments_review v WHERE v.callback_id = b.id)
        """,
    ),
    Promise(
        "I6",
        "Unless a person wrote it down, a completed payment has authentic success evidence of one"
        " of its attempts, or money that came to its own account.",
        """
        SELECT p.id::text FROM payments_payment p
        WHERE p.status = 'completed' AND p.origin <> 'manual' AND NOT EXISTS (
            SELECT 1 FROM payments_evidence e JOIN payments_attempt a ON a.id = e.attempt_id
            WHERE e.payment_id = p.id AND a.payment_id = p.id AND e.verdict = 'succeeded'
              AND NOT e.is_duplicate_receipt)
        AND NOT EXISTS (SELECT 1 FROM payments_receipt r
            WHERE r.payment_id = p.id AND r.status = 'credited')
        UNION ALL
        SELECT p.id::text FROM payments_payment p
        WHERE p.status = 'completed' AND p.origin = 'receipt' AND NOT EXISTS (
            SELECT 1 FROM payments_receipt r
            WHERE r.payment_id = p.id AND r.status = 'credited' AND r.config_id = p.config_id)
        UNION ALL
        SELECT r.number FROM payments_receipt r JOIN payments_payment p ON p.id = r.payment_id
            JOIN payments_paymentconfig c ON c.id = r.config_id
        WHERE r.status = 'credited' AND p.origin = 'prompt' AND NOT EXISTS (
            SELECT 1 FROM payments_attempt a JOIN payments_paymentconfig f ON f.id = a.config_id
            WHERE a.payment_id = p.id AND f.shortcode = c.shortcode)
        """,
    ),
    Promise(
        "I7",
        "What completed a payment has its exact amount, or none by protocol, or a person was told.",
        """
        SELECT p.id::text FROM payments_payment p
        WHERE p.status = 'completed' AND p.origin <> 'manual' AND NOT EXISTS (
            SELECT 1 FROM payments_evidence e WHERE e.payment_id = p.id
              AND e.verdict = 'succeeded' AND NOT e.is_duplicate_receipt
              AND (e.amount = p.amount OR (e.amount IS NULL AND e.source = 'stk_query')))
        AND NOT EXISTS (SELECT 1 FROM payments_receipt r
            WHERE r.payment_id = p.id AND r.status = 'credited' AND r.amount = p.amount)
        UNION ALL
        SELECT r.number FROM payments_receipt r JOIN payments_payment p ON p.id = r.payment_id
        WHERE r.status = 'credited' AND r.amount IS NOT NULL AND r.amount <> p.amount
          AND NOT EXISTS (SELECT 1 FROM payments_review v WHERE v.payment_id = p.id
              AND v.code = 'AMOUNT_MISMATCH' AND v.subject = r.number)
        """,
    ),
    Promise(
        "I7",
        "What was split between orders adds up to the money that came.",
        """
        SELECT p.id::text FROM payments_payment p JOIN payments_orderpart o ON o.payment_id = p.id
        GROUP BY p.id HAVING sum(o.amount) <> p.amount
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
        UNION ALL SELECT 'payment ' || p.id FROM payments_payment p LEFT JOIN payments_paymentconfig c
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
        UNION ALL SELECT 'receipt ' || r.number FROM payments_receipt r
            LEFT JOIN payments_paymentconfig c ON c.id = r.config_id
            LEFT JOIN tenants_branch b ON b.id = r.branch_id
            WHERE r.shop_id <> c.shop_id OR r.shop_id <> b.shop_id
        UNION ALL SELECT 'receipt check ' || k.id FROM payments_receiptcheck k
            JOIN payments_receipt r ON r.id = k.receipt_id WHERE k.shop_id <> r.shop_id
        UNION ALL SELECT 'request ' || q.id FROM payments_providerrequest q
            JOIN payments_paymentconfig c ON c.id = q.config_id
            LEFT JOIN payments_receipt r ON r.id = q.receipt_id
            LEFT JOIN payments_payment p ON p.id = q.payment_id
            WHERE q.shop_id <> c.shop_id OR q.shop_id <> r.shop_id OR q.shop_id <> p.shop_id
        UNION ALL SELECT 'refund ' || f.id FROM payments_refund f
            JOIN payments_receipt r ON r.id = f.receipt_id
            LEFT JOIN payments_payment p ON p.id = f.payment_id
            LEFT JOIN payments_providerrequest q ON q.id = f.request_id
            WHERE f.shop_id <> r.shop_id OR f.shop_id <> p.shop_id OR f.shop_id <> q.shop_id
        UNION ALL SELECT 'review ' || v.id FROM payments_review v
            LEFT JOIN payments_receipt r ON r.id = v.receipt_id
            LEFT JOIN payments_providercallback b ON b.id = v.callback_id
            WHERE v.shop_id <> r.shop_id OR v.shop_id <> b.shop_id
        UNION ALL SELECT 'order part ' || o.id FROM payments_orderpart o
            JOIN payments_payment p ON p.id = o.payment_id WHERE o.shop_id <> p.shop_id
        UNION ALL SELECT 'balance ' || l.id FROM payments_accountbalance l
            JOIN payments_paymentconfig c ON c.id = l.config_id WHERE l.shop_id <> c.shop_id
        UNION ALL SELECT 'account rule ' || u.id FROM payments_accountrule u
            JOIN payments_paymentconfig c ON c.id = u.config_id
            LEFT JOIN tenants_branch b ON b.id = u.branch_id
            WHERE u.shop_id <> c.shop_id OR u.shop_id <> b.shop_id
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
        UNION ALL SELECT r.number FROM payments_receipt r JOIN payments_paymentconfig c
            ON c.id = r.config_id WHERE r.environment <> c.environment
        UNION ALL SELECT q.id::text FROM payments_providerrequest q
            JOIN payments_paymentconfig c ON c.id = q.config_id
            LEFT JOIN payments_receipt r ON r.id = q.receipt_id
            WHERE q.environment <> c.environment OR q.environment <> r.environment
        UNION ALL SELECT f.id::text FROM payments_refund f JOIN payments_receipt r
            ON r.id = f.receipt_id WHERE f.environment <> r.environment
        """,
    ),
    Promise(
        "I20",
        "An active config is verified, one at most is the default, and a live number is one shop's.",
        """
        SELECT c.id::text FROM payments_paymentconfig c WHERE c.deleted_at IS NULL
            AND c.is_active AND (c.status <> 'verified' OR NOT EXISTS (
                SELECT 1 FROM payments_credentialversion v
                WHERE v.config_id = c.id AND v.status = 'current'))
        UNION ALL SELECT min(c.id::text) FROM payments_paymentconfig c
            WHERE c.deleted_at IS NULL AND c.is_default
            GROUP BY c.shop_id, c.branch_id, c.provider, c.environment HAVING count(*) > 1
        UNION ALL SELECT min(c.id::text) FROM payments_paymentconfig c
            WHERE c.deleted_at IS NULL AND c.status = 'verified' AND c.environment = 'production'
              AND c.has_api
              AND NOT EXISTS (SELECT 1 FROM payments_shortcodeclaim s
                WHERE s.is_shared AND s.environment = c.environment AND s.shortcode = c.shortcode
                  AND s.family = split_part(c.provider, '_', 1))
            GROUP BY split_part(c.provider, '_', 1), c.shortcode, c.account_number
            HAVING count(DISTINCT c.shop_id) > 1
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
    Promise(
        "B9",
        "The sums that pages of numbers read are those of the payments, to the cent.",
        """
        SELECT shop_id || ' by hour ' || at FROM (
            SELECT shop_id, environment, branch_id, config_id, origin, status, result_code,
                created_at AS at, count, amount
            FROM payments_hourlytally
            UNION ALL
            SELECT shop_id, environment, branch_id, config_id, origin, status, result_code,
                date_trunc('hour', created_at, 'UTC'), -1, -amount
            FROM payments_payment) AS h
        GROUP BY shop_id, environment, branch_id, config_id, origin, status, result_code, at
        HAVING sum(count) <> 0 OR sum(amount) <> 0
        UNION ALL
        SELECT shop_id || ' by day ' || at FROM (
            SELECT shop_id, environment, branch_id, config_id, origin, status, created_by,
                created_at AS at, count, amount
            FROM payments_dailytally
            UNION ALL
            SELECT shop_id, environment, branch_id, config_id, origin, status, created_by,
                date_trunc('day', created_at, 'Africa/Nairobi'), -1, -amount
            FROM payments_payment) AS d
        GROUP BY shop_id, environment, branch_id, config_id, origin, status, created_by, at
        HAVING sum(count) <> 0 OR sum(amount) <> 0
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
