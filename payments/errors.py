"""
Everything that can go wrong and is anticipated. Each class has the code the API answers with.

ProviderError carries the one bit failover needs: may_have_reached_customer. Where it is true a
second prompt could charge the customer twice, so nobody tries again by himself.
"""

from __future__ import annotations

from typing import Any


class PaymentsError(Exception):
    """The root. detail is English and for developers; data goes beside it in the API's answer."""

    code = "invalid"
    status = 409

    def __init__(self, detail: str = "", *, retry_after: int | None = None, **data: Any) -> None:
        super().__init__(detail or self.__class__.__doc__ or self.code)
        self.detail = str(self)
        self.retry_after = retry_after
        self.data = data


class InvalidInput(PaymentsError):
    """A value does not fit; errors is a list of (field, code, detail)."""

    code = "invalid"
    status = 400

    def __init__(
        self, detail: str = "", *, errors: list[tuple[str, str, str]] | None = None, **data: Any
    ) -> None:
        super().__init__(detail, **data)
        self.errors = errors or []


class InvalidPhoneNumber(InvalidInput):
    """The phone number is not a Kenyan mobile number."""

    code = "invalid_phone_number"


class AmountOutOfRange(InvalidInput):
    """The amount is outside the limits of every config that could take it."""

    code = "amount_out_of_range"


class MissingStoreNumber(InvalidInput):
    """A till needs the store (head office) number that signs its requests."""

    code = "missing_store_number"


class CredentialsRequired(InvalidInput):
    """The config has no credentials to do this with."""

    code = "credentials_required"


class NotFound(PaymentsError):
    """There is no such object here; another shop's object gives the same answer."""

    code = "not_found"
    status = 404


class NoActiveConfig(PaymentsError):
    """No active, verified payment config can take this payment. Configure the payment settings."""

    code = "no_active_config"


class OrderAlreadyPaid(PaymentsError):
    """A completed payment with this order_ref exists."""

    code = "order_already_paid"


class ReceiptAlreadyUsed(PaymentsError):
    """The receipt paid for something already, or is being looked into."""

    code = "receipt_already_used"


class AmountDiffers(PaymentsError):
    """The receipt is of another amount."""

    code = "amount_differs"


class OrderInProgress(PaymentsError):
    """A live payment with this order_ref exists."""

    code = "order_in_progress"


class PromptOpen(PaymentsError):
    """The phone has a live prompt of this shop."""

    code = "prompt_open"


class CoolDown(PaymentsError):
    """The same phone was asked for the same amount a moment ago."""

    code = "cool_down"


class RetryNotAllowed(PaymentsError):
    """The payment cannot be tried again now."""

    code = "retry_not_allowed"


class DailyLimitReached(PaymentsError):
    """The config's daily limit would be exceeded."""

    code = "daily_limit_reached"


class MonthlyLimitReached(PaymentsError):
    """The config's monthly limit would be exceeded."""

    code = "monthly_limit_reached"


class InvalidTransition(PaymentsError):
    """The object's status does not allow this; allowed names what is."""

    code = "invalid_transition"


class NotVerified(PaymentsError):
    """The config is not verified."""

    code = "not_verified"


class VerificationFailed(PaymentsError):
    """The provider refused the credentials."""

    code = "verification_failed"


class DuplicateShortcode(PaymentsError):
    """The same shop and branch already has this shortcode."""

    code = "duplicate_shortcode"


class ShortcodeClaimed(PaymentsError):
    """Another business proved control of this shortcode. Contact support."""

    code = "shortcode_claimed"


class ConfigInUse(PaymentsError):
    """Payments of this config are still open."""

    code = "config_in_use"


class RequestInProgress(PaymentsError):
    """A request with this idempotency key is still running."""

    code = "request_in_progress"


class IdempotencyKeyReused(PaymentsError):
    """The idempotency key was used with another request."""

    code = "idempotency_key_reused"
    status = 422


class RateLimited(PaymentsError):
    """Too many requests in this minute."""

    code = "rate_limited"
    status = 429


class ProviderUnavailable(PaymentsError):
    """No config could be tried just now; nothing was stored."""

    code = "provider_unavailable"
    status = 503


class BreakerOpen(ProviderUnavailable):
    """The config failed several times in a row and is left alone for a while."""


class UnreadableBody(PaymentsError):
    """A provider's callback body could not be read as what its address says it is."""

    code = "unreadable_body"


class CannotOpen(PaymentsError):
    """A sealed value does not open. Says nothing of why, on purpose."""

    code = "unavailable"
    status = 503


class ProviderError(PaymentsError):
    """A provider's answer, or its absence. Not raised for a customer's decision."""

    code = "provider_unavailable"
    status = 503
    may_have_reached_customer = True

    def __init__(
        self, detail: str = "", *, error_code: str = "", http_status: int | None = None, **data: Any
    ) -> None:
        super().__init__(detail, **data)
        self.error_code = error_code
        self.http_status = http_status


class ProviderRefused(ProviderError):
    """The provider said no before any prompt: a 4xx or a 500 whose text is in the closed table."""

    may_have_reached_customer = False


class ProviderUnreachable(ProviderError):
    """No byte of the request was sent: connect, DNS or TLS error."""

    may_have_reached_customer = False


class RequestRefused(ProviderRefused):
    """The no concerns this customer or this request: any other config would hear the same."""


class TokenRefused(ProviderRefused):
    """The access token was refused (dead, or the app lacks the product)."""


class CredentialsRefused(ProviderRefused):
    """The consumer key, secret or passkey is wrong; not raised for an expired token."""


class UrlsAlreadyRegistered(ProviderRefused):
    """The shortcode has C2B addresses, and they are changed elsewhere than here."""


class ProductMissing(ProviderRefused):
    """The app lacks the API's product, or has it in its other version."""


class ProviderBusy(ProviderRefused):
    """429, spike arrest or quota: this key must slow down; the request was not taken."""


class OutcomeUnknown(ProviderError):
    """Bytes were sent and no readable answer came: time-out, 5xx, HTML, empty, too large."""
