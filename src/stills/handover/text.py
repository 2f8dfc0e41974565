"""Text for files whose readers accept less than JSON does."""

import unicodedata

_BREAKS = {"Cc", "Cs", "Zl", "Zp"}
_NONCHARACTERS = "\ufffe\uffff"  # XML does not allow them


def one_line(text: str) -> str:
    """Return text on one line, without control characters and lone surrogates."""
    kept = (
        " " if unicodedata.category(one) in _BREAKS or one in _NONCHARACTERS else one
        for one in text
    )
    return " ".join("".join(kept).split())
