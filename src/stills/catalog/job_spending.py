"""Durable jobs in the ledger: what their calls cost, and which of them were interrupted."""

from stills.catalog.connection import Connection
from stills.contract.errors import Billing, CallInterrupted
from stills.contract.generation import Generation
from stills.contract.money import JobBudget, JobSpend, to_usd

_TOTALS = "SELECT * FROM job_totals WHERE job = :job"

# The claim of the key is ours, so a call without an outcome was cut off with its worker.
_INTERRUPTED = """
SELECT count(*) FROM sends AS s JOIN generations AS g ON g.id = s.generation_id
WHERE g.key = :key AND g.id != :own AND s.job = :job AND s.settled_at IS NULL
"""


def check_interrupted(connection: Connection, job: JobBudget, generation: Generation) -> None:
    """Check that a job does not pay again for an image whose call was interrupted.

    Raises:
        CallInterrupted: it would, and nobody has accepted that.
    """
    values = {"key": generation.spec.key, "own": generation.id, "job": job.id}
    if connection.execute(_INTERRUPTED, values).fetchone()[0] > job.accepted_unknown:
        raise CallInterrupted(action=CallInterrupted.default_action, billing=Billing.POSSIBLE)


def read_job_spend(connection: Connection, job_id: str) -> JobSpend:
    """Return what the calls of a job cost."""
    rows = {row["kind"]: row for row in connection.execute(_TOTALS, {"job": job_id})}
    billed, possible = rows.get("billed"), rows.get("possible")
    return JobSpend(
        billed=billed["images"] if billed else 0,
        billed_usd=to_usd(billed["nano_usd"]) if billed else 0.0,
        unpriced=billed["unpriced"] if billed else 0,
        possible=possible["images"] if possible else 0,
        possible_usd=to_usd(possible["nano_usd"]) if possible else 0.0,
        possible_unpriced=possible["unpriced"] if possible else 0,
    )
