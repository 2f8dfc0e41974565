"""Errors in words that an agent can follow."""

from stills.contract.errors import Billing, Remedy, StillsError

_MONEY = {
    Billing.NONE: "This call billed nothing.",
    Billing.POSSIBLE: "It may have been billed.",
    Billing.BILLED: "It was billed.",
}
_NOTHING_ELSE = "Nothing else was billed."

_CONTINUE = (
    "Call again with the same arguments: that waits for this image; no other call is sent or "
    "billed."
)
_DOWNLOAD = "Call again with the same arguments: the image that was billed is finished free."

LOCAL_ACTIONS: dict[Remedy, str] = {
    Remedy.GIVE_REFERENCE: (
        "Give an https URL, a path or a data URL of a PNG, JPEG, WebP, GIF, BMP or TIFF."
    ),
    Remedy.USE_KNOWN_ID: "image_list shows the ids.",
    Remedy.SET_KEY: (
        "Ask the user to set DASHSCOPE_API_KEY in this server's environment, or to start the "
        "server with --sandbox to try without a key."
    ),
    Remedy.CHOOSE_MODEL: (
        "Stills did not fall back to another model, and nothing was billed. Ask the user to choose "
        "another exact model id with STILLS_MODEL in this server's environment, or give one as "
        "`model`."
    ),
    Remedy.RAISE_CAP: (
        "Tell the user: a daily budget starts again at midnight UTC, and they can raise it, for "
        "example with STILLS_BUDGET_USD in this server's environment."
    ),
    Remedy.RETRY_FREE: _DOWNLOAD,
    Remedy.CONTINUE: _CONTINUE,
    Remedy.RESTORE_IMAGE: (
        "Ask the user to restore the file, or to pay for a new image with "
        "`stills generate --fresh` in a shell."
    ),
    Remedy.REPORT: "Report this to the user.",
}
"""Where the operator's words don't fit an agent on the same machine: its tools have no options."""

_OPERATOR = "Tell the user: the operator of this service must"
REMOTE_ACTIONS: dict[Remedy, str] = {
    Remedy.FIX_REQUEST: "Fix the arguments; nothing was sent.",
    Remedy.GIVE_REFERENCE: (
        "Give an https URL or a data URL of a PNG, JPEG, WebP, GIF, BMP or TIFF."
    ),
    Remedy.FIX_CONFIG: f"{_OPERATOR} fix its settings.",
    Remedy.USE_KNOWN_ID: "image_list shows the ids.",
    Remedy.USE_NEW_NAME: "Choose another name; nothing was changed.",
    Remedy.SEND_KEY: (
        "Tell the user: send `Authorization: Bearer KEY` with a key from the operator of this "
        "service, who creates keys with `stills keys add`."
    ),
    Remedy.SET_KEY: f"{_OPERATOR} set a key for the provider.",
    Remedy.FIX_ACCOUNT: f"{_OPERATOR} fix its account with the provider.",
    Remedy.CHOOSE_MODEL: (
        "Stills did not fall back to another model, and nothing was billed. Give another exact "
        "model id as `model`."
    ),
    Remedy.SLOW_DOWN: "Call again later or slower; a refused call is not billed.",
    Remedy.RAISE_QUOTA: f"{_OPERATOR} raise the quota; a refused call is not billed.",
    Remedy.RAISE_CAP: (
        "Tell the user: a daily budget starts again at midnight UTC, and the operator of this "
        "service can raise it."
    ),
    Remedy.REPHRASE: (
        "Rephrase the prompt: the same words will fail again. A call without an image is not "
        "billed."
    ),
    Remedy.RETRY_LATER: "Call again in a few minutes; a failed call is not billed.",
    Remedy.ALLOW_TIME: (
        "Ask the user before you call again: if no image is stored yet, that may be billed."
    ),
    Remedy.RETRY_FREE: _DOWNLOAD,
    Remedy.CONTINUE: _CONTINUE,
    Remedy.RETRY_MAY_BILL_TWICE: (
        "Ask the user before you call again: that sends another call, and both may be billed."
    ),
    Remedy.PAY_AGAIN: "Tell the user, and ask before you call again: that is billed again.",
    Remedy.RESTORE_IMAGE: f"{_OPERATOR} restore the file. Or change the seed to pay for a new one.",
    Remedy.FIX_STORAGE: f"{_OPERATOR} fix it; what was paid for is not lost.",
    Remedy.FIX_TOOL: f"{_OPERATOR} fix it; what was paid for is not lost.",
    Remedy.CHECK_SERVICE: (
        "Report this to the user: the provider's rules may have changed. A refused call is not "
        "billed."
    ),
    Remedy.REPORT: "Report this to the user.",
}
"""What an agent on another machine can do."""


def describe_error(error: StillsError, *, is_remote: bool) -> str:
    """Say what happened, what it means for money, and what to do.

    A remote caller sees no path of this machine, and nothing about its account.
    """
    if is_remote:
        message = error.public_message
        action = error.public_action or REMOTE_ACTIONS[error.remedy]
    else:
        message, action = error.message, error.action
        if action == error.default_action:
            action = LOCAL_ACTIONS.get(error.remedy, action)
    request_id = f" (request id {error.request_id})" if error.request_id else ""
    money = _MONEY[error.billing]
    if error.billing is Billing.NONE and error.has_billed_takes:
        money = _NOTHING_ELSE
    return f"{error.code}: {message.rstrip('.')}{request_id}. {money} {action}"


def describe_unexpected() -> str:
    """Say that the server failed, without details: they are in the log."""
    return (
        "error: something failed in this server; its log has the details. Call again with the same "
        "arguments: what was paid for is not paid for twice."
    )
