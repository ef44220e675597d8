"""A config's account rules over HTTP: read whole, written whole."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.config_serializers import BranchField
from payments.api.configs import ConfigView
from payments.api.fields import (
    StrictCharField,
    StrictChoiceField,
    StrictListField,
    StrictSerializer,
)
from payments.models import PaymentConfig
from payments.receipt_choices import RuleKind
from payments.services.account_rule_changes import MAX_LABEL, MAX_RULES, NewRule, save_rules
from payments.services.account_rules import MAX_PATTERN, rules_of
from tenants.roles import Action


class RuleInput(StrictSerializer):
    """
    What a typed account reference means: a label, a branch, an order, at least one of them.

    Of the rules that fit, `exact` beats the longest `prefix`, which beats `default`. A prefix may
    be written with a star at its end; the default has no pattern.
    """

    kind = StrictChoiceField(choices=RuleKind.choices)
    pattern = StrictCharField(max_length=MAX_PATTERN + 1, allow_blank=True, default="")
    label = StrictCharField(max_length=MAX_LABEL, allow_blank=True, default="")
    branch = BranchField(allow_null=True, default=None)
    order_ref = StrictCharField(max_length=64, allow_blank=True, default="")


class RulesInput(StrictSerializer):
    """All of a config's rules; one that is left out is gone."""

    account_rules = StrictListField(child=RuleInput(), max_length=MAX_RULES)


class RuleOutput(serializers.Serializer):
    kind = StrictChoiceField(choices=RuleKind.choices)
    pattern = serializers.CharField()
    label = serializers.CharField()
    branch = serializers.UUIDField(source="branch_id", allow_null=True)
    order_ref = serializers.CharField()


class RulesOutput(serializers.Serializer):
    account_rules = RuleOutput(many=True)


class ConfigAccountRules(ConfigView):
    actions: ClassVar = {"GET": Action.VIEW_CONFIGS, "PUT": Action.MANAGE_CONFIGS}

    @extend_schema(responses=RulesOutput)
    def get(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        return Response(_represent(self.config(config_id)))

    @extend_schema(request=RulesInput, responses=RulesOutput)
    def put(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        rules = [NewRule(**rule) for rule in self.read(RulesInput)["account_rules"]]
        save_rules(config=config, rules=rules, actor=self.actor, now=self.now)
        return Response(_represent(config))


def _represent(config: PaymentConfig) -> dict[str, Any]:
    return dict(RulesOutput({"account_rules": rules_of(config)}).data)
