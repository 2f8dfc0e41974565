"""Fetching from addresses that others name, and from no private one."""

from stills.web.guarded_download import GuardedDownload
from stills.web.guarded_resolver import GuardedResolver, SystemResolver

__all__ = ["GuardedDownload", "GuardedResolver", "SystemResolver"]
