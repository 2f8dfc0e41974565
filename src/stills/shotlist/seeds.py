"""Seeds for shots that have none."""

import hashlib

from stills.contract.models import SEED_MAX


def derive_seed(project_seed: int, shot_id: str) -> int:
    """Derive a shot's seed, 0 to 2147483647: the first 31 bits of SHA-256 over `seed:id`.

    Never to be changed: kept images are found again by their seeds.
    """
    digest = hashlib.sha256(f"{project_seed}:{shot_id}".encode()).digest()
    return int.from_bytes(digest[:4]) & SEED_MAX
