"""API keys in `.env` files and the SDK's own file, after the specification's two places."""

import pytest

from stills.app import Stills
from stills.contract.errors import AccessError, MissingKey
from stills.provider.credentials import find_credentials

LOCAL = "http://127.0.0.1:8080/api/v1"


@pytest.fixture
def folder(tmp_path):
    """The current folder, in another one that may have an `.env` too."""
    made = tmp_path / "film" / "shots"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def find(tmp_path, folder):
    """Find credentials in both folders, by default with nothing else given."""

    def find_with(**given):
        facts = {
            "key": None,
            "profile": "default",
            "credentials_file": tmp_path / "credentials",
            "base_url": None,
            "dotenv_files": (folder / ".env", folder.parent / ".env"),
            "api_key_file": tmp_path / "api_key",
        }
        return find_credentials(**{**facts, **given})

    return find_with


def test_the_places_are_searched_in_order(find, folder, tmp_path):
    """Each new place wins over those before it: the specification's two come first."""
    places = [
        (tmp_path / "api_key", "{}\n"),
        (folder.parent / ".env", "DASHSCOPE_API_KEY={}\n"),
        (folder / ".env", "DASHSCOPE_API_KEY={}\n"),
        (tmp_path / "credentials", "[default]\ndashscope_api_key = {}\n"),
    ]
    for number, (path, text) in enumerate(places):
        path.write_text(text.format(f"sk-{number}"), encoding="utf-8")
        assert find().key.reveal() == f"sk-{number}"
    assert find(key="sk-given").key.reveal() == "sk-given"


@pytest.mark.parametrize(
    "line",
    [
        "DASHSCOPE_API_KEY=sk-a",
        'export DASHSCOPE_API_KEY="sk-a" # mine',
        "  DASHSCOPE_API_KEY = 'sk-a'\r",
        "DASHSCOPE_API_KEY=sk-a # mine",
        "DASHSCOPE_API_KEY=sk-old\nDASHSCOPE_API_KEY=sk-a",
    ],
)
def test_a_line_may_have_any_usual_form(find, folder, line):
    """Other lines, even those that make no sense, are skipped."""
    (folder / ".env").write_text(f"# DASHSCOPE_API_KEY=sk-b\nnonsense\nA=1\n{line}\n")
    assert find().key.reveal() == "sk-a"


def test_a_base_url_beside_the_key_goes_with_it(find, folder):
    """A key works only in its region; a base URL that is given wins."""
    (folder / ".env").write_text(f"DASHSCOPE_API_KEY=sk-a\nDASHSCOPE_HTTP_BASE_URL={LOCAL}\n")
    assert find().base_url == LOCAL
    assert find(base_url="http://127.0.0.1:1").base_url == "http://127.0.0.1:1/api/v1"
    assert find(key="sk-given").base_url != LOCAL


def test_files_without_a_key_are_no_error(find, folder):
    """An empty value and a folder that has that name count as none."""
    (folder / ".env").mkdir()
    (folder.parent / ".env").write_text("DASHSCOPE_API_KEY=\nOTHER=sk-b\n")
    with pytest.raises(MissingKey):
        find()


def test_a_named_profile_without_a_key_is_an_error(find, folder, tmp_path):
    """Another account is not billed instead."""
    (tmp_path / "credentials").write_text("[default]\ndashscope_api_key = sk-a\n")
    (folder / ".env").write_text("DASHSCOPE_API_KEY=sk-b\n")
    with pytest.raises(MissingKey, match=r"under \[work\]"):
        find(profile="work")


def test_an_unreadable_file_is_named_without_its_text(find, folder):
    """It may hold the key in another encoding."""
    (folder / ".env").write_bytes("DASHSCOPE_API_KEY=sk-secret".encode("utf-16"))
    with pytest.raises(AccessError, match=r"\.env can't be read") as caught:
        find()
    assert "secret" not in f"{caught.value!r} {caught.value.action}"


def test_stills_reads_them_all(tmp_path, folder, monkeypatch):
    """It looks in the current folder and in HOME, and takes the profile from either variable."""
    environment = {"HOME": str(tmp_path), "OUTPUT_DIR": str(tmp_path / "output")}
    monkeypatch.chdir(folder)
    with pytest.raises(MissingKey):
        Stills.from_env(environment=environment)
    (folder / ".env").write_text("DASHSCOPE_API_KEY=sk-a\n")
    assert Stills.from_env(environment=environment).provider == "dashscope"
    (folder / ".env").unlink()
    (tmp_path / ".dashscope").mkdir()
    (tmp_path / ".dashscope" / "api_key").write_text("sk-a")
    assert Stills.from_env(environment=environment).provider == "dashscope"
    (tmp_path / ".alibabacloud").mkdir()
    (tmp_path / ".alibabacloud" / "credentials").write_text("[work]\nother = 1\n[home]\n")
    for profiles, used in (
        ({"ALICLOUD_PROFILE": "work"}, "work"),
        ({"ALICLOUD_PROFILE": "work", "ALIBABA_CLOUD_PROFILE": "home"}, "home"),
    ):
        with pytest.raises(MissingKey, match=rf"under \[{used}\]"):
            Stills.from_env(environment=environment | profiles)
