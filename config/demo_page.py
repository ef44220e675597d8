"""What `make demo` prints once everything answers."""

from __future__ import annotations

from typing import Any

PAGE = """
Malipo is running: {base_url}

Admin            {base_url}/admin/
{logins}

API keys
{keys}

Take a payment (the demo phone pays by itself after about two seconds)
  curl -s {base_url}/api/v1/payments \\
    -H 'Authorization: Bearer {cashier_key}' \\
    -H "Idempotency-Key: demo-$(date +%s)" -H 'Content-Type: application/json' \\
    -d '{{"amount": "150", "phone_number": "0708374149"}}'
  Any other number rings on the handset page, where you press Pay or Cancel.

Let a customer pay unasked: "Pay by hand" on the handset page, to 600100 or till 5200101.
The message it shows is what a customer would show at the counter.

Handset          {simulator_url}/
API docs         {base_url}/api/docs
Logs             .dev/*.log
For programs     .dev/demo.json; settings for manage.py: set -a; . .dev/demo.env

Ctrl-C stops everything.
"""


def describe(result: dict[str, Any]) -> str:
    """Lay out the addresses, one login per role, the keys and a first payment."""
    first_shop = next(iter(result["api_keys"].values()))
    return PAGE.format(
        base_url=result["base_url"],
        simulator_url=result["simulator_url"],
        logins="\n".join(login_lines(result["admin"])),
        keys="\n".join(key_lines(result["api_keys"])),
        cashier_key=first_shop["cashier"],
    )


def login_lines(logins: list[dict[str, Any]]) -> list[str]:
    """Return a line for the first login of every role."""
    by_role: dict[str, dict[str, Any]] = {}
    for login in logins:
        by_role.setdefault(login["role"], login)
    return [
        f"  {role:<14} {login['email']:<32} {login['password']:<20} {login['shop'] or 'all shops'}"
        for role, login in by_role.items()
    ]


def key_lines(keys_by_shop: dict[str, dict[str, str]]) -> list[str]:
    """Return a line for every key, shop by shop."""
    return [
        f"  {shop:<14} {role:<15} {key}"
        for shop, keys in keys_by_shop.items()
        for role, key in keys.items()
    ]
