"""Files other than the credentials file in which people keep an API key."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stills.contract.errors import AccessError

_KEY, _BASE_URL = "DASHSCOPE_API_KEY", "DASHSCOPE_HTTP_BASE_URL"
_ASSIGNMENT = re.compile(
    r"""\s*(?:export\s+)?(?P<name>\w+)\s*=\s*
    (?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>.*?))\s*(?:\s\#.*)?""",
    re.ASCII | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, where it was found, and the base URL beside it, if there is one."""

    key: str
    place: str
    base_url: str | None = None

    def __repr__(self) -> str:
        return "FoundKey(***)"


def find_key_file(dotenv_files: Sequence[Path], api_key_file: Path | None) -> FoundKey | None:
    """Return the key of the first of these files that has one.

    They are files named `.env`, of which only the key and its base URL are used, and the file that
    the DashScope SDK reads.

    Raises:
        AccessError: a file can't be read.
    """
    for file in dotenv_files:
        variables = _read_assignments(_read(file))
        if variables.get(_KEY):
            return FoundKey(variables[_KEY], str(file), variables.get(_BASE_URL) or None)
    key = "" if api_key_file is None else _read(api_key_file).strip()
    return FoundKey(key, str(api_key_file)) if key else None


def _read(file: Path) -> str:
    """Return the text of a file; none if it does not exist, or is a folder."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(
            f"{file} can't be read ({type(error).__name__})",
            action=f"Fix it, or set {_KEY}.",
        ) from None


def _read_assignments(text: str) -> Mapping[str, str]:
    """Read the lines of the form NAME=value, with or without quotes; the last of a name counts."""
    matches = filter(None, map(_ASSIGNMENT.fullmatch, text.splitlines()))
    return {
        match["name"]: next(
            value.strip() for value in match.group("double", "single", "plain") if value is not None
        )
        for match in matches
    }
