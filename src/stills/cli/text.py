"""Words for a terminal, and text from outside made safe for it."""


def images(number: int) -> str:
    """Count images in words."""
    return f"{number} image" if number == 1 else f"{number} images"


def printable(text: str) -> str:
    """Keep a prompt, or anything else from outside, from steering the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
