"""The ledger: every paid call, what it cost, and the caps on spending."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from stills.contract.generation import Claim, Send, Settlement
from stills.contract.money import Caps

if TYPE_CHECKING:
    from stills.contract.spending import JobSpend, SpendBy, SpendLine


class Ledger(Protocol):
    """Accounts for calls, for any number of processes. Raises CatalogError when it fails."""

    async def record_sends(
        self, claims: Sequence[Claim], *, lease_seconds: float, caps: Caps, account: str = ""
    ) -> Sequence[int] | None:
        """Enter one call as possibly billed before it is sent, with a line for each image it makes.

        `account` is the account of its LimitScope.

        Returns a number for each claim, in order, or None if another worker has taken one of them
        over: then nothing may be sent.

        Raises:
            BudgetExceeded: the call could exceed a cap.
            CallInterrupted: the call's job was cut off during an earlier one for the same image.
        """
        ...

    async def settle_send(self, send: int, settlement: Settlement) -> None:
        """Record how a call ended."""
        ...

    async def settle_paid(self) -> Sequence[str]:
        """Settle one call as billed for each stored or spooled generation without a billed call.

        Returns the ids of these generations, oldest first: their answer came, but could not be
        recorded.
        """
        ...

    async def list_sends(self, generation_id: str) -> Sequence[Send]:
        """List a generation's calls, oldest first."""
        ...

    async def job_spend(self, job_id: str) -> "JobSpend":
        """Add up what the calls of a durable job cost."""
        ...

    async def spend(self, *, since: float, by: "SpendBy | None") -> "Sequence[SpendLine]":
        """Add up spending from `since` (Unix seconds)."""
        ...
