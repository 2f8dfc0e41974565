"""The totals of a run: how many shots are done, and what they cost."""

from dataclasses import dataclass, replace

from stills.contract.errors import Billing
from stills.contract.generation import GenerationSpec
from stills.contract.money import add_usd
from stills.contract.providers import is_paid
from stills.shotlist.shots import Outcome


@dataclass(frozen=True, slots=True)
class RunTotals:
    """Shots by their outcome, and the money of a run's requests.

    `made` images are new. `left` shots were done in an earlier run. `unknown` of the `failed` shots
    may have made an image that never arrived. Requests count whatever happened to their shots:
    `usd` was billed, plus `unpriced` images of unknown price; `possible` may be billed, which costs
    `possible_usd`, plus `possible_unpriced` images of unknown price.
    `simulated` means that the sandbox billed them, not the service.
    """

    made: int = 0
    from_catalog: int = 0
    failed: int = 0
    unknown: int = 0
    pending: int = 0
    left: int = 0
    usd: float = 0.0
    unpriced: int = 0
    possible: int = 0
    possible_usd: float = 0.0
    possible_unpriced: int = 0
    simulated: bool = False

    @property
    def finished(self) -> int:
        """The number of shots that are done or failed."""
        return self.done + self.failed

    @property
    def done(self) -> int:
        """The number of shots with an image."""
        return self.made + self.from_catalog + self.left

    def add(self, outcome: Outcome) -> "RunTotals":
        """Return the totals with one more outcome."""
        if outcome.error is not None:
            unknown = self.unknown + outcome.error.outcome_unknown
            return replace(self, failed=self.failed + 1, unknown=unknown)
        if outcome.result is None:
            return replace(self, pending=self.pending + 1)
        if outcome.result.cached:
            return replace(self, from_catalog=self.from_catalog + 1)
        return replace(self, made=self.made + 1)

    def add_send(self, sent: GenerationSpec, billing: Billing) -> "RunTotals":
        """Return the totals with the money of one more request."""
        if billing is Billing.NONE:
            return self
        totals = replace(self, simulated=not is_paid(sent.provider))
        if billing is Billing.POSSIBLE:
            totals = replace(totals, possible=self.possible + 1)
            if sent.price_usd is None:
                return replace(totals, possible_unpriced=self.possible_unpriced + 1)
            return replace(totals, possible_usd=add_usd(self.possible_usd, sent.price_usd))
        if sent.price_usd is None:
            return replace(totals, unpriced=self.unpriced + 1)
        return replace(totals, usd=add_usd(self.usd, sent.price_usd))
