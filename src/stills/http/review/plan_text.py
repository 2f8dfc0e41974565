"""What a run of a review would do, as the page shows it."""

from typing import Any

from stills.batch.estimate import Estimate
from stills.contract.errors import InvalidRequest
from stills.contract.money import check_max_cost, format_amount, format_usd, to_nano_usd, to_usd
from stills.review.retake_plan import RetakePlan


def describe_plan(plan: RetakePlan, estimate: Estimate, why_not: str | None) -> dict[str, Any]:
    """Describe what a run would generate, its price and its cap, for the page."""
    prices = {one.id: one.cost_usd for one in estimate.planned}
    requests = {one.id: one for shot in plan.requests.values() for one in shot}
    takes = [
        {
            "id": shot.id,
            "shot": shot.first_take,
            "like": requests[shot.id].based_on,
            "seed": shot.request.seed,
            "has_other_prompt": requests[shot.id].prompt is not None,
            "price": _price(prices[shot.id]) if shot.id in prices else "stored already",
        }
        for _, shot in plan.retakes
        if shot.id not in plan.left_out
    ]
    problems = [
        {"id": one.shot_id, "message": f"{one.message.rstrip('.')}. {one.action}"}
        for one in plan.problems
    ]
    cap_usd = plan.options.max_cost_usd
    known = sum(to_nano_usd(price) for price in prices.values() if price is not None)
    return {
        "takes": takes,
        "problems": problems,
        "cost": format_amount(to_usd(known), estimate.unpriced),
        "new": estimate.new,
        "cap": None if cap_usd is None else format_usd(cap_usd),
        "model": plan.options.model.id,
        "why_not": why_not,
    }


def _price(price_usd: float | None) -> str:
    return "unknown price" if price_usd is None else format_usd(price_usd)


def read_cap(given: object) -> float | None:
    """Read a cap in USD; None stays None.

    Raises:
        InvalidRequest: it is not an amount.
    """
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidRequest(
            "max_cost_usd is not a number", field="max_cost_usd", action="Give US dollars."
        )
    check_max_cost(float(given))
    return float(given)
