"""The progress display of a batch."""

from stills.batch.estimate import Estimate
from stills.batch.totals import RunTotals
from stills.cli.commands.batch_progress import describe_progress
from stills.contract.rate_limit import Quota


def test_skipped_shots_count_as_done_and_failed_shots_do_not():
    """The remaining time only counts images that are not generated yet."""
    estimate = Estimate(rows=10, new=5, kept=1, cost_usd=0.1, seconds=None)
    totals = RunTotals(made=2, from_catalog=1, failed=1, left=4, usd=0.04)
    text = describe_progress(totals, estimate, Quota(None, 0.5, 0), elapsed_seconds=60.0)
    assert text == ("7/10 done · 1 from catalog · 1 failed · 2.0 images/min · 0.04 USD · 4 s left")
