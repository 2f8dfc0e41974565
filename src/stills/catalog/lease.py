"""How long a claim is held, on a clock that nobody sets.

Python's monotonic clock is shared by all processes of a machine. It ignores changes to the time of
day, and it stops while the machine sleeps, as its processes do. A restart resets it: leases from
before are then mostly in the future and so don't count; at worst one lasts for its full length.
"""

import time

clock = time.monotonic


def lease(seconds: float) -> dict[str, float]:
    """Start a lease now; return its columns."""
    start = clock()
    return {"lease_from": start, "lease_until": start + seconds}
