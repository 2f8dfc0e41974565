"""How long a claim is held, on a clock that nobody sets.

Python's monotonic clock is the same for all processes of a machine, no step of the time of day
moves it, and it stands still while the machine sleeps, as its processes do. After a restart it
begins anew: a lease from before mostly lies ahead of it, and is none; at worst it lasts its length.
"""

import time

clock = time.monotonic


def lease(seconds: float) -> dict[str, float]:
    """Begin a lease now; gives the columns that hold it."""
    begun = clock()
    return {"lease_from": begun, "lease_until": begun + seconds}
