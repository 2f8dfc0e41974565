"""The format of a shot list: from its file's suffix, or from its first characters."""

import csv
import json
import re
from enum import StrEnum

from stills.shotlist.input_file import InputFile


class Format(StrEnum):
    """The formats of shot lists."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    JSON = "json"
    YAML = "yaml"
    XLSX = "xlsx"


_SUFFIXES = {
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSON,
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
}
_YAML_START = re.compile(r"(---|%YAML|#|-\s|[\"']?[\w$][\w $-]{0,60}[\"']?\s*:(\s|$))")


def detect_format(file: InputFile) -> Format:
    """Detect the format from the file's suffix, or from its first characters."""
    if file.is_workbook:
        return Format.XLSX
    suffix = file.path.suffix.lower() if file.path else ""
    return _SUFFIXES.get(suffix) or _sniff(file.decoded_head().lstrip("\ufeff \t\r\n"))


def _sniff(head: str) -> Format:
    first, *_ = head.splitlines() or [""]
    rest = head[len(first) :]
    if head.startswith("["):
        return Format.JSON
    if head.startswith("{"):
        return Format.JSONL if rest.lstrip().startswith("{") and _is_json(first) else Format.JSON
    if _YAML_START.match(first):
        return Format.YAML
    return Format.TSV if "\t" in first and len(next(csv.reader([first]))) == 1 else Format.CSV


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
