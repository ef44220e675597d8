"""
The desk of Pull Transactions: `POST /pulltransactions/v1/register` and GET or POST of query.

Rows come in a list inside a list, a hundred from the row offset; at most 48 hours at a time
(Daraja 3.0 portal, PullTransaction; GET in its prose, POST in every client). No recording shows a
payment that was taken back: here it is followed by a row of the negative amount.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from payments.providers.daraja.simulator import checks, wire
from payments.providers.daraja.simulator.calls import Call
from payments.providers.daraja.simulator.knobs import Knobs
from payments.providers.daraja.simulator.ledger import Ledger, PullSeen
from payments.providers.daraja.simulator.tokens import TokenDesk
from payments.providers.daraja.simulator.transactions import Transaction, TransactionBook

REGISTER_PATH, QUERY_PATH = "/pulltransactions/v1/register", "/pulltransactions/v1/query"
PAGE = 100
_WINDOW = timedelta(hours=48)
_MOMENT = "%Y-%m-%d %H:%M:%S"
_NONE = "No records found or Organization Name not available"

Row = tuple[datetime, dict[str, Any]]


def _moment_of(value: Any) -> datetime | None:
    try:
        return datetime.strptime(str(value), _MOMENT).replace(tzinfo=wire.EAT)
    except ValueError:
        return None


def _is_moment(value: Any) -> bool:
    return _moment_of(value) is not None


_REGISTER_RULES: checks.Rules = {
    "ShortCode": checks.is_shortcode,
    "RequestType": lambda value: value == "Pull",
    "NominatedNumber": checks.like(r"(254|0)[17]\d{8}"),
    "CallBackURL": checks.is_url,
}
_QUERY_RULES: checks.Rules = {
    "ShortCode": checks.is_shortcode,
    "StartDate": _is_moment,
    "EndDate": _is_moment,
    "OffSetValue": checks.like(r"\d{1,6}"),
}


@dataclass
class PullDesk:
    """Registers shortcodes and tells what was paid to them."""

    tokens: TokenDesk
    ids: wire.Ids
    ledger: Ledger
    knobs: Knobs
    transactions: TransactionBook
    registered: set[str] = field(default_factory=set)

    def clear(self) -> None:
        self.registered.clear()

    def register(self, call: Call) -> wire.Answer:
        """Answer one registration; the second of a shortcode gets 1001."""
        try:
            self.tokens.authenticate(call.headers, call.now)
            fields = call.fields()
            checks.check_fields(fields, _REGISTER_RULES, call.request_id)
        except wire.Refusal as refusal:
            return refusal.answer
        shortcode = str(fields["ShortCode"])
        is_new = shortcode not in self.registered
        self.registered.add(shortcode)
        text = "ShortCode Registered Successfully" if is_new else "ShortCode already Registered"
        space = " " if self.knobs.pull_spaced else ""
        return wire.json_answer(
            200,
            {
                "ResponseRefID": self.ids.new_request_id(),
                f"Response{space}Status": "1000" if is_new else "1001",
                "ShortCode": shortcode,
                f"Response{space}Description": text,
            },
        )

    def query(self, call: Call) -> wire.Answer:
        """Answer one query, its fields in the address (GET) or the body (POST)."""
        app, fields, rows = "", dict[str, Any](), list[dict[str, Any]]()
        try:
            app = self.tokens.authenticate(call.headers, call.now)
            fields = dict(call.query) if call.query else call.fields()
            checks.check_fields(fields, _QUERY_RULES, call.request_id)
            rows = self._rows_of(fields, call)
            answer = self._tell(rows)
        except wire.Refusal as refusal:
            answer = refusal.answer
        offset = str(fields.get("OffSetValue", ""))
        self.ledger.pulls.append(
            PullSeen(
                at=call.now,
                app=app,
                shortcode=str(fields.get("ShortCode", "")),
                method="GET" if call.query else "POST",
                offset=int(offset) if offset.isdecimal() else 0,
                rows=len(rows),
                status=answer.status,
            )
        )
        return answer

    def _rows_of(self, fields: dict[str, Any], call: Call) -> list[dict[str, Any]]:
        begin, end = _moment_of(fields["StartDate"]), _moment_of(fields["EndDate"])
        if begin is None or end is None or not timedelta(0) <= end - begin <= _WINDOW:
            raise checks.invalid("EndDate", call.request_id)
        shortcode = str(fields["ShortCode"])
        if shortcode not in self.registered:
            return []
        found = [
            row
            for transaction in self.transactions.of(shortcode)
            for row in self._rows(transaction)
            if begin <= row[0] <= end
        ]
        first = int(fields["OffSetValue"])
        return [row for _, row in sorted(found, key=_time)][first : first + PAGE]

    def _tell(self, rows: list[dict[str, Any]]) -> wire.Answer:
        if rows or self.knobs.pull_empty == "list":
            return self._success([rows])
        if self.knobs.pull_empty == "text":
            return self._success("[[]]")
        content = {
            "RequestID": self.ids.new_request_id(),
            "ResponseCode": "1001",
            "ResponseMessage": _NONE,
        }
        return wire.json_answer(200, content)

    def _success(self, response: Any) -> wire.Answer:
        content = {
            "ResponseRefID": self.ids.new_request_id(),
            "ResponseCode": "1000",
            "ResponseMessage": "Success",
            "Response": response,
        }
        return wire.json_answer(200, content)

    def _rows(self, one: Transaction) -> list[Row]:
        kind = "c2b-buy-goods" if one.is_till else "c2b-pay-bill"
        paid = {
            "transactionId": one.receipt_number,
            "trxDate": _date(one.at),
            "msisdn": int(one.msisdn),
            "sender": one.name,
            "transactiontype": f"{kind}-debit",
            "billreference": "" if one.is_till else one.reference,
            "amount": f"{one.amount:.2f}",
            "organizationname": self.knobs.names.get(one.party_b, ""),
        }
        if one.reversed_at is None:
            return [(one.at, paid)]
        returned = paid | {
            "transactionId": one.reversed_by,
            "trxDate": _date(one.reversed_at),
            "transactiontype": f"{kind}-reversal",
            "billreference": one.receipt_number,
            "amount": f"-{one.returned:.2f}",
        }
        return [(one.at, paid), (one.reversed_at, returned)]


def _date(at: datetime) -> str:
    # A Z stands behind Nairobi's time in the portal's sample; nobody has shown that it means UTC.
    return f"{at.astimezone(wire.EAT):%Y-%m-%dT%H:%M:%S}Z"


def _time(row: Row) -> datetime:
    return row[0]
