"""What was spent, added up from the ledger."""

import math

from stills.catalog.connection import Connection
from stills.contract.money import to_usd
from stills.contract.spending import JobSpend, SpendBy, SpendLine

_DAY_SECONDS = 86_400

GROUPS = {
    None: ("''", "''"),
    SpendBy.DAY: ("day", "date(s.sent_at, 'unixepoch')"),
    SpendBy.MODEL: ("model", "g.model"),
    SpendBy.STYLE: ("style", "coalesce(g.style, '')"),
}

# Whole days from the totals. Of the day before them, the calls since `since` are added up, and all
# its saved images, which are only counted by day.
_SPEND = """
WITH entries (provider, grouped, kind, images, nano_usd, unpriced) AS (
    SELECT provider, {of_totals}, kind, images, nano_usd, unpriced
    FROM totals
    WHERE day >= date(:midnight, 'unixepoch')
       OR (day = date(:since, 'unixepoch') AND kind = 'saved')
    UNION ALL
    SELECT g.provider, {of_sends}, s.billing, 1, coalesce(g.price_nano_usd, 0),
           CAST(g.price_nano_usd IS NULL AS INTEGER)
    FROM sends AS s JOIN generations AS g ON g.id = s.generation_id
    WHERE s.billing != 'none' AND s.sent_at >= :since AND s.sent_at < :midnight
)
SELECT provider, grouped,
       coalesce(sum(images) FILTER (WHERE kind = 'billed'), 0) AS billed,
       coalesce(sum(nano_usd) FILTER (WHERE kind = 'billed'), 0) AS billed_nano,
       coalesce(sum(unpriced) FILTER (WHERE kind = 'billed'), 0) AS billed_unpriced,
       coalesce(sum(images) FILTER (WHERE kind = 'possible'), 0) AS possible,
       coalesce(sum(nano_usd) FILTER (WHERE kind = 'possible'), 0) AS possible_nano,
       coalesce(sum(unpriced) FILTER (WHERE kind = 'possible'), 0) AS possible_unpriced,
       coalesce(sum(images) FILTER (WHERE kind = 'saved'), 0) AS saved,
       coalesce(sum(nano_usd) FILTER (WHERE kind = 'saved'), 0) AS saved_nano,
       coalesce(sum(unpriced) FILTER (WHERE kind = 'saved'), 0) AS saved_unpriced,
       sum(unpriced) AS unpriced
FROM entries
WHERE images != 0
GROUP BY provider, grouped
ORDER BY provider, grouped
"""

_JOB_TOTALS = "SELECT * FROM job_totals WHERE job = :job"


def read_spend(connection: Connection, *, since: float, by: SpendBy | None) -> list[SpendLine]:
    """Add up the ledger from `since` (Unix seconds)."""
    of_totals, of_sends = GROUPS[by]
    query = _SPEND.format(of_totals=of_totals, of_sends=of_sends)
    values = {"since": since, "midnight": math.ceil(since / _DAY_SECONDS) * _DAY_SECONDS}
    return [
        SpendLine(
            provider=row["provider"],
            group=row["grouped"],
            billed=row["billed"],
            billed_usd=to_usd(row["billed_nano"]),
            possible=row["possible"],
            possible_usd=to_usd(row["possible_nano"]),
            saved=row["saved"],
            saved_usd=to_usd(row["saved_nano"]),
            unpriced=row["unpriced"],
            billed_unpriced=row["billed_unpriced"],
            possible_unpriced=row["possible_unpriced"],
            saved_unpriced=row["saved_unpriced"],
        )
        for row in connection.execute(query, values)
    ]


def read_job_spend(connection: Connection, job_id: str) -> JobSpend:
    """Return what the calls of a job cost."""
    rows = {row["kind"]: row for row in connection.execute(_JOB_TOTALS, {"job": job_id})}
    billed, possible = rows.get("billed"), rows.get("possible")
    return JobSpend(
        billed=billed["images"] if billed else 0,
        billed_usd=to_usd(billed["nano_usd"]) if billed else 0.0,
        unpriced=billed["unpriced"] if billed else 0,
        possible=possible["images"] if possible else 0,
        possible_usd=to_usd(possible["nano_usd"]) if possible else 0.0,
        possible_unpriced=possible["unpriced"] if possible else 0,
    )
