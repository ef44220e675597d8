"""What a visit of the doctor needs before it begins: which stages, and which version to try."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from audit.actors import Actor
from payments.choices import VerificationStage
from payments.errors import CredentialsRequired, InvalidInput, VerificationFailed
from payments.models import CredentialVersion, PaymentConfig
from payments.providers import registry
from payments.services import config_secrets, verification_verdict
from payments.services.config_rules import missing_secrets
from payments.services.verification_stages import STAGES

_ASKS_NOBODY = "This config has no API: only its fields are looked at."


def chosen_stages(
    config: PaymentConfig, names: Iterable[str] | None, *, has_phone: bool
) -> list[str]:
    """
    Return the stages of a visit in their order; without names, all that are usual.

    :raises InvalidInput: for one that does not exist or cannot be made.
    """
    usual = verification_verdict.usual_stages(config)
    asked = {VerificationStage.PROMPT} if has_phone else set()
    wanted = {*(usual | asked if names is None else names)}
    if not wanted or not wanted <= STAGES.keys():
        detail = f"Choose among {', '.join(STAGES)}."
        raise InvalidInput(detail, errors=[("stages", "invalid_choice", detail)])
    if not config.has_api and wanted != usual:
        field = "phone_number" if has_phone else "stages"
        raise InvalidInput(_ASKS_NOBODY, errors=[(field, "not_applicable", _ASKS_NOBODY)])
    if names is not None and VerificationStage.PROMPT in wanted and not has_phone:
        detail = "Give the phone that shall be prompted."
        raise InvalidInput(detail, errors=[("phone_number", "required", detail)])
    return [str(name) for name in STAGES if name in wanted]


def version_to_try(config: PaymentConfig, *, actor: Actor, now: datetime) -> CredentialVersion:
    """
    Return the version in use with all its provider needs.

    :raises VerificationFailed: when no adapter speaks to the provider.
    :raises CredentialsRequired: when a credential is missing.
    """
    if not config.has_api:
        return config_secrets.stage_nothing(config=config, actor=actor, now=now)
    if not registry.supports(config.provider, "fetch_access_token"):
        raise VerificationFailed("This provider cannot be asked yet.")
    version = config_secrets.current_of(config)
    missing = missing_secrets(version.secrets if version else (), provider=config.provider)
    if version is None or missing:
        errors = [(f"credentials.{name}", "required", "Give this credential.") for name in missing]
        raise CredentialsRequired("Credentials are missing.", errors=errors)
    return version
