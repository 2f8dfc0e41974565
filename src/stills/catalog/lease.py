"""How long a claim is held, on a clock that can't be set.

Python's monotonic clock is shared by all processes of a machine. It ignores changes to the time of
day, and it stops while the machine sleeps, as its processes do. A restart resets it: leases from
before are then mostly in the future and so don't count; at worst one lasts for its full length.
"""

import time

clock = time.monotonic


def lease_end(seconds: float) -> float:
    """Return when a lease ends that starts now."""
    return clock() + seconds


def in_lease(lease_from: float, lease_until: float) -> bool:
    """Return whether a lease holds now."""
    return lease_from <= clock() <= lease_until
