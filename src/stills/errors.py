"""All errors that Stills raises; each is a StillsError. The README has their codes."""

from stills.contract.errors import *  # noqa: F403 - one list
