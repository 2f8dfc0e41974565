"""Whether a call may be paid for: caps, computed from the ledger, and interrupted calls."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stills.catalog.connection import Connection
from stills.catalog.queries import HELD, LOCK
from stills.contract.errors import Billing, BudgetExceeded, CallInterrupted
from stills.contract.generation import Generation, GenerationSpec
from stills.contract.money import (
    Caps,
    JobBudget,
    format_amount,
    format_usd,
    to_nano_usd,
    to_usd,
    unknown_price,
)

# Billed or possibly billed today.
_SENT = """
SELECT coalesce(sum(nano_usd), 0), coalesce(sum(unpriced), 0)
FROM totals AS s
WHERE day = date(unix_now(), 'unixepoch') AND provider = :provider AND kind != 'saved'
"""

# Claimed by other workers, without a billed or possibly billed call so far.
_RESERVED = f"""{HELD}
SELECT coalesce(sum(g.price_nano_usd), 0), count(*) - count(g.price_nano_usd)
FROM held AS c JOIN generations AS g ON g.id = c.generation_id
WHERE g.provider = :provider
  AND g.stage IN ('claimed', 'sent')
  AND g.id != :own
  AND NOT EXISTS (SELECT 1 FROM sends WHERE generation_id = g.id AND billing != 'none')
"""  # noqa: S608 - our own text

_OF_PAYER = " AND {table}.payer = :payer"

_SENT_BY_JOB = """
SELECT coalesce(sum(nano_usd), 0), coalesce(sum(unpriced), 0) FROM job_totals WHERE job = :job
"""

_OF_JOB = " AND c.job = :job"

_JOB_ACTION = (
    "Calls in flight count, and one that fails makes room: `stills jobs retry` continues as far as "
    "the cap allows. Stored images are free."
)

_PAYER_ACTION = (
    "The budget resets at midnight UTC. The operator of the service can revoke the key and create "
    "one of the same name with a larger budget."
)

_RETRY_ACTION = (
    "An earlier call may be billed, and counts towards the cap. Retry to send the request again, "
    "or raise --max-cost to allow that automatically."
)

_OWN = """
SELECT coalesce(sum(g.price_nano_usd), 0), count(*) - count(g.price_nano_usd)
FROM sends AS s JOIN generations AS g ON g.id = s.generation_id
WHERE g.id = :own AND s.billing != 'none'
"""

# The claim of the key is ours, so a call without an outcome was cut off with its worker.
_INTERRUPTED = """
SELECT count(*) FROM sends AS s JOIN generations AS g ON g.id = s.generation_id
WHERE g.key = :key AND g.id != :own AND s.job = :job AND s.settled_at IS NULL
"""


def check_caps(connection: Connection, spec: GenerationSpec, caps: Caps, *, own: str) -> None:
    """Check that a call of generation `own` can't exceed a cap; others wait.

    Raises:
        BudgetExceeded: it could, or the price is unknown.
    """
    job = caps.job if caps.job is not None and caps.job.usd is not None else None
    others = (caps.day_usd, caps.request_usd, caps.payer_day_usd)
    if job is None and others == (None, None, None):
        return
    price_usd = spec.price_usd
    if price_usd is None:
        raise unknown_price(spec.model)
    price = to_nano_usd(price_usd)
    connection.execute(LOCK, {"name": f"caps of {spec.provider}"})
    values = {"payer": caps.payer, "provider": spec.provider, "own": own}
    if job is not None:
        _check_job(connection, job, price_usd, values)
    if caps.request_usd is not None:
        spent = _sum(connection, _OWN, values)
        if _exceeds(spent.nano_usd + price, caps.request_usd):
            action = _RETRY_ACTION if spent.nano_usd else ""
            raise _exceeded("this request", spent, price_usd, caps.request_usd, action=action)
    if caps.day_usd is not None:
        spent = _sum(connection, _SENT, values) + _sum(connection, _RESERVED, values)
        if _exceeds(spent.nano_usd + price, caps.day_usd):
            whose = f"{_today(connection)} (UTC)"
            raise _exceeded(whose, spent, price_usd, caps.day_usd)
    if caps.payer_day_usd is not None:
        sent = _sum(connection, _SENT + _OF_PAYER.format(table="s"), values)
        spent = sent + _sum(connection, _RESERVED + _OF_PAYER.format(table="c"), values)
        if _exceeds(spent.nano_usd + price, caps.payer_day_usd):
            whose = f"key {caps.payer} on {_today(connection)} (UTC)"
            raise _exceeded(whose, spent, price_usd, caps.payer_day_usd, action=_PAYER_ACTION)


def _check_job(
    connection: Connection, job: JobBudget, price_usd: float, values: Mapping[str, str | None]
) -> None:
    of_job = {**values, "job": job.id}
    spent = _sum(connection, _SENT_BY_JOB, of_job)
    spent += _sum(connection, _RESERVED + _OF_JOB, of_job)
    if job.usd is not None and _exceeds(spent.nano_usd + to_nano_usd(price_usd), job.usd):
        raise _exceeded(f"job {job.id}", spent, price_usd, job.usd, action=_JOB_ACTION)


def check_interrupted(connection: Connection, job: JobBudget, generation: Generation) -> None:
    """Check that a job does not pay again for an image whose call was interrupted.

    Raises:
        CallInterrupted: it would, and nobody has accepted that.
    """
    values = {"key": generation.spec.key, "own": generation.id, "job": job.id}
    if connection.execute(_INTERRUPTED, values).fetchone()[0] > job.accepted_unknown:
        raise CallInterrupted(action=CallInterrupted.default_action, billing=Billing.POSSIBLE)


@dataclass(frozen=True, slots=True)
class _Spent:
    """What some images cost, and how many more have no known price."""

    nano_usd: int
    unpriced: int

    def __add__(self, other: "_Spent") -> "_Spent":
        return _Spent(self.nano_usd + other.nano_usd, self.unpriced + other.unpriced)

    def __str__(self) -> str:
        return format_amount(to_usd(self.nano_usd), self.unpriced)


def _today(connection: Connection) -> str:
    day: str = connection.execute("SELECT date(unix_now(), 'unixepoch')").fetchone()[0]
    return day


def _sum(connection: Connection, query: str, values: Mapping[str, str | None]) -> _Spent:
    return _Spent(*connection.execute(query, values).fetchone())


def _exceeds(nano_usd: int, cap_usd: float) -> bool:
    cap = to_nano_usd(cap_usd) if math.isfinite(cap_usd) else cap_usd
    return not nano_usd <= cap  # a cap of NaN allows nothing


def _exceeded(
    whose: str, spent: _Spent, price_usd: float, cap_usd: float, *, action: str = ""
) -> BudgetExceeded:
    return BudgetExceeded(
        f"an image at {format_usd(price_usd)} would exceed the cap of {format_usd(cap_usd)} for "
        f"{whose}: {spent} are spent or reserved; this call was not sent",
        action=action,
    )
