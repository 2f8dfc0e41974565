"""Downloads of references; of untrusted URLs, never from private addresses."""

from stills.web.guarded_download import GuardedDownload
from stills.web.guarded_resolver import GuardedResolver, SystemResolver
from stills.web.owner_download import OwnerDownload

__all__ = ["GuardedDownload", "GuardedResolver", "OwnerDownload", "SystemResolver"]
