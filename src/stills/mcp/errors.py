"""Errors in words that an agent can follow."""

from stills.contract.errors import (
    REFERENCE_FORMS,
    AccessError,
    Billing,
    BudgetExceeded,
    DamagedImage,
    DeadlineExceeded,
    ImageMissing,
    InvalidRequest,
    KeyRefused,
    LinkDead,
    LinkLost,
    MissingKey,
    ModelNotServed,
    ServiceUnreachable,
    StillsError,
    StorageError,
    ToolError,
)

_MONEY = {
    Billing.NONE: "This call billed nothing.",
    Billing.POSSIBLE: "It may have been billed.",
    Billing.BILLED: "It was billed.",
}

_AGAIN = "Call again with the same arguments: what was paid for is downloaded free of charge."

# Where the error's own action names an option that a tool's caller does not have.
_ACTIONS: dict[type[StillsError], str] = {
    BudgetExceeded: (
        "Tell the user: a day's budget is new at midnight UTC, and they can raise it, such as with "
        "STILLS_BUDGET_USD in this server's environment."
    ),
    MissingKey: (
        "Ask the user to set DASHSCOPE_API_KEY in this server's environment, or to start the "
        "server with --sandbox to try without a key."
    ),
    ModelNotServed: (
        "Nothing was swapped, sent on or billed. Ask the user to choose another exact model id "
        "with STILLS_MODEL in this server's environment, or give one as `model`."
    ),
    DamagedImage: _AGAIN,
    LinkDead: _AGAIN,
    ImageMissing: (
        "Ask the user to put the file back, or to pay for a new one with "
        "`stills generate --fresh` in a shell."
    ),
}
_REMOTE_ACTIONS: dict[type[StillsError], str] = {
    BudgetExceeded: (
        "Tell the user: a day's budget is new at midnight UTC, and whoever runs this service can "
        "raise it."
    ),
    ModelNotServed: (
        "Nothing was swapped, sent on or billed. Give another exact model id as `model`."
    ),
    DeadlineExceeded: "Ask the user before you call again, which may send and bill anew.",
    LinkLost: "Tell the user, and ask before you call again: that is paid for again.",
    ServiceUnreachable: "Call again in a few minutes; nothing was sent.",
}
_GENERAL_ACTION = "Report this to the user."
_PROVIDER = "the provider refuses this service's account"
_PROVIDER_ACTION = "Tell the user: whoever runs this service has to look after its account."
_STORAGE_ACTION = (
    "Tell the user: whoever runs this service has to mend it; nothing paid for is lost."
)
_MISSING_ACTION = (
    "Tell the user: whoever runs this service has to put its file back; or change the seed."
)


def tell(error: StillsError, *, is_remote: bool) -> str:
    """Say what happened, what it means for money, and what to do.

    A remote caller is shown no path of this machine, and nothing of its account.
    """
    message, action = error.message.rstrip("."), error.action
    if is_remote and (error.names_options or isinstance(error, (DamagedImage, LinkLost))):
        actions = _ACTIONS | _REMOTE_ACTIONS  # theirs may say where bytes lie
        action = actions.get(type(error), _GENERAL_ACTION)
    elif action == type(error).default_action:
        action = _ACTIONS.get(type(error), action)
    if action == StillsError.default_action:
        action = _GENERAL_ACTION
    if isinstance(error, InvalidRequest):
        forms = "an https URL or a data URL" if is_remote else "an https URL, a path or a data URL"
        action = action.replace(REFERENCE_FORMS, forms)
    if is_remote and isinstance(error, (StorageError, ToolError)):
        message = error.default_message().rstrip(".")
        action = _MISSING_ACTION if isinstance(error, ImageMissing) else _STORAGE_ACTION
    elif (
        is_remote
        and isinstance(error, AccessError)
        and not isinstance(error, (KeyRefused, ModelNotServed))
    ):
        message, action = _PROVIDER, _PROVIDER_ACTION
    request_id = f" (request id {error.request_id})" if error.request_id else ""
    return f"{error.code}: {message}{request_id}. {_MONEY[error.billing]} {action}"


def tell_unexpected() -> str:
    """Say that this is our fault, and no more: the log has the rest."""
    return (
        "error: something failed in this server; its log says what. Call again with the same "
        "arguments: what was paid for is not paid for twice."
    )
