"""File URLs and paths are the same bytes, in UTF-8 and without."""

import os
import subprocess
import sys

import pytest

THERE_AND_BACK = """
import os, sys
from pathlib import Path
from stills.contract.file_url import file_path

path = Path(sys.argv[1])
back = file_path(path.as_uri())
print(sys.getfilesystemencoding(), os.fsencode(back) == os.fsencode(path))
"""


@pytest.mark.parametrize("name", ["a b.png", "é", "红风筝", b"\xe9"], ids=ascii)
@pytest.mark.parametrize(("utf8", "encoding"), [("0", "ascii"), ("1", "utf-8")])
def test_a_path_is_the_same_after_its_url(name, utf8, encoding):
    """This holds for bytes that are not text in the locale's encoding, too."""
    path = b"/tmp/" + (name if isinstance(name, bytes) else name.encode())
    variables = {"LC_ALL": "C", "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", THERE_AND_BACK, path],
        env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [encoding, "True"], done.stderr
