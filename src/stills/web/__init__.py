"""Downloads from untrusted URLs, never from private addresses."""

from stills.web.guarded_download import GuardedDownload
from stills.web.guarded_resolver import GuardedResolver, SystemResolver

__all__ = ["GuardedDownload", "GuardedResolver", "SystemResolver"]
