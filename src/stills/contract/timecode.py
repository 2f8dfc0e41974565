"""Times in a film as editors write them."""


def format_timecode(frames: int, fps: int) -> str:
    """Return hours, minutes, seconds and frames, such as `00:00:02:12`, without dropped frames."""
    seconds, rest = divmod(frames, fps)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}:{rest:02}"
