"""Payment configs: may he, what did he send, one call to a service, the answer."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.base import MalipoView
from payments.api.config_serializers import (
    ActiveConfigFilters,
    ActiveConfigOutput,
    ConfigFilters,
    ConfigInput,
    ConfigOutput,
    DeletionInput,
    NothingInput,
    ReasonInput,
    VerificationLogOutput,
    VerificationOutput,
    VerifyInput,
    represent_config,
    represent_configs,
)
from payments.errors import InvalidInput, NoActiveConfig, NotFound
from payments.models import PaymentConfig
from payments.services import approvals, configs, routing, verification
from payments.services.config_rules import FIELD_NAMES, ConfigFields
from tenants.roles import Action

_MANAGE: dict[str, Action] = {"POST": Action.MANAGE_CONFIGS}
_GONE = OpenApiResponse(
    description="Gone. Its payments stay, and are still settled. `reason` may stand in the query"
    " or in a JSON body; it goes on the audit trail."
)


class ConfigView(MalipoView):
    """What the views of configs share: which of them exist for this key."""

    def configs(self) -> QuerySet[PaymentConfig]:
        """Return the key's own world; a key bound to a branch has only that branch's."""
        rows = PaymentConfig.objects.for_shop(self.shop).in_environment(self.environment)
        rows = rows.not_deleted().select_related("shop", "branch", "breaker")
        return rows.filter(branch=self.branch_id) if self.branch_id else rows

    def config(self, config_id: uuid.UUID) -> PaymentConfig:
        found = self.configs().filter(pk=config_id).first()
        if found is None:
            raise NotFound
        return found

    def read_config(self, *, partial: bool = False) -> tuple[dict[str, Any], Any]:
        """Return the changed fields and the credentials of the body."""
        given = self.read(ConfigInput, partial=partial)
        changes = {name: value for name, value in given.items() if name in FIELD_NAMES}
        if "purposes" in changes:
            changes["purposes"] = tuple(changes["purposes"])
        self._keep_to_branch(changes, partial=partial)
        return changes, given.get("credentials")

    def _keep_to_branch(self, changes: dict[str, Any], *, partial: bool) -> None:
        if self.branch_id is None or (partial and "branch" not in changes):
            return
        if changes.get("branch") is None:
            if partial:
                detail = "This key is bound to its branch."
                raise InvalidInput(detail, errors=[("branch", "not_yours", detail)])
            changes["branch"] = self.key.branch


class ConfigList(ConfigView):
    actions: ClassVar = {"GET": Action.VIEW_CONFIGS, **_MANAGE}
    filters = ConfigFilters
    is_list = True

    @extend_schema(parameters=[ConfigFilters], responses=ConfigOutput(many=True))
    def get(self, request: Request) -> Response:
        del request
        given = dict(self.query)
        rows = self.configs()
        if purpose := given.pop("purpose", ""):
            rows = rows.filter(purposes__contains=[purpose])
        return self.page(rows.filter(**given), represent_configs)

    @extend_schema(request=ConfigInput, responses={201: ConfigOutput})
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        del request
        fields, credentials = self.read_config()
        config = configs.create_config(
            shop=self.shop,
            environment=self.environment,
            fields=ConfigFields(**fields),
            credentials=credentials,
            actor=self.actor,
            now=self.now,
        )
        return Response(represent_config(config), status=201)


class ConfigDetail(ConfigView):
    actions: ClassVar = {
        "GET": Action.VIEW_CONFIGS,
        "PUT": Action.MANAGE_CONFIGS,
        "PATCH": Action.MANAGE_CONFIGS,
        "DELETE": Action.MANAGE_CONFIGS,
    }
    delete_query = DeletionInput

    @extend_schema(responses=ConfigOutput)
    def get(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        return Response(represent_config(self.config(config_id)))

    @extend_schema(request=ConfigInput, responses=ConfigOutput)
    def put(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        return self._update(config_id, partial=False)

    @extend_schema(request=ConfigInput, responses=ConfigOutput)
    def patch(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        return self._update(config_id, partial=True)

    @extend_schema(parameters=[DeletionInput], request=None, responses={204: _GONE})
    def delete(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        reason = {**self.query, **self.read(DeletionInput)}.get("reason", "")
        configs.delete_config(config=config, reason=reason, actor=self.actor, now=self.now)
        return Response(status=204)

    @sensitive_variables()
    def _update(self, config_id: uuid.UUID, *, partial: bool) -> Response:
        config = self.config(config_id)
        changes, credentials = self.read_config(partial=partial)
        config = configs.update_config(
            config=config,
            changes=changes,
            credentials=credentials,
            actor=self.actor,
            now=self.now,
        )
        return Response(represent_config(config))


_ACT = extend_schema_view(post=extend_schema(request=NothingInput, responses=ConfigOutput))
_EXPLAINED_ACT = extend_schema_view(post=extend_schema(request=ReasonInput, responses=ConfigOutput))


_SECOND_PERSON = """
Let payments use the config.

In production a second person must have approved it. While nobody has, the answer is 409
`invalid_transition` with `missing: ["approval"]`, and the first such call opens the request
(`approval: "open"`): another admin of the shop, or platform staff where the shop has one admin,
decides it in the admin. A key never approves, and whoever issued it counts as having asked. After
a no (`approval: "refused"`) a person asks again.
"""


@extend_schema_view(
    post=extend_schema(
        request=NothingInput, responses=ConfigOutput, description=_SECOND_PERSON.strip()
    )
)
class ConfigActivate(ConfigView):
    actions: ClassVar = _MANAGE

    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        self.read(NothingInput)
        config = approvals.activate_or_ask(
            config=config, user=self.key.created_by, actor=self.actor, now=self.now
        )
        return Response(represent_config(config))


@_ACT
class ConfigDeactivate(ConfigView):
    actions: ClassVar = _MANAGE

    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        self.read(NothingInput)
        config = configs.deactivate_config(config=config, actor=self.actor, now=self.now)
        return Response(represent_config(config))


@_ACT
class ConfigSetDefault(ConfigView):
    actions: ClassVar = _MANAGE

    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        self.read(NothingInput)
        config = configs.set_default_config(config=config, actor=self.actor, now=self.now)
        return Response(represent_config(config))


@_EXPLAINED_ACT
class ConfigSuspend(ConfigView):
    actions: ClassVar = {"POST": Action.SUSPEND_CONFIGS}

    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        given = self.read(ReasonInput)
        config = configs.suspend_config(config=config, actor=self.actor, now=self.now, **given)
        return Response(represent_config(config))


@_EXPLAINED_ACT
class ConfigRestore(ConfigView):
    actions: ClassVar = {"POST": Action.RESTORE_CONFIGS}

    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        given = self.read(ReasonInput)
        config = verification.restore_config(config=config, actor=self.actor, now=self.now, **given)
        return Response(represent_config(config))


class ConfigVerify(ConfigView):
    actions: ClassVar = _MANAGE

    @extend_schema(request=VerifyInput, responses=VerificationOutput)
    def post(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        config = self.config(config_id)
        given = self.read(VerifyInput)
        run = verification.verify_config(config=config, actor=self.actor, now=self.now, **given)
        logs = VerificationLogOutput(run.logs, many=True).data
        return Response({"logs": logs, "config": represent_config(run.config)})


class ConfigVerificationLogs(ConfigView):
    actions: ClassVar = {"GET": Action.VIEW_CONFIGS}
    is_list = True

    @extend_schema(responses=VerificationLogOutput(many=True))
    def get(self, request: Request, config_id: uuid.UUID) -> Response:
        del request
        rows = self.config(config_id).verifications.select_related("version")
        rows = rows.defer("version__secrets")
        return self.page(rows, lambda logs: VerificationLogOutput(logs, many=True).data)


class ActiveConfig(MalipoView):
    """Which config a payment would go through now, and why not the others."""

    actions: ClassVar = {"GET": Action.VIEW_EVENTS}
    filters = ActiveConfigFilters

    @extend_schema(parameters=[ActiveConfigFilters], responses=ActiveConfigOutput)
    def get(self, request: Request) -> Response:
        del request
        given = dict(self.query)
        branch = given.pop("branch", self.key.branch)
        resolution = routing.resolve(
            shop_id=self.shop.pk,
            environment=self.environment,
            branch_id=branch.pk if branch else None,
            now=self.now,
            **given,
        )
        if resolution.chosen is None:
            error = NoActiveConfig(resolution=resolution.as_data())
            error.status = 404
            raise error
        return Response(
            {
                "config": represent_config(resolution.chosen),
                "resolution": resolution.as_data(),
            }
        )
