"""Reading `stills.toml`: a file that may come from a stranger, with the repository around it.

So it can't contain keys, and nothing in it makes Stills call another host than Alibaba Cloud's,
trust other certificates, or spend from another account.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from stills.contract.errors import ConfigError
from stills.project.names import BASE_URL_PATTERN, IN_FILE, SETTINGS, Setting

_BYTES_MAX = 100_000
_SECRET_NAME = re.compile(r"key|secret|passw|token|credential", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"\bsk-[\w-]{6,}|\bAKIA[0-9A-Z]{12,}|://[^/\s@]*:[^/\s@]*@", re.ASCII)
_ALIAS = re.compile(r"[^\s,=]{1,100}")
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "text in quotes"),
    "integer": ((int,), "a whole number"),
    "number": ((int, Decimal), "a number"),
    "object": ((dict,), 'a table such as { "gpt-image-1" = "qwen-image-2.0" }'),
}


@dataclass(frozen=True, slots=True)
class FileValue:
    """A value in `stills.toml`, in the form that the variable has, and where it is."""

    name: str
    text: str
    place: str


def read_project_file(path: Path) -> Mapping[str, FileValue]:
    """Read the settings of a project, by the names of their variables.

    Raises:
        ConfigError: the file can't be read, contains a secret or an unknown name, or a value is not
            of the type that its setting has.
    """
    text = _read(path)
    table = _parse(path, text)
    lines = text.splitlines()
    values: dict[str, FileValue] = {}
    for name, value in table.items():
        place = f"{path}:{_find_line(lines, name)}"
        _check_no_secret(place, name, value)
        setting = IN_FILE.get(name)
        if setting is None:
            raise _unknown(place, name)
        values[setting.variable] = FileValue(name, _as_text(path, place, setting, value), place)
    return values


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
        if len(data) > _BYTES_MAX:
            raise ConfigError(f"{path} is too large for a file of settings", action="Shorten it.")
        return data.decode("utf-8-sig")  # Windows adds a mark
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read: {error.strerror}", action="Make it readable, or remove it."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8", action="Save it as UTF-8.") from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - slow to load, and most projects have no file

    try:
        return tomllib.loads(text.replace("\r\n", "\n"), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        # The parser may quote a name, and people paste keys into the wrong place.
        reason = _SECRET_VALUE.sub("***", str(error))
        raise ConfigError(f"{path} is not TOML: {reason}", action="Fix the file.") from None


def _find_line(lines: list[str], name: str) -> int:
    """Return the number of the line that a setting starts at, which the parser doesn't give."""
    quoted = re.escape(name)
    start = re.compile(rf"""\s*\[*\s*["']?{quoted}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(lines, 1) if start.match(line)), 1)


def _check_no_secret(place: str, name: str, value: object) -> None:
    texts = list(_texts(value))
    if _SECRET_NAME.search(name) or any(map(_SECRET_VALUE.search, texts)):
        raise ConfigError(
            f"{place}: {name[:40]!r} contains a secret, and a project's file is for everybody who "
            "can read the project",
            field=name[:40],
            action="Remove it, and use the environment or ~/.alibabacloud/credentials. If the file "
            "was shared, replace the key.",
        )


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a value, at any depth, and the names in tables."""
    match value:
        case str():
            yield value
        case dict():
            for name, inner in value.items():
                yield f"{name}={inner}" if isinstance(inner, str) else name
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _unknown(place: str, name: str) -> ConfigError:
    shown = name[:40]
    plain = name.lower().replace("-", "_").removeprefix("stills_")
    for setting in SETTINGS:
        if plain in (setting.variable.lower().removeprefix("stills_"), setting.name):
            if setting.name is not None:
                return _no_such_name(place, shown, f"Write it as {setting.name}.")
            return ConfigError(
                f"{place}: {shown!r} can't be in a project's file, because {setting.why}",
                field=shown,
                action=f"Remove it, and set the variable {setting.variable}.",
            )
    from difflib import get_close_matches  # noqa: PLC0415 - only for this error

    close = get_close_matches(plain, IN_FILE, n=1, cutoff=0.7)
    known = f"The names are {', '.join(IN_FILE)}."
    return _no_such_name(place, shown, f"Did you mean {close[0]}?" if close else known)


def _no_such_name(place: str, shown: str, action: str) -> ConfigError:
    return ConfigError(f"{place}: unknown setting {shown!r}", field=shown, action=action)


def _as_text(path: Path, place: str, setting: Setting, value: object) -> str:
    """Return a value in the form that its variable has."""
    kind = setting.schema["type"]
    types, expected = _TYPES[kind]
    if not isinstance(value, types) or isinstance(value, bool) or value == "":
        shown = repr(str(value) if isinstance(value, Decimal) else value)[:40]
        raise _wrong(place, setting, f"is {shown}", f"Set it to {expected}, or remove it.")
    if isinstance(value, dict):
        return _join_aliases(place, setting, value)
    text = str(value)
    if setting.is_path:
        return _as_path(path, place, setting, text)
    if setting.name == "base_url" and not re.fullmatch(BASE_URL_PATTERN, text, re.ASCII):
        raise _wrong(
            place,
            setting,
            "is not a URL of Model Studio's own hosts, and the API key is sent there",
            "Set it to one such as https://dashscope-intl.aliyuncs.com. Another host can only be "
            "set in the environment, as DASHSCOPE_HTTP_BASE_URL.",
        )
    return text


def _join_aliases(place: str, setting: Setting, table: dict[str, Any]) -> str:
    for alias, model in table.items():
        if not (isinstance(model, str) and _ALIAS.fullmatch(alias) and _ALIAS.fullmatch(model)):
            problem = f"has {alias[:40]!r}, which is not a name for a model"
            raise _wrong(place, setting, problem, f"Set it to {_TYPES['object'][1]}.")
    return ",".join(f"{alias}={model}" for alias, model in table.items())


def _as_path(path: Path, place: str, setting: Setting, text: str) -> str:
    """Return an absolute path; those in the file are relative to its folder."""
    if "://" in text or text.startswith(("//", "\\\\", "file:")):
        raise _wrong(
            place,
            setting,
            "is a URL or a network address, and images would be sent there",
            f"Set it to a folder or file of this machine, or set {setting.variable} in the "
            "environment.",
        )
    if text.startswith("~") or not text.isprintable():
        raise _wrong(
            place,
            setting,
            f"is {text[:40]!r}",
            "Set it to a path that is relative to the file, or to a complete one.",
        )
    return str(path.parent / text)


def _wrong(place: str, setting: Setting, problem: str, action: str) -> ConfigError:
    return ConfigError(f"{place}: {setting.name} {problem}", field=setting.variable, action=action)
