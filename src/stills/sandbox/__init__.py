"""A DashScope look-alike over real HTTP, for tests, demos and rehearsals.

The real SDK talks to it unchanged. It knows nothing of the rest of this project.
"""

from stills.sandbox.faults import DOWNLOAD_FAULTS, Fault, FaultKind
from stills.sandbox.ledger import Ledger, Send, SendKind
from stills.sandbox.server import Sandbox, serve
from stills.sandbox.settings import SandboxSettings

__all__ = [
    "DOWNLOAD_FAULTS",
    "Fault",
    "FaultKind",
    "Ledger",
    "Sandbox",
    "SandboxSettings",
    "Send",
    "SendKind",
    "serve",
]
