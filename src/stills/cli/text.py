"""Words for a terminal, and text from outside made safe for it."""

import json


def images(number: int) -> str:
    """Count images in words."""
    return f"{number} image" if number == 1 else f"{number} images"


def printable(text: str) -> str:
    """Keep a prompt, or anything else from outside, from steering the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def as_json(value: object) -> str:
    r"""Write JSON in one line, readable in every script; what could steer a terminal as \uXXXX."""
    # All that JSON itself consists of is printable, so only characters of texts are escaped.
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1]
        for character in json.dumps(value, ensure_ascii=False)
    )
