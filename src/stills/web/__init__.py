"""Fetching from addresses that strangers name, and from no private one."""

from stills.web.addresses import is_public
from stills.web.guarded_download import GuardedDownload
from stills.web.guarded_resolver import GuardedResolver

__all__ = ["GuardedDownload", "GuardedResolver", "is_public"]
