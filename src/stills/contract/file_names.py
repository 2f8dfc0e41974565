"""Which characters of a text may be in the name of a file that we make."""

import re
import unicodedata

# Letters and marks that show nothing, so that two names could look the same.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def is_word_character(character: str) -> bool:
    """Return whether it is a visible letter, a digit or a mark, which many scripts need."""
    category = unicodedata.category(character)
    is_in_words = category[0] in "LM" or category == "Nd"
    return is_in_words and _INVISIBLE.match(character) is None
