"""Files that are not shot lists, but that people give as one: refused by name, with what to do."""

from pathlib import Path

from stills.contract.errors import InvalidRequest

WORKBOOK_SUFFIXES = (".xlsx", ".xlsm")

_ZIP_START = b"PK\x03\x04"
_AS_CSV = "Save its table as .xlsx or CSV."
_SCREENPLAY = (
    "Write a shot list with one row per shot: what the image shows, not what is said "
    "(docs/shot-lists.md)."
)
_IMAGE = ("an image", "Name the shot list; its column reference_image names images.")
_SUFFIXES = {
    ".fountain": ("a screenplay", _SCREENPLAY),
    ".fdx": ("a screenplay", _SCREENPLAY),
    ".pdf": ("a PDF", _AS_CSV),
    ".xls": ("an Excel workbook in the old format", "Save it as .xlsx or CSV."),
    ".xlsb": ("a binary Excel workbook", "Save it as .xlsx or CSV."),
    ".numbers": ("a Numbers document", "Export it as CSV or Excel."),
    ".ods": ("an OpenDocument spreadsheet", _AS_CSV),
    ".gsheet": ("only a link to a Google sheet", "Download the sheet as .xlsx or CSV."),
    ".doc": ("a Word document", _AS_CSV),
    ".docx": ("a Word document", _AS_CSV),
}
_STARTS = {
    b"%PDF-": _SUFFIXES[".pdf"],
    b"\xd0\xcf\x11\xe0": (
        "an Excel workbook in the old format, or one with a password",
        "Save it as .xlsx without a password, or as CSV.",
    ),
    b"\x89PNG": _IMAGE,
    b"\xff\xd8\xff": _IMAGE,
}


def check_no_folder(path: Path) -> None:
    """Refuse a folder.

    Raises:
        InvalidRequest: it is a folder.
    """
    if path.is_dir():
        raise InvalidRequest(
            f"{path.name or path} is a folder", action="Name the shot list, such as shots.csv."
        )


def check_kind(name: str, head: bytes) -> None:
    """Refuse a file that is not a shot list, by its first bytes or its name.

    Raises:
        InvalidRequest: it is one.
    """
    by_start = next((kind for start, kind in _STARTS.items() if head.startswith(start)), None)
    kind = by_start or _SUFFIXES.get(Path(name).suffix.lower())
    if kind is None and b"<FinalDraft" in head[:1000]:
        kind = _SUFFIXES[".fdx"]
    if kind is not None:
        raise InvalidRequest(f"{name} is {kind[0]}, not a shot list", action=kind[1])


def is_workbook(name: str, head: bytes) -> bool:
    """Return whether a file is an Excel workbook, or is named as one."""
    return Path(name).suffix.lower() in WORKBOOK_SUFFIXES or head.startswith(_ZIP_START)
