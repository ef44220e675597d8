"""
The statement behind the three-way match: every receipt, payment and line of a period, once each.

Where a line and a receipt have the same number they are one row, of the line's day; whatever looks
for the other does so by number alone, so that two clocks around midnight never make two rows of
one payment. A time is covered where an applied statement of the same number spans it: only then may
a payment without a line be called ours alone.
"""

from __future__ import annotations

# Named parameters: shop, environment, since, until, made_since, bands (json).
ROWS = """
WITH accounts AS (
    SELECT id, shortcode, branch_id FROM payments_paymentconfig
    WHERE shop_id = %(shop)s AND environment = %(environment)s
), spans AS (
    SELECT a.shortcode, s.since, s.until
    FROM reconciliation_statementimport s JOIN accounts a ON a.id = s.config_id
    WHERE s.status = 'applied' AND s.until >= %(since)s AND s.since < %(until)s
), bands AS (
    SELECT * FROM json_to_recordset(%(bands)s::json) AS b(
        config uuid, since date, until date, smallest numeric, below numeric,
        charge numeric, percent numeric)
), reversals AS (
    SELECT coalesce(nullif(l.linked_receipt_number, ''), l.receipt_number) AS number
    FROM reconciliation_statementline l JOIN accounts a ON a.id = l.config_id
    WHERE l.kind = 'reversal' AND l.completed_at >= %(since)s
), told AS (
    SELECT l.receipt_number AS number, min(l.completed_at) AS at, min(l.config_id::text)::uuid
           AS config_id, max(l.paid_in) AS amount, max(l.expected_charge) AS expected
    FROM reconciliation_statementline l JOIN accounts a ON a.id = l.config_id
    WHERE l.kind = 'payment' AND l.state <> 'conflict'
      AND l.completed_at >= %(since)s AND l.completed_at < %(until)s
    GROUP BY l.receipt_number
), lines AS (
    SELECT t.number, t.at, coalesce(r.config_id, p.config_id, t.config_id) AS config_id,
           coalesce(r.branch_id, p.branch_id) AS branch_id,
           t.amount AS theirs, coalesce(r.amount, p.amount) AS ours, t.expected,
           r.id AS receipt_id, p.id AS payment_id,
           CASE
             WHEN r.status = 'reversed' OR t.number IN (SELECT number FROM reversals)
               THEN 'reversed'
             WHEN r.id IS NULL THEN 'only_safaricom'
             WHEN t.amount <> coalesce(r.amount, t.amount)
               OR t.amount <> coalesce(p.amount, t.amount) THEN 'amount_differs'
             WHEN r.status = 'credited' THEN 'matched'
             ELSE 'only_safaricom'
           END AS state
    FROM told t
    LEFT JOIN payments_receipt r ON r.number = t.number AND r.shop_id = %(shop)s
      AND r.environment = %(environment)s
      AND NOT (r.channel = 'manual' AND r.status = 'reversed')
    LEFT JOIN payments_payment p ON p.id = r.payment_id
), receipts AS (
    SELECT r.number, coalesce(r.paid_at, r.created_at) AS at,
           coalesce(r.config_id, p.config_id) AS config_id,
           coalesce(r.branch_id, p.branch_id) AS branch_id,
           NULL::numeric AS theirs, coalesce(r.amount, p.amount) AS ours, NULL::numeric AS expected,
           r.id AS receipt_id, p.id AS payment_id, r.status, r.channel,
           r.amount <> p.amount AS differs
    FROM payments_receipt r LEFT JOIN payments_payment p ON p.id = r.payment_id
    WHERE r.shop_id = %(shop)s AND r.environment = %(environment)s AND r.family = 'mpesa'
      AND coalesce(r.paid_at, r.created_at) >= %(since)s
      AND coalesce(r.paid_at, r.created_at) < %(until)s
      AND NOT (r.channel = 'manual' AND r.status = 'reversed')
      AND NOT EXISTS (SELECT FROM reconciliation_statementline l
                      WHERE l.shop_id = %(shop)s AND l.receipt_number = r.number
                        AND l.kind = 'payment' AND l.state <> 'conflict')
), unnumbered AS (
    SELECT ''::varchar AS number, p.completed_at AS at, p.config_id, p.branch_id,
           NULL::numeric AS theirs, p.amount AS ours, NULL::numeric AS expected,
           NULL::uuid AS receipt_id, p.id AS payment_id, p.status, 'stk' AS channel, false AS differs
    FROM payments_payment p JOIN accounts a ON a.id = p.config_id
    WHERE p.shop_id = %(shop)s AND p.environment = %(environment)s
      AND p.status IN ('completed', 'reversed') AND p.created_at >= %(made_since)s
      AND p.created_at < %(until)s
      AND p.completed_at >= %(since)s AND p.completed_at < %(until)s
      AND p.provider IN ('mpesa_paybill', 'mpesa_till') AND p.origin <> 'manual'
      AND NOT EXISTS (SELECT FROM payments_receipt r WHERE r.payment_id = p.id)
), alone AS (
    SELECT o.*, EXISTS (
        SELECT FROM spans s JOIN accounts a ON a.shortcode = s.shortcode
        WHERE a.id = o.config_id AND o.at BETWEEN s.since AND s.until) AS is_covered
    FROM (SELECT * FROM receipts UNION ALL SELECT * FROM unnumbered) o
), moved AS (
    SELECT l.receipt_number AS number, l.completed_at AS at, l.config_id,
           coalesce(r.branch_id, p.branch_id) AS branch_id,
           l.withdrawn - l.paid_in AS theirs, NULL::numeric AS ours, NULL::numeric AS expected,
           NULL::uuid AS receipt_id, NULL::uuid AS payment_id, l.kind AS state
    FROM reconciliation_statementline l JOIN accounts a ON a.id = l.config_id
    LEFT JOIN payments_receipt r ON l.kind = 'charge' AND r.shop_id = %(shop)s
      AND r.environment = %(environment)s AND r.family = 'mpesa' AND r.channel <> 'manual'
      AND r.number = coalesce(nullif(l.linked_receipt_number, ''), l.receipt_number)
    LEFT JOIN payments_payment p ON p.id = r.payment_id
    WHERE l.kind IN ('charge', 'settlement') AND l.state <> 'conflict'
      AND l.completed_at >= %(since)s AND l.completed_at < %(until)s
), everything AS (
    SELECT number, at, config_id, branch_id, theirs, ours, expected, receipt_id, payment_id, state
    FROM lines
    UNION ALL
    SELECT number, at, config_id, branch_id, theirs, ours, expected, receipt_id, payment_id,
           CASE WHEN status = 'reversed' THEN 'reversed'
                WHEN differs THEN 'amount_differs'
                WHEN is_covered THEN 'only_us'
                WHEN receipt_id IS NOT NULL AND status <> 'credited' THEN 'only_safaricom'
                ELSE 'not_covered' END
    FROM alone
    UNION ALL
    SELECT number, at, config_id, branch_id, theirs, ours, expected, receipt_id, payment_id, state
    FROM moved
), placed AS (
    SELECT e.number, e.at, (e.at AT TIME ZONE 'Africa/Nairobi')::date AS day, e.config_id,
           coalesce(e.branch_id, a.branch_id) AS branch_id, e.state, e.theirs, e.ours,
           coalesce(e.theirs, e.ours, 0) AS amount,
           CASE WHEN e.theirs IS NOT NULL AND e.state NOT IN ('charge', 'settlement')
                THEN coalesce(e.expected, round(b.charge + e.theirs * b.percent / 100, 2))
           END AS expected, e.receipt_id, e.payment_id
    FROM everything e
    LEFT JOIN accounts a ON a.id = e.config_id
    LEFT JOIN bands b ON b.config = e.config_id AND e.theirs >= b.smallest
      AND (b.below IS NULL OR e.theirs < b.below)
      AND (e.at AT TIME ZONE 'Africa/Nairobi')::date >= b.since
      AND (b.until IS NULL OR (e.at AT TIME ZONE 'Africa/Nairobi')::date < b.until)
), found AS (
    SELECT * FROM placed
    WHERE (%(configs)s::uuid[] IS NULL OR config_id = ANY (%(configs)s::uuid[]))
      AND (%(branches)s::uuid[] IS NULL OR branch_id = ANY (%(branches)s::uuid[]))
)
"""
DAYS = (
    ROWS
    + """
SELECT day, config_id, branch_id, state, count(*), sum(amount), sum(theirs), sum(ours),
       sum(expected), count(expected)
FROM found GROUP BY 1, 2, 3, 4 ORDER BY 1 DESC, 2, 3, 4
"""
)
LINES = (
    ROWS
    + """
SELECT number, at, day, config_id, branch_id, state, theirs, ours, expected, receipt_id, payment_id
FROM found
WHERE (%(state)s = '' OR state = %(state)s)
ORDER BY at DESC, number DESC, state LIMIT %(limit)s OFFSET %(offset)s
"""
)
