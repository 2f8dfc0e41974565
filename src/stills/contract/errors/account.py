"""Errors of the account: what it may do, and how much."""

from stills.contract.errors.remedies import Remedy
from stills.contract.errors.tree import StillsError


class AccessError(StillsError):
    """The account may not do this."""

    code = "access"
    default_remedy = Remedy.FIX_ACCOUNT
    default_action = "Check the account in the Model Studio console."
    is_public = False

    @classmethod
    def default_public_message(cls) -> str:
        """Return the same words for each of them: strangers learn nothing about the account."""
        return "The provider refuses this service's account."


class KeyRefused(AccessError):
    """This service does not accept the key."""

    code = "key_refused"
    default_remedy = Remedy.SEND_KEY
    default_action = (
        "Send `Authorization: Bearer KEY` with a key that the service's operator created with "
        "`stills keys add`."
    )
    is_public = True


class MissingKey(AccessError):
    """No API key was given."""

    code = "missing_key"
    default_remedy = Remedy.SET_KEY
    default_action = (
        "Set DASHSCOPE_API_KEY, or put dashscope_api_key under [default] in "
        "~/.alibabacloud/credentials, or try without a key: --sandbox, or sandbox=True in Python."
    )


class WrongKey(AccessError):
    """The service does not know this API key."""

    code = "wrong_key"
    default_action = (
        "Check the key, and that DASHSCOPE_HTTP_BASE_URL matches the key's region; "
        "a refused call is not billed."
    )


class AccessDenied(AccessError):
    """The key may not use this model."""

    code = "access_denied"
    default_action = "Activate the model for this account or workspace in the Model Studio console."


class AccountOverdue(AccessError):
    """The account owes money, so the service refuses it."""

    code = "account_overdue"
    default_action = "Settle the Alibaba Cloud account; a refused call is not billed."


class ModelNotServed(AccessError):
    """The model is retired, or not served in this region."""

    code = "model_not_served"
    default_remedy = Remedy.CHOOSE_MODEL
    default_action = (
        "Choose another exact model id with --model or STILLS_MODEL; Stills did not fall back to "
        "another model, and nothing was billed."
    )
    is_public = True


class LimitError(StillsError):
    """The account's allowance is used up for now."""

    code = "limit"
    default_remedy = Remedy.SLOW_DOWN
    default_action = "Wait, then retry."


class RateLimited(LimitError):
    """The service received too many requests a minute."""

    code = "rate_limited"
    retryable = True
    default_action = "Retry later or slower; a refused call is not billed."

    retry_after_seconds: float | None

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        vars(self).update(retry_after_seconds=retry_after_seconds)


class QuotaExhausted(LimitError):
    """The account's quota is used up; waiting a moment does not help."""

    code = "quota_exhausted"
    default_remedy = Remedy.RAISE_QUOTA
    default_action = "Raise the quota in the Model Studio console; a refused call is not billed."


class BudgetExceeded(LimitError):
    """The image would cost more than your own cap allows."""

    code = "budget_exceeded"
    default_remedy = Remedy.RAISE_CAP
    default_action = (
        "Raise --max-cost or STILLS_BUDGET_USD; a daily budget starts again at midnight UTC."
    )
