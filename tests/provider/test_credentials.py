"""Where the API key comes from, and where it may be sent."""

import pytest

from stills.contract.errors import AccessError, MissingKey, WrongKey
from stills.contract.providers import DASHSCOPE, SANDBOX
from stills.provider.base_url import DEFAULT_BASE_URL
from stills.provider.credentials import find_credentials

LOCAL = "http://127.0.0.1:8080"


@pytest.fixture
def find(tmp_path):
    """Find credentials in an empty environment, plus the given values."""

    def find_with(**given):
        facts = {
            "key": None,
            "profile": "default",
            "credentials_file": tmp_path / "credentials",
            "base_url": None,
        }
        return find_credentials(**{**facts, **given})

    return find_with


@pytest.fixture
def write(tmp_path):
    """Write the credentials file."""

    def write_file(content: str | bytes) -> None:
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "credentials").write_bytes(raw)

    return write_file


def test_without_a_home_there_is_no_file(find):
    """Then only the variable can hold the key."""
    assert find(credentials_file=None, key="sk-a").key.reveal() == "sk-a"
    with pytest.raises(MissingKey):
        find(credentials_file=None)


def test_a_given_key_wins_over_the_file(find, write):
    """The variable comes first; surrounding spaces are removed."""
    write("[default]\ndashscope_api_key = sk-from-file\n")
    found = find(key=" sk-given\n")
    assert found.key.reveal() == "sk-given"
    assert (found.provider, found.base_url) == (DASHSCOPE, DEFAULT_BASE_URL)


@pytest.mark.parametrize("key", [None, "", " \n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_without_a_key_the_file_is_read(find, write, key, mark):
    """The named profile's key is read, with percent signs unchanged."""
    write(
        mark + b"# mine\r\n[default]\r\ntype = access_key\r\ndashscope_api_key=sk-a%b\r\n"
        b"[work]\r\ndashscope_api_key = sk-work\r\n"
    )
    assert find(key=key).key.reveal() == "sk-a%b"
    assert find(key=key, profile="work").key.reveal() == "sk-work"


def test_a_missing_key_names_every_way_to_set_one(find):
    """The error names the variable, the file and the sandbox."""
    with pytest.raises(MissingKey) as caught:
        find()
    for way in ("DASHSCOPE_API_KEY", "dashscope_api_key", ".alibabacloud/credentials", "--sandbox"):
        assert way in caught.value.action


@pytest.mark.parametrize(
    ("content", "profile"),
    [
        ("", "default"),
        ("[default]\n", "default"),
        ("[default]\ndashscope_api_key =\n", "default"),
        ("[default]\ndashscope_api_key = sk-a\n", "work"),
        ("[other]\ndashscope_api_key = sk-a\n", "default"),
    ],
)
def test_a_file_without_the_profiles_key_says_so(find, write, content, profile):
    """The error names file and profile, and no other profile's key is used."""
    write(content)
    with pytest.raises(
        MissingKey, match=rf"credentials has no dashscope_api_key under \[{profile}"
    ):
        find(profile=profile)


@pytest.mark.parametrize(
    "content",
    [
        "sk-topsecret without a section",
        "[default]\nsk-topsecret\n",
        "[default\ndashscope_api_key = sk-topsecret\n",
        "[default]\na = sk-topsecret\na = sk-topsecret\n",
        "[default]\n[default]\nx = sk-topsecret\n",
        b"[default]\ndashscope_api_key = sk-topsecret\xff\n",
    ],
)
def test_a_broken_file_is_not_quoted(find, write, content):
    """The error names the file but quotes no line, not even in its traceback."""
    write(content)
    with pytest.raises(AccessError, match="credentials can't be read") as caught:
        find()
    assert "topsecret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_file_that_is_a_folder_is_an_access_error(find, tmp_path):
    """The system's error is translated."""
    (tmp_path / "credentials").mkdir()
    with pytest.raises(AccessError, match="IsADirectoryError"):
        find()


@pytest.mark.parametrize(
    "key", ["sk-a\nb", "sk-a\r\nX: y", "sk-a b", "sk-ключ", "sk-a\x00", "“sk”"]
)
def test_an_invalid_key_is_refused_unquoted(find, write, key):
    """Line breaks would forge headers; the error doesn't quote the key."""
    with pytest.raises(WrongKey) as caught:
        find(key=key)
    assert key[:4] not in str(caught.value)
    write(f"[default]\ndashscope_api_key = {key!r}\n  continued\n")
    with pytest.raises(WrongKey):
        find()


def test_a_sandbox_key_needs_a_sandbox(find):
    """It is never sent to the real service, and its images cost nothing."""
    with pytest.raises(AccessError, match="base URL of a sandbox is not set") as caught:
        find(key="sk-sandbox")
    assert "DASHSCOPE_HTTP_BASE_URL" in caught.value.action
    assert find(key="sk-sandbox", base_url=LOCAL).provider is SANDBOX


def test_each_key_and_base_url_is_an_account_of_its_own(find):
    """Regions have limits of their own, and keys may be of different accounts."""
    accounts = [
        find(key=key, base_url=url).account
        for key in ("sk-a", "sk-b")
        for url in ("https://a.example", "https://b.example")
    ]
    assert len(set(accounts)) == 4
    assert find(key="sk-a", base_url="https://a.example/api/v1/").account == accounts[0]


def test_keys_with_the_same_account_name_are_one_account(find):
    """The name itself is not shown either: somebody could set it to a key."""
    one, other = (find(key=key, account_name="sk-topsecret") for key in ("sk-a", "sk-b"))
    assert one.account == other.account
    assert one.account != find(key="sk-a").account
    assert "topsecret" not in one.account
    assert find(key="sk-a", account_name="\udcff").account  # a variable that is not UTF-8
