"""What this process can show: windows on a screen, and lines that change on a terminal."""

import os
import sys
from collections.abc import Mapping


def why_no_screen(environment: Mapping[str, str] | None = None) -> str | None:
    """Return why no window can be opened for the user of this process; None if one can."""
    environment = os.environ if environment is None else environment
    if any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY")):
        return "this is a remote session"
    needs_display = sys.platform not in {"darwin", "win32"}
    if needs_display and not any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        return "there is no screen here"
    return None


def can_redraw() -> bool:
    """Return whether standard error is a terminal on which a line can be written again."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}
