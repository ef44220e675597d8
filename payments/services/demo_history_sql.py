"""The statements that make a past: one slice of it in some twenty thousand payments."""

from __future__ import annotations

UUID7 = """
    CREATE FUNCTION pg_temp.id_at(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
        SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
            || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid
    $$
"""
# Ten signs, the first three the date's (daraja.md, receipts), the rest a number of base 32.
RECEIPT = """
    CREATE FUNCTION pg_temp.receipt_at(at timestamptz, n bigint) RETURNS text LANGUAGE sql AS $$
        SELECT chr(76 + extract(year FROM at)::int - 2017) || chr(64 + extract(month FROM at)::int)
            || substr('123456789ABCDEFGHIJKLMNOPQRSTUV', extract(day FROM at)::int, 1)
            || (SELECT string_agg(substr('0123456789ABCDEFGHIJKLMNOPQRSTUV',
                    ((n >> (5 * place)) & 31)::int + 1, 1), '' ORDER BY place DESC)
                FROM generate_series(0, 6) AS place)
    $$
"""
STATEMENTS = (
    "DROP TABLE IF EXISTS past",
    """
    CREATE TEMP TABLE past AS
    WITH drawn AS (
        SELECT n, %(first)s + n AS number, random() AS r_day, random() AS r_amount,
            floor(random() * 1000)::int AS fate,
            %(configs)s::uuid[] AS configs, 1 + floor(random() * %(count)s)::int AS pick,
            1 + floor(random() * %(payers)s)::int AS payer,
            (%(hours)s::int[])[1 + floor(random() * 1000)::int] AS hour,
            random() * interval '1 hour' AS minute
        FROM generate_series(1, %(slice)s) AS n
    ), timed AS (
        SELECT drawn.*, drawn.configs[drawn.pick] AS config_id,
            least(date_trunc('day', (%(newest)s::timestamptz - drawn.r_day * %(span)s::interval)
                AT TIME ZONE 'Africa/Nairobi') AT TIME ZONE 'Africa/Nairobi'
                + make_interval(hours => drawn.hour) + drawn.minute,
                %(edge)s::timestamptz - drawn.minute) AS at
        FROM drawn
    )
    SELECT t.number, t.at, t.fate, t.payer, c.id AS config_id, c.shop_id, c.branch_id, c.provider,
        c.environment, v.id AS version_id, e.status, e.code, e.said,
        pg_temp.id_at(t.at) AS id, pg_temp.id_at(t.at) AS attempt_id,
        pg_temp.id_at(t.at) AS evidence_id, pg_temp.id_at(t.at) AS callback_id,
        round(10 + 40 * exp(4 * power(t.r_amount, 1.5)))::numeric(12, 2) AS amount,
        t.at + make_interval(secs => 4 + 20 * random()) AS told_at,
        pg_temp.receipt_at(t.at AT TIME ZONE 'Africa/Nairobi', t.number) AS receipt
    FROM timed t JOIN payments_paymentconfig c ON c.id = t.config_id
    JOIN payments_credentialversion v ON v.config_id = c.id AND v.status = 'current'
    LEFT JOIN unnest(%(upto)s::int[], %(froms)s::int[], %(statuses)s::text[], %(codes)s::text[],
        %(words)s::text[]) AS f (upto, since, status, code, said)
        ON t.fate >= f.since AND t.fate < f.upto
    CROSS JOIN LATERAL (SELECT coalesce(f.status, 'completed') AS status,
        coalesce(f.code, '0') AS code,
        coalesce(f.said, 'The service request is processed successfully.') AS said) AS e
    """,
    """
    INSERT INTO payments_payment (id, shop_id, environment, branch_id, config_id, provider, status,
        previous_status, amount, currency, phone, phone_index, phone_masked, order_ref,
        account_reference, is_reference_ours, description, purpose, label, metadata, resolution,
        receipt_number, receipt_pending, late, result_code, result_desc, version, created_by,
        created_at, expires_at, completed_at, origin, method, external_reference, note)
    SELECT p.id, p.shop_id, p.environment, p.branch_id, p.config_id, p.provider, p.status, 'pending',
        p.amount, 'KES', '', y.phone_index, y.phone_masked, 'SALE-' || p.number,
        'H' || lpad(to_hex(p.number), 8, '0'), false, '', '', '', '{}', '[]',
        CASE p.status WHEN 'completed' THEN p.receipt ELSE '' END, false, false, p.code, p.said, 3,
        'Till ' || (1 + p.payer %% 7), p.at, p.at + interval '5 minutes',
        CASE p.status WHEN 'completed' THEN p.told_at END, 'prompt', '', '', ''
    FROM past p JOIN past_payers y ON y.number = p.payer
    """,
    """
    INSERT INTO payments_attempt (id, shop_id, payment_id, config_id, version_id, number, round,
        status, submission, checkout_request_id, merchant_request_id, result_code, result_desc,
        requested_at, answered_at, answer_ms, asked_count)
    SELECT attempt_id, shop_id, id, config_id, version_id, 1, 1,
        CASE status WHEN 'completed' THEN 'succeeded' WHEN 'failed' THEN 'failed'
            ELSE 'submitted' END, 'sent', 'ws_CO_past' || number, 'past-' || number, code, said,
        at, at + interval '800 ms', 800, 0
    FROM past
    """,
    """
    INSERT INTO payments_providercallback (id, kind, subject_id, shop_id, payment_id, status, body,
        digest, size, content_type, source_ip, result_code, result_desc, checkout_request_id,
        merchant_request_id, problem, tries, received_at, settled_at, processing_ms)
    SELECT callback_id, 'stk', attempt_id, shop_id, id, 'applied', '', md5('past' || number), 420,
        'application/json', '196.201.214.200', code, said, 'ws_CO_past' || number,
        'past-' || number, '', 1, told_at, told_at + interval '40 ms', 12
    FROM past WHERE status <> 'expired'
    """,
    """
    INSERT INTO payments_evidence (id, shop_id, environment, payment_id, attempt_id, callback_id,
        source, verdict, is_final, is_duplicate_receipt, result_code, result_desc, amount,
        receipt_number, paid_at, digest, recorded_at)
    SELECT evidence_id, shop_id, environment, id, attempt_id, callback_id, 'stk_callback',
        CASE status WHEN 'completed' THEN 'succeeded' ELSE 'failed' END, true, false, code, said,
        CASE status WHEN 'completed' THEN amount END,
        CASE status WHEN 'completed' THEN receipt ELSE '' END,
        CASE status WHEN 'completed' THEN told_at END, md5('past' || number), told_at
    FROM past WHERE status <> 'expired'
    """,
    """
    INSERT INTO payments_receipt (id, shop_id, environment, family, number, amount, status, channel,
        payment_id, config_id, shortcode, account_reference, payer_initials, payer_masked,
        payer_index, label, transaction_type, reason, paid_at, claimed_by, asked_count, created_at)
    SELECT pg_temp.id_at(p.told_at), p.shop_id, p.environment, 'mpesa', p.receipt, p.amount,
        'credited', 'stk', p.id, p.config_id, '', 'H' || lpad(to_hex(p.number), 8, '0'), '',
        y.phone_masked, y.phone_index, '', '', '', p.told_at, '', 0, p.told_at
    FROM past p JOIN past_payers y ON y.number = p.payer WHERE p.status = 'completed'
    """,
    """
    INSERT INTO payments_transition (id, shop_id, payment_id, number, from_status, to_status,
        evidence_id, why, actor_kind, actor_label, at)
    SELECT pg_temp.id_at(p.at), p.shop_id, p.id, step.number, step.old, step.new,
        CASE WHEN step.number = 3 AND p.status <> 'expired' THEN p.evidence_id END, '',
        'system', 'seed_demo', CASE step.number WHEN 3 THEN p.told_at ELSE p.at END
    FROM past p CROSS JOIN LATERAL (VALUES (1, '', 'created'), (2, 'created', 'pending'),
        (3, 'pending', p.status)) AS step (number, old, new)
    """,
    """
    WITH happened AS (
        SELECT p.shop_id, p.environment, p.id AS payment_id, p.status, p.told_at AS at,
            row_number() OVER (PARTITION BY p.shop_id, p.environment ORDER BY p.told_at) AS n
        FROM past p
    ), counted AS (
        INSERT INTO payments_eventcounter AS c (shop_id, environment, last_seq)
        SELECT shop_id, environment, max(n) FROM happened GROUP BY 1, 2
        ON CONFLICT (shop_id, environment) DO UPDATE SET last_seq = c.last_seq + excluded.last_seq
        RETURNING shop_id, environment, last_seq
    ), firsts AS (
        SELECT c.shop_id, c.environment, c.last_seq - max(h.n) AS before
        FROM counted c JOIN happened h USING (shop_id, environment) GROUP BY 1, 2, c.last_seq
    )
    INSERT INTO payments_event (id, shop_id, environment, seq, type, data, created_at)
    SELECT pg_temp.id_at(h.at), h.shop_id, h.environment, f.before + h.n, 'payment.' || h.status,
        jsonb_build_object('id', h.payment_id, 'status', h.status), h.at
    FROM happened h JOIN firsts f USING (shop_id, environment)
    """,
    # Of every 400 payments one customer pays a number on his own, and a reference means nothing.
    """
    INSERT INTO payments_receipt (id, shop_id, environment, family, number, amount, status, channel,
        config_id, shortcode, account_reference, payer_initials, payer_masked, payer_index, label,
        transaction_type, reason, paid_at, claimed_by, asked_count, created_at)
    SELECT pg_temp.id_at(p.told_at), p.shop_id, p.environment, 'mpesa',
        'X' || substr(pg_temp.receipt_at(p.at AT TIME ZONE 'Africa/Nairobi', p.number), 2),
        p.amount, 'unallocated', 'c2b', p.config_id, '', 'ASANTE ' || p.payer, 'A. B.',
        y.phone_masked, y.phone_index, '', '', 'no_such_reference', p.told_at, '', 0, p.told_at
    FROM past p JOIN past_payers y ON y.number = p.payer WHERE p.number %% 400 = 0
    """,
    # Nobody told what became of some; all but one in ten of those doubts are settled.
    """
    INSERT INTO payments_review (id, shop_id, environment, payment_id, code, subject, blocking,
        opened_at, proposed_by, proposal, resolved_at, resolved_by, resolution, reason)
    SELECT pg_temp.id_at(told_at), shop_id, environment, id, 'UNRESOLVED', '', false, told_at, '',
        '{}', CASE WHEN number %% 10 > 0 THEN told_at + interval '1 day' END,
        CASE WHEN number %% 10 > 0 THEN 'seed_demo' ELSE '' END,
        CASE WHEN number %% 10 > 0 THEN 'ignore' ELSE '' END, ''
    FROM past WHERE status = 'expired' AND code = ''
    """,
)
