"""
What can happen to a request after it was acknowledged: a table. To add one: a row.

A plan's name may also be any result code (2001, R000002, 21 …): then the request fails with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ResultPlan:
    """
    One way; the defaults are a request that is done and whose result comes once.

    carried_out says whether it was done, whatever is told; after_s is how much later than usual
    the results come; times_out sends the queue's time-out as well. form is "array", "object" (one
    parameter, no array), "bare" (none) or "text" (numbers as text, the reference as an array).
    """

    name: str
    code: str = ""
    carried_out: bool = True
    results: int = 1
    after_s: float = 0.0
    times_out: bool = False
    form: str = "array"


_ROWS = (
    ResultPlan("usual"),
    ResultPlan("timeout", carried_out=False, results=0, times_out=True),
    ResultPlan("timeout_done", results=0, times_out=True),
    ResultPlan("timeout_then_result", times_out=True, after_s=60),
    ResultPlan("lost", results=0),
    ResultPlan("lost_undone", carried_out=False, results=0),
    ResultPlan("twice", results=2),
    ResultPlan("late", after_s=600),
    ResultPlan("object", form="object"),
    ResultPlan("bare", form="bare"),
    ResultPlan("text", form="text"),
)
PLANS: dict[str, ResultPlan] = {row.name: row for row in _ROWS}
_CODE = re.compile(r"[A-Z_]{0,8}[0-9]{1,12}")


def plan_of(name: str) -> ResultPlan:
    """
    Return the plan of that name, or one that fails with that code.

    :raises KeyError: when it is neither.
    """
    if name in PLANS:
        return PLANS[name]
    if not _CODE.fullmatch(name) or name == "0":
        raise KeyError(name)
    return ResultPlan(name, code=name, carried_out=False)
