"""The ledger's entries: one for each image that a call is to make."""

from collections.abc import Mapping, Sequence

from stills.catalog import queries
from stills.catalog.caps import check_caps, check_interrupted
from stills.catalog.claims import renew_claim
from stills.catalog.connection import Connection
from stills.contract.generation import AnsweredSend, Claim, Settlement, Task
from stills.contract.money import Caps


def record_sends(
    connection: Connection,
    claims: Sequence[Claim],
    caps: Caps,
    *,
    lease_seconds: float,
    account: str,
) -> list[int] | None:
    """Enter one call for the generations of all claims; returns a number for each of them.

    Returns None if another worker has taken one of the claims over.

    Raises:
        BudgetExceeded: they could exceed a cap together.
        CallInterrupted: their job has paid for one of them in a call that was interrupted.
    """
    if not all(renew_claim(connection, claim, lease_seconds=lease_seconds) for claim in claims):
        return None
    numbers: list[int] = []
    for claim in claims:
        generation = claim.generation
        check_caps(connection, generation.spec, caps, own=generation.id)
        job = caps.job
        if job is not None:
            check_interrupted(connection, job, generation)
        values = {
            "generation_id": generation.id,
            "payer": caps.payer,
            "account": account,
            "job": job.id if job else None,
        }
        connection.execute(queries.MARK_SENT, values)
        number = connection.execute(queries.ADD_SEND, values).fetchone()["number"]
        numbers.append(number)
    if len(numbers) > 1:
        share = [{"number": number, "first": numbers[0]} for number in numbers]
        connection.executemany(queries.JOIN_CALL, share)
    return numbers


def settle(connection: Connection, send: int, settlement: Settlement) -> None:
    """Record how a call ended for one of its images."""
    settled: dict[str, str | int | None] = {
        "number": send,
        "billing": settlement.billing.value,
        "code": settlement.code,
        "request_id": settlement.request_id,
    }
    connection.execute(queries.SETTLE_SEND, settled)
    connection.execute(queries.FORGET_TASK, settled)


def record_tasks(connection: Connection, tasks: Mapping[str, Task]) -> None:
    """Journal the tasks of generations, by their ids."""
    for generation_id, task in tasks.items():
        values = {
            "generation_id": generation_id,
            "task_id": task.id,
            "send": task.send,
            "image": task.image,
        }
        connection.execute(queries.RECORD_TASK, values)


def record_answers(connection: Connection, answered: Sequence[AnsweredSend]) -> None:
    """Settle the sends of one call, and journal where each of its images can be downloaded."""
    for one in answered:
        settle(connection, one.send, one.settlement)
        connection.execute(
            queries.RECORD_ANSWER,
            {
                "generation_id": one.generation_id,
                "image_url": one.answer.image_url,
                "expires_at": one.answer.expires_at,
                "request_id": one.answer.request_id,
            },
        )
