"""The catalog: every port on what Stills remembers, as one adapter implements them."""

from typing import Protocol

from stills.contract.ports.api_keys import ApiKeys
from stills.contract.ports.batch_folders import BatchFolders
from stills.contract.ports.generations import Generations
from stills.contract.ports.idempotency import IdempotencyStore
from stills.contract.ports.ledger import Ledger
from stills.contract.ports.library import ImageIndex
from stills.contract.ports.limiter_state import LimiterStates
from stills.contract.ports.sessions import Sessions
from stills.contract.ports.upkeep import Upkeep


class Catalog(Generations, Ledger, ImageIndex, LimiterStates, Upkeep, Protocol):
    """Only what connects adapters to the core takes all of it; a step takes the port it uses."""

    @property
    def api_keys(self) -> ApiKeys:
        """API keys of our own service."""
        ...

    @property
    def batch_folders(self) -> BatchFolders:
        """The output folders of batches."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Browsers that logged in to our own service."""
        ...

    @property
    def idempotency(self) -> IdempotencyStore:
        """Answers of our own service by idempotency key."""
        ...
