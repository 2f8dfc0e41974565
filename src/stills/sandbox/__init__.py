"""A DashScope look-alike over real HTTP, for tests, demos and rehearsals.

The real SDK works with it unchanged. It imports nothing else of this project.
"""

from stills.sandbox.faults import DOWNLOAD_FAULTS, Fault, FaultKind
from stills.sandbox.ledger import LedgerEntry, RequestLedger, SendKind
from stills.sandbox.server import Sandbox, serve
from stills.sandbox.settings import SandboxSettings

__all__ = [
    "DOWNLOAD_FAULTS",
    "Fault",
    "FaultKind",
    "LedgerEntry",
    "RequestLedger",
    "Sandbox",
    "SandboxSettings",
    "SendKind",
    "serve",
]
