from __future__ import annotations

from reconciliation.models.exceptions import ExceptionItem, Handling
from reconciliation.models.keeping import RetentionRule, SavedFilter
from reconciliation.models.runs import Replay, Run
from reconciliation.models.shifts import Shift
from reconciliation.models.statements import StatementImport, StatementLine
from reconciliation.models.sweeps import SweepState
from reconciliation.models.tariffs import ConfigBearer, Tariff, TariffBand

__all__ = [
    "ConfigBearer",
    "ExceptionItem",
    "Handling",
    "Replay",
    "RetentionRule",
    "Run",
    "SavedFilter",
    "Shift",
    "StatementImport",
    "StatementLine",
    "SweepState",
    "Tariff",
    "TariffBand",
]
