"""Text for a terminal: plurals, safe text and JSON."""

import codecs
import json
import sys


def images(number: int) -> str:
    """Return `1 image`, `2 images` and so on."""
    return f"{number} image" if number == 1 else f"{number} images"


def printable(text: str) -> str:
    """Replace characters that could control the terminal with spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def as_json(value: object) -> str:
    r"""Return JSON on one line; characters that could control the terminal become \uXXXX.

    So do all that are not ASCII if standard output is not UTF-8, as programs expect of JSON.
    """
    is_utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    # JSON's own characters are printable, so only those inside strings are escaped.
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1]
        for character in json.dumps(value, ensure_ascii=not is_utf8)
    )
