"""Delete an image for a caller: the one place that knows who may."""

from collections.abc import Sequence

from stills.app import Stills
from stills.contract.access import BudgetOwner
from stills.contract.errors import Billing, KeyRefused, NotFound
from stills.contract.generation import Image, Send

AFTERWARDS = (
    "The ledger keeps the calls that paid for it, and spending and budgets still count them. An "
    "equal request is billed again."
)
"""What a deletion means for money."""


class NotPayer(KeyRefused):
    """Only the API key that paid for an image may delete it.

    Without keys, only programs on the machine of the service may.
    """

    default_action = (
        "Nothing was deleted. Use that key; without keys, only programs on the machine of the "
        "service may delete images."
    )

    @property
    def public_action(self) -> str:
        """The action, which names nothing private."""
        return self.action


async def delete_image(
    stills: Stills, image_id: str, *, owner: BudgetOwner | None, anyone: bool
) -> Image:
    """Delete an image in all its sizes, and return what it was.

    `owner` is the owner of the caller's key, None without keys; `anyone` is whether strangers may
    call without a key.

    Raises:
        NotFound: no image has this id.
        NotPayer: the caller may not delete it.
        StoreRefused: a file can't be deleted; repeat it.
    """
    image = await stills.images.find(image_id)
    if image is None:
        raise NotFound(f"no image has the id {image_id[:60]!r}", field="id")
    if not _may_delete(owner, anyone, await stills.images.list_sends(image)):
        raise NotPayer
    await stills.images.delete(image)
    return image


def _may_delete(owner: BudgetOwner | None, anyone: bool, sends: Sequence[Send]) -> bool:
    """Return whether a caller may delete the image of these calls: its key paid for all of them."""
    if owner is None:
        return not anyone
    payers = {send.payer for send in sends if send.billing is not Billing.NONE}
    return payers == {owner.name}
