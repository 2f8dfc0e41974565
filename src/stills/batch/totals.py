"""The tally of a run: how far it has come, and what it costs."""

from dataclasses import dataclass, replace

from stills.contract.errors import Billing
from stills.contract.generation import GenerationSpec
from stills.contract.money import add_usd
from stills.shotlist.shots import Outcome


@dataclass(frozen=True, slots=True)
class RunTotals:
    """How far a run has come.

    `made` are new images, `left` shots that were done before and left as they are. `unknown` of the
    `failed` ones may have made an image that never came. Money is that of the calls, whatever
    became of their shots: `usd` is billed, `possible` calls may be.
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
    play_money: bool = False

    @property
    def finished(self) -> int:
        """How many shots came to an end."""
        return self.done + self.failed

    @property
    def done(self) -> int:
        """How many have their image."""
        return self.made + self.from_catalog + self.left

    def add(self, outcome: Outcome) -> "RunTotals":
        """Count one more outcome."""
        if outcome.error is not None:
            unknown = self.unknown + outcome.error.outcome_unknown
            return replace(self, failed=self.failed + 1, unknown=unknown)
        if outcome.result is None:
            return replace(self, pending=self.pending + 1)
        if outcome.result.cached:
            return replace(self, from_catalog=self.from_catalog + 1)
        return replace(self, made=self.made + 1)

    def add_send(self, sent: GenerationSpec, billing: Billing) -> "RunTotals":
        """Count what one send means for the money."""
        if billing is Billing.NONE:
            return self
        counted = replace(self, play_money=sent.provider == "sandbox")
        if billing is Billing.POSSIBLE:
            return replace(counted, possible=self.possible + 1)
        if sent.price_usd is None:
            return replace(counted, unpriced=self.unpriced + 1)
        return replace(counted, usd=add_usd(self.usd, sent.price_usd))
