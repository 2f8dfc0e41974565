"""What helps after an error, as data; each front end has its own sentence for each remedy."""

from enum import StrEnum


class Remedy(StrEnum):
    """What helps. Options, variables and routes to do it with are up to the front end."""

    FIX_REQUEST = "fix_request"
    """Change the request; nothing was sent."""

    GIVE_REFERENCE = "give_reference"
    """Give a reference image in a form that can be used."""

    FIX_CONFIG = "fix_config"
    """Change a setting of the machine that Stills runs on."""

    USE_KNOWN_ID = "use_known_id"
    """Use an id or a name that exists."""

    USE_NEW_NAME = "use_new_name"
    """Use a name that is not in use."""

    SEND_KEY = "send_key"
    """Send an API key that this service accepts."""

    SET_KEY = "set_key"
    """Set an API key of the provider, or use the sandbox."""

    FIX_ACCOUNT = "fix_account"
    """Give the account with the provider what it lacks."""

    CHOOSE_MODEL = "choose_model"
    """Choose another model by its exact id."""

    SLOW_DOWN = "slow_down"
    """Retry later, or send fewer requests a minute; a refused call is not billed."""

    RAISE_QUOTA = "raise_quota"
    """Raise the account's quota; a refused call is not billed."""

    RAISE_CAP = "raise_cap"
    """Raise the user's own cap, or wait for the next day's budget."""

    REPHRASE = "rephrase"
    """Change the prompt; a call without an image is not billed."""

    RETRY_LATER = "retry_later"
    """Retry the same request later; it may send a call, which is billed if it makes an image."""

    ALLOW_TIME = "allow_time"
    """Retry later, or allow more time; if no image is stored yet, this may send and bill a call."""

    RETRY_FREE = "retry_free"
    """Retry to finish the image that is already paid for."""

    CONTINUE = "continue"
    """Repeat the same request to wait for the image that is being made; no other call is sent."""

    RETRY_MAY_BILL_TWICE = "retry_may_bill_twice"
    """A retry sends another call, although the first one may be billed."""

    PAY_AGAIN = "pay_again"
    """Fix the catalog, then retry, which is billed again."""

    RESTORE_IMAGE = "restore_image"
    """Put the image's file back, or pay for a new one."""

    FIX_STORAGE = "fix_storage"
    """Fix the store or the catalog, then retry; what was paid for is not lost."""

    FIX_TOOL = "fix_tool"
    """Fix or install a program or library of this machine; the images are untouched."""

    CHECK_SERVICE = "check_service"
    """Check the service's address, or report that its rules may have changed."""

    REPORT = "report"
    """Report a defect of Stills."""
