"""The skill's script with an object store: the next step of a pipeline opens the image."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.skills.test_generate_image import KITE, SCRIPT
from tests.support.seaweed import serve_seaweed


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """The variables of a bucket on a real S3 server."""
    with serve_seaweed(tmp_path_factory.mktemp("seaweed")) as variables:
        yield variables | {"STILLS_STORE": "s3://bucket/films"}


def image_url(tmp_path: Path, *command: str, **variables: str) -> str:
    """Generate an image and return the `image_url` that is printed."""
    done = subprocess.run(
        [sys.executable, *command, "--request", KITE, "--sandbox"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)["image_url"]


SKILL = (str(SCRIPT), "--print-response")
GENERATE = ("-m", "stills", "generate", "--json")


@pytest.mark.parametrize("command", [SKILL, GENERATE])
def test_the_link_opens_without_credentials(bucket, tmp_path: Path, command):
    """Nothing else is set: the object's own URL would be of no use."""
    link = image_url(tmp_path, *command, **bucket)
    assert "X-Amz-Expires=604800&" in link
    with urllib.request.urlopen(link, timeout=20) as image:
        assert image.read(4) == b"\x89PNG"


@pytest.mark.parametrize(
    ("name", "value", "start"),
    [
        ("STILLS_IMAGE_URL", "store", "s3://bucket/films/"),
        ("STILLS_IMAGE_URL", "https://cdn.example/films", "https://cdn.example/films/"),
        ("STILLS_PUBLIC_URL", "https://stills.example.com", "https://stills.example.com/images/"),
    ],
)
def test_what_is_configured_has_precedence(bucket, tmp_path: Path, name, value, start):
    """Links are signed only if nothing says how they are."""
    assert image_url(tmp_path, *SKILL, **bucket, **{name: value}).startswith(start)
