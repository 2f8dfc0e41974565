"""The file of a shot list, or standard input, as text or bytes that can be read more than once."""

import io
import shutil
import sys
import tempfile
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, TextIO

from stills.contract.errors import InvalidRequest
from stills.shotlist.other_files import check_kind, check_no_folder, is_workbook

LINE_MAX_CHARACTERS = 16 * 1024 * 1024
DOCUMENT_MAX_BYTES = 64 * 1024 * 1024
HEAD_BYTES = 64 * 1024

_MARKS = {  # byte order marks; longer ones first, because some start like others
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


class InputFile:
    """A file, or standard input if `path` is `-`. Pipes are copied to a temporary file.

    Raises:
        InvalidRequest: the file does not exist, can't be read, is empty, or is not a shot list.
    """

    def __init__(self, path: str | Path, *, encoding: str | None = None) -> None:
        self.path = None if str(path) == "-" else Path(path)
        self.name = "stdin" if self.path is None else self.path.name
        self.folder = Path() if self.path is None else self.path.parent
        self.encoding = encoding
        self._copy: BinaryIO | None = None
        if self.path is not None:
            check_no_folder(self.path)
        with self._errors():
            if self.path is None:
                self._copy_pipe(sys.stdin.buffer)
            elif not self.path.is_file():
                with self.path.open("rb") as pipe:
                    self._copy_pipe(pipe)
        with self._open() as opened:
            self.head = opened.read(HEAD_BYTES)
        if not self.head.strip():
            raise InvalidRequest(f"{self.name} is empty", action="Add at least one row.")
        check_kind(self.name, self.head)
        self.is_workbook = is_workbook(self.name, self.head)
        if not self.is_workbook:
            self._check_encoding()

    def binary(self) -> BinaryIO:
        """Open it as bytes, from the start."""
        return self._open()

    def text(self) -> TextIO:
        """Open it as text, from the start, with its line ends unchanged."""
        return io.TextIOWrapper(self._open(), encoding=self._encoding(), newline="")

    def lines(self, *, cut: bool = False) -> Generator[str]:
        """Yield its lines; with `cut`, overlong lines are cut to the limit instead of refused.

        Raises:
            InvalidRequest: it is not text in this encoding, or a line is too long.
        """
        number = 0
        with self.text() as stream, self._errors():
            try:
                while line := stream.readline(LINE_MAX_CHARACTERS):
                    number += 1
                    if len(line) == LINE_MAX_CHARACTERS and not cut:
                        raise line_too_long(f"{self.name}:{number}")
                    rest = line
                    while len(rest) == LINE_MAX_CHARACTERS:
                        rest = stream.readline(LINE_MAX_CHARACTERS)
                    yield line
            except UnicodeError as error:
                raise self._not_decodable(error) from None

    def document(self) -> str:
        """Read the whole file.

        Raises:
            InvalidRequest: it is not text in this encoding, or too large to hold in memory.
        """
        with self._open() as opened, self._errors():
            data = opened.read(DOCUMENT_MAX_BYTES + 1)
        if len(data) > DOCUMENT_MAX_BYTES:
            raise InvalidRequest(
                f"{self.name} is over {DOCUMENT_MAX_BYTES // 1024**2} MB",
                action="Use JSONL or CSV for lists of this size: they are read row by row.",
            )
        try:
            return data.decode(self._encoding())
        except UnicodeError as error:
            raise self._not_decodable(error) from None

    def decoded_head(self) -> str:
        """The first characters of the file."""
        return self.head.decode(self._encoding(), errors="replace")

    def _open(self) -> BinaryIO:
        if self._copy is not None:
            self._copy.seek(0)
            return open(self._copy.fileno(), "rb", closefd=False)
        with self._errors():
            assert self.path is not None  # noqa: S101 - standard input was copied
            return self.path.open("rb")

    def _copy_pipe(self, stream: BinaryIO) -> None:
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        weakref.finalize(self, copy.close)
        shutil.copyfileobj(stream, copy)
        copy.flush()
        self._copy = copy

    def _encoding(self) -> str:
        for mark, encoding in _MARKS.items():
            if self.head.startswith(mark):
                return encoding
        return self.encoding or "utf-8"

    def _check_encoding(self) -> None:
        try:
            io.TextIOWrapper(io.BytesIO(), encoding=self._encoding())
        except (LookupError, ValueError):
            raise InvalidRequest(
                f"unknown text encoding {(self.encoding or '')[:40]!r}",
                field="encoding",
                action="Use a name such as utf-8, cp1252, gb18030 or shift_jis for --encoding.",
            ) from None
        if b"\0" in self.head and self._encoding() == "utf-8":
            raise InvalidRequest(
                f"{self.name} is not UTF-8 text: it contains NUL bytes",
                action="If it is UTF-16 without a byte order mark, add --encoding utf-16-le.",
            )

    def _not_decodable(self, error: UnicodeError) -> InvalidRequest:
        byte = error.object[error.start] if isinstance(error, UnicodeDecodeError) else None
        found = "" if byte is None else f": byte 0x{byte:02x}"
        return InvalidRequest(
            f"{self.name}{self._undecodable_line()} is not {self._encoding().upper()} text{found}",
            field="encoding",
            action=(
                "Save it as UTF-8, or name its encoding: --encoding cp1252 (Western Windows), "
                "gb18030 (Chinese), shift_jis (Japanese)."
            ),
        )

    def _undecodable_line(self) -> str:
        if self._encoding() not in {"utf-8", "utf-8-sig"}:
            return ""
        with self._open() as opened:
            for number, line in enumerate(iter(lambda: opened.readline(LINE_MAX_CHARACTERS), b"")):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return f":{number + 1}"
        return ""

    def _errors(self) -> "_FileErrors":
        return _FileErrors(self.name)


def line_too_long(line: str = "the line") -> InvalidRequest:
    """Make the error for a line that is too long."""
    return InvalidRequest(
        f"{line} is longer than {LINE_MAX_CHARACTERS} characters",
        action="Write reference images as paths or URLs.",
    )


class _FileErrors:
    """Translates errors of the operating system to InvalidRequest."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError | ValueError):
            reason = getattr(error, "strerror", None) or str(error)
            raise InvalidRequest(
                f"{self._name} can't be read: {reason}",
                action="Check the path; - reads standard input.",
            ) from None
