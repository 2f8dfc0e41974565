"""Claims: which process works on a generation key.

A process that has ended holds nothing. A running process holds its claim until the lease lapses,
and longer while a call of its generation has no outcome, because it may be paused. If it is unknown
whether the process is running, only the lease decides.
"""

import secrets
import time

from stills.catalog import queries
from stills.catalog.caps import check_caps
from stills.catalog.connection import Connection, Row
from stills.catalog.processes import this_process
from stills.catalog.resume import resume_or_add
from stills.contract.generation import Claim, GenerationSpec, Held, Stage
from stills.contract.money import Caps


def find_holder(connection: Connection, key: str) -> Held | None:
    """Return the holder of a key, or None if the key is free."""
    row = connection.execute(queries.HOLDER, {"key": key}).fetchone()
    return None if row is None else read_holder(row)


def read_holder(row: Row) -> Held:
    """Read a row of `claims`."""
    return Held(host=row["host"], pid=row["pid"], since=row["taken_at"])


def take_claim(
    connection: Connection,
    spec: GenerationSpec,
    caps: Caps,
    *,
    lease_seconds: float,
    fresh: bool,
    fresh_key: str | None,
    lock_byte: int | None,
) -> Claim:
    """Claim a free key for this process, which has locked `lock_byte` (see holder_lock.py).

    Raises:
        BudgetExceeded: a new generation could exceed a cap.
    """
    process = this_process()
    generation, cut_off = resume_or_add(
        connection, spec, time.time(), fresh=fresh, fresh_key=fresh_key
    )
    if generation.stage is Stage.CLAIMED:
        check_caps(connection, spec, caps, own=generation.id)
    claim = Claim(spec.key, secrets.token_hex(8), generation, cut_off)
    connection.execute(
        queries.TAKE_CLAIM,
        {
            "key": claim.key,
            "token": claim.token,
            "generation_id": generation.id,
            "payer": caps.payer,
            "host": process.host,
            "pid": process.pid,
            "scope": process.scope,
            "started": process.started,
            "lock_byte": lock_byte,
            "job": caps.job.id if caps.job else None,
            "lease_seconds": lease_seconds,
        },
    )
    return claim


def renew_claim(connection: Connection, claim: Claim, *, lease_seconds: float) -> bool:
    """Extend a lease; return False if another worker has taken the claim over."""
    held = {"key": claim.key, "token": claim.token, "lease_seconds": lease_seconds}
    return connection.execute(queries.RENEW_CLAIM, held).fetchone() is not None


def drop_claim(connection: Connection, claim: Claim) -> None:
    """Give a claim back; a generation without an answer or an unsettled call has failed."""
    held = {"key": claim.key, "token": claim.token}
    if connection.execute(queries.DROP_CLAIM, held).fetchone() is not None:
        connection.execute(queries.FAIL_UNANSWERED, {"id": claim.generation.id})
