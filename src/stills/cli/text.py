"""Text that came from outside, made safe for a terminal."""


def printable(text: str) -> str:
    """Keep a prompt, or anything else from outside, from steering the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
