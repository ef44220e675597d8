"""
Patterns a shop should know of, as data: what is counted, over how long, and how many are many.

Each statement answers rows of (shop, environment, subject, how many, newest, details). The subject
names the pattern again in the next run; it and the details hold a masked number or a blind index,
never a phone. Shops are walked one by one inside the database, for all indexes begin with the shop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from payments.choices import NoticeCode

# What a shop does on ordinary days; rules that compare look at as much.
HABIT = timedelta(days=30)


@dataclass(frozen=True)
class Rule:
    """
    One pattern. sql gets since, now, habit_since, threshold and limits as parameters.

    says is one sentence with the details' names in it; what_to_do is one too.
    """

    name: str
    code: NoticeCode
    window: timedelta
    threshold: int
    says: Any
    what_to_do: Any
    sql: str = field(repr=False)
    limits: dict[str, Any] = field(default_factory=dict)


RULES: tuple[Rule, ...] = (
    Rule(
        "failures_of_phone",
        NoticeCode.FAILURES_OF_PHONE,
        timedelta(hours=1),
        5,
        _("%(seen)s prompts to %(phone)s failed or expired within an hour."),
        _("Ask at the till who types this number in. Somebody may be trying out a stranger's."),
        """
        SELECT s.id, e.environment, left(p.phone_index, 16), count(*), max(p.created_at),
            jsonb_build_object('phone', max(p.phone_masked), 'payments',
                (array_agg(p.id::text ORDER BY p.created_at DESC))[1:20])
        FROM tenants_shop s
        CROSS JOIN (VALUES ('sandbox'), ('production')) AS e (environment)
        CROSS JOIN LATERAL (
            SELECT p.* FROM payments_payment p
            WHERE p.shop_id = s.id AND p.environment = e.environment
              AND p.created_at >= %(since)s AND p.created_at <= %(now)s
              AND p.origin = 'prompt' AND p.status IN ('failed', 'expired') AND p.phone_index <> ''
        ) p
        GROUP BY s.id, e.environment, p.phone_index HAVING count(*) >= %(threshold)s
        """,
    ),
    Rule(
        "failures_of_cashier",
        NoticeCode.FAILURES_OF_CASHIER,
        timedelta(hours=1),
        8,
        _("%(seen)s of %(asked)s prompts by %(cashier)s failed or expired within an hour."),
        _("Look whether the till asks the right numbers, and whether goods left for them."),
        """
        SELECT s.id, e.environment, left(encode(sha256(convert_to(p.created_by, 'UTF8')), 'hex'), 16),
            count(*) FILTER (WHERE p.is_bad), max(p.created_at) FILTER (WHERE p.is_bad),
            jsonb_build_object('cashier', p.created_by, 'asked', count(*), 'payments',
                (array_agg(p.id::text ORDER BY p.is_bad DESC, p.created_at DESC))[1:20])
        FROM tenants_shop s
        CROSS JOIN (VALUES ('sandbox'), ('production')) AS e (environment)
        CROSS JOIN LATERAL (
            SELECT p.*, p.status IN ('failed', 'expired') AS is_bad FROM payments_payment p
            WHERE p.shop_id = s.id AND p.environment = e.environment
              AND p.created_at >= %(since)s AND p.created_at <= %(now)s
              AND p.origin = 'prompt' AND p.status IN ('failed', 'expired', 'completed')
        ) p
        GROUP BY s.id, e.environment, p.created_by
        HAVING count(*) FILTER (WHERE p.is_bad) >= %(threshold)s
           AND count(*) FILTER (WHERE p.is_bad) * 100 > count(*) * %(share_pct)s
        """,
        {"share_pct": 60},
    ),
    Rule(
        "used_codes",
        NoticeCode.USED_CODES,
        timedelta(hours=1),
        5,
        _("%(seen)s used, taken-back or invented receipts were shown within an hour: %(place)s."),
        _("Tell the cashiers: goods leave only when the answer is green."),
        """
        SELECT s.id, e.environment, coalesce(c.branch_id::text, 'shop'), count(*), max(c.at),
            jsonb_build_object('place', coalesce(max(b.name), max(s.name)),
                'checks',
                (array_agg(c.id::text ORDER BY c.at DESC))[1:20])
        FROM tenants_shop s
        CROSS JOIN (VALUES ('sandbox'), ('production')) AS e (environment)
        CROSS JOIN LATERAL (
            SELECT c.* FROM payments_receiptcheck c
            WHERE c.shop_id = s.id AND c.environment = e.environment
              AND c.at >= %(since)s AND c.at <= %(now)s
              AND c.answer IN ('already_used', 'looks_fake', 'reversed', 'wrong_business')
        ) c LEFT JOIN tenants_branch b ON b.id = c.branch_id
        GROUP BY s.id, e.environment, c.branch_id HAVING count(*) >= %(threshold)s
        """,
    ),
    Rule(
        "same_code_again",
        NoticeCode.USED_CODES,
        timedelta(days=1),
        3,
        _("The receipt %(code)s was shown %(seen)s times in a day though it is used or invented."),
        _("Somebody goes from till to till with it. Tell the other branches."),
        """
        SELECT s.id, e.environment, left(c.code_index, 16), count(*), max(c.at),
            jsonb_build_object('code', max(c.code_masked), 'checks',
                (array_agg(c.id::text ORDER BY c.at DESC))[1:20])
        FROM tenants_shop s
        CROSS JOIN (VALUES ('sandbox'), ('production')) AS e (environment)
        CROSS JOIN LATERAL (
            SELECT c.* FROM payments_receiptcheck c
            WHERE c.shop_id = s.id AND c.environment = e.environment
              AND c.at >= %(since)s AND c.at <= %(now)s AND c.code_index <> ''
              AND c.answer IN ('already_used', 'looks_fake', 'reversed', 'wrong_business')
        ) c
        GROUP BY s.id, e.environment, c.code_index HAVING count(*) >= %(threshold)s
        """,
    ),
    Rule(
        "same_amounts",
        NoticeCode.SAME_AMOUNTS,
        timedelta(minutes=10),
        10,
        _("%(seen)s payments of exactly KES %(amount)s within ten minutes: %(place)s."),
        _("Look whether they are real sales. If this is a usual price of yours, mute it."),
        """
        SELECT b.shop_id, b.environment, b.subject, b.seen, b.newest, b.details FROM (
            SELECT s.id AS shop_id, e.environment, p.amount, max(p.created_at) AS newest,
                concat(p.amount, ' ', coalesce(p.branch_id::text, 'shop')) AS subject,
                count(*) AS seen,
                jsonb_build_object('amount', p.amount::text, 'payments',
                (array_agg(p.id::text ORDER BY p.created_at DESC))[1:20],
                    'place', coalesce(max(b.name), max(s.name))) AS details
            FROM tenants_shop s
        CROSS JOIN (VALUES ('sandbox'), ('production')) AS e (environment)
        CROSS JOIN LATERAL (
                SELECT p.* FROM payments_payment p
                WHERE p.shop_id = s.id AND p.environment = e.environment
                  AND p.created_at >= %(since)s AND p.created_at <= %(now)s
                  AND p.status = 'completed'
            ) p LEFT JOIN tenants_branch b ON b.id = p.branch_id
            GROUP BY s.id, e.environment, p.branch_id, p.amount HAVING count(*) >= %(threshold)s
        ) b
        WHERE (SELECT count(*) FILTER (WHERE h.amount = b.amount) * 100 <= count(*) * %(usual_pct)s
            FROM payments_payment h
            WHERE h.shop_id = b.shop_id AND h.environment = b.environment
              AND h.status = 'completed' AND h.created_at >= %(habit_since)s
              AND h.created_at < %(since)s)
        """,
        # A price that makes up more of the sales than this is a price, not a pattern.
        {"usual_pct": 10},
    ),
    Rule(
        "unusual_amount",
        NoticeCode.UNUSUAL_AMOUNT,
        timedelta(hours=1),
        10,
        _("KES %(amount)s is %(seen)s times what is usual here (KES %(usual)s)."),
        _("Look at the payment before the goods leave; large ones are taken back more often."),
        """
        SELECT s.id, e.environment, p.id::text, floor(p.amount / h.usual)::int, p.completed_at,
            jsonb_build_object('amount', p.amount::text, 'usual', h.usual::text,
                'payments', jsonb_build_array(p.id::text))
        FROM tenants_shop s
        CROSS JOIN (VALUES ('sandbox'), ('production')) AS e (environment)
        CROSS JOIN LATERAL (
            SELECT p.* FROM payments_payment p
            WHERE p.shop_id = s.id AND p.environment = e.environment AND p.status = 'completed'
              AND p.created_at >= %(since)s - interval '1 day' AND p.created_at <= %(now)s
              AND p.completed_at >= %(since)s AND p.amount > %(floor)s
        ) p CROSS JOIN LATERAL (
            SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY h.amount) AS usual,
                count(*) AS known
            FROM payments_payment h
            WHERE h.shop_id = s.id AND h.environment = e.environment AND h.status = 'completed'
              AND h.created_at >= %(habit_since)s AND h.created_at < p.created_at
        ) h
        WHERE h.known >= %(least_known)s AND p.amount > h.usual * %(threshold)s
        """,
        {"floor": 10_000, "least_known": 20},
    ),
    Rule(
        "claimed_elsewhere",
        NoticeCode.CLAIMED_ELSEWHERE,
        timedelta(days=1),
        2,
        _("The receipt %(code)s was shown at %(places)s within a day."),
        _("It pays once. Make sure that goods left at one of them only."),
        """
        SELECT s.id, e.environment, left(c.code_index, 16), count(DISTINCT c.branch_id), max(c.at),
            jsonb_build_object('code', max(c.code_masked), 'checks',
                (array_agg(c.id::text ORDER BY c.at DESC))[1:20],
                'places', string_agg(DISTINCT b.name, ', '))
        FROM tenants_shop s
        CROSS JOIN (VALUES ('sandbox'), ('production')) AS e (environment)
        CROSS JOIN LATERAL (
            SELECT c.* FROM payments_receiptcheck c
            WHERE c.shop_id = s.id AND c.environment = e.environment
              AND c.at >= %(since)s AND c.at <= %(now)s AND c.code_index <> ''
        ) c JOIN tenants_branch b ON b.id = c.branch_id
        GROUP BY s.id, e.environment, c.code_index
        HAVING count(DISTINCT c.branch_id) >= %(threshold)s
        """,
    ),
)
BY_NAME: dict[str, Rule] = {rule.name: rule for rule in RULES}
WATCHED = frozenset(rule.code for rule in RULES)
