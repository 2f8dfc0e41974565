"""`stills.toml`: what it may say, and what it must not."""

import re
from pathlib import Path

import pytest

from stills.assembly import find_service
from stills.config import read_config
from stills.contract.errors import ConfigError
from stills.contract.rate_limit import RateLimit
from stills.project.names import IN_FILE, SETTINGS

SECRETS = [
    'api_key = "0123456789abcdef"',
    'DASHSCOPE_API_KEY = "0123456789abcdef"',
    'STILLS_WEBHOOK_SECRET = "0123456789abcdef"',
    'password = "0123456789abcdef"',
    '[dashscope]\nkey = "sk-0123456789abcdef"',
    'model = "sk-0123456789abcdef"',
    'model_aliases = { "a" = "sk-0123456789abcdef" }',
    'model_aliases = { "sk-0123456789abcdef" = "a" }',
    'catalog = "postgresql://ann:0123456789abcdef@db.example/stills"',
    'store = "s3://AKIA0123456789abcdef:0123456789abcdef@bucket"',
]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write the file of the project, and go to a folder below it."""
    (tmp_path / "film" / "shots").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "film" / "shots")

    def write_file(text):
        file = tmp_path / "film" / "stills.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    return write_file


@pytest.fixture
def read(tmp_path):
    """Read the configuration with some variables."""
    return lambda **variables: read_config({"HOME": str(tmp_path / "home")} | variables)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ('output_dir = "renders"', "store", "FILM/renders/ai-image-qwen-image/images"),
        ('output_dir = "/big"', "catalog", Path("/big/ai-image-qwen-image/stills.db")),
        ('store = "../images"', "store", "FILM/../images"),
        ('catalog = "my.db"', "catalog", Path("FILM/my.db")),
        ('spool = "spool"', "spool", Path("FILM/spool")),
        ('model = "qwen-image-2.0"', "model", "qwen-image-2.0"),
        ("deadline_seconds = 90", "deadline_seconds", 90.0),
        ("deadline_seconds = 1.5", "deadline_seconds", 1.5),
        ('rate_limit = "2/min"', "rate_limit", RateLimit(2 / 60)),
        ("concurrency = 3", "concurrency", 3),
        ('async = "never"', "uses_tasks", False),
        ("budget_usd = 2.50", "budget_usd", 2.5),
        ("budget_usd = 0", "budget_usd", 0.0),
        (
            'model_aliases = { "gpt-image-1" = "qwen-image-2.0" }',
            "model_aliases",
            {"gpt-image-1": "qwen-image-2.0"},
        ),
        (
            '[model_aliases]\n"dall-e-3" = "qwen-image-max"',
            "model_aliases",
            {"dall-e-3": "qwen-image-max"},
        ),
    ],
)
def test_each_setting_of_the_file_is_read(write, read, line, field, value):
    """Values have the types of TOML; paths are relative to the file."""
    film = str(write(line).parent)
    if isinstance(value, str | Path):
        value = type(value)(str(value).replace("FILM", film))
    assert getattr(read(), field) == value


def test_every_name_is_read_from_the_file():
    """Each name that is allowed there has an example above."""
    examples = test_each_setting_of_the_file_is_read.pytestmark[0].args[1]
    named = {re.match(r"\[?(\w+)", line)[1] for line, _, _ in examples}
    assert named == IN_FILE.keys() - {"base_url"}


def test_the_environment_counts_more_than_the_file(write, read):
    """An empty variable counts as unset."""
    write('model = "qwen-image-2.0"\nbudget_usd = 5')
    assert read(STILLS_MODEL="qwen-image-3.0").model == "qwen-image-3.0"
    assert read(STILLS_MODEL="").model == "qwen-image-2.0"
    assert read(STILLS_BUDGET_USD="1").budget_usd == 1.0


def test_an_empty_file_and_comments_set_nothing(write, read):
    """Editors find the schema by a comment; Windows begins files with a mark."""
    write(b"\xef\xbb\xbf#:schema stills.schema.json\r\n\r\n")
    assert read().model == "qwen-image-max"


@pytest.mark.parametrize(
    ("text", "line", "name", "action"),
    [
        ("\nconcurrency = 0", 2, "concurrency is '0'", "1 to 9999"),
        ('concurrency = "8"', 1, "concurrency is '8'", "whole number"),
        ("concurrency = true", 1, "concurrency is True", "whole number"),
        ("concurrency = 2.5", 1, "concurrency is '2.5'", "whole number"),
        ('model = "qwen-image-max"\nrate_limit = "often"', 2, "rate_limit is 'often'", "2/min"),
        ("rate_limit = 2", 1, "rate_limit is 2", "text in quotes"),
        ("# a\n\nbudget_usd = -1", 3, "budget_usd is '-1'", "US dollars"),
        ("budget_usd = 0.0000000001", 1, "budget_usd is ", "9 decimals"),
        ("budget_usd = nan", 1, "budget_usd is 'NaN'", "US dollars"),
        ("deadline_seconds = 0", 1, "deadline_seconds is '0'", "above 0"),
        ('async = "always"', 1, "async is 'always'", "auto or never"),
        ('model = "qwen-image"', 1, "model is 'qwen-image'", "qwen-image-max"),
        ('model = ""', 1, "model is ''", "text in quotes"),
        ('store = "~/images"', 1, "store is '~/images'", "relative to the file"),
        ('store = "a\\u0000b"', 1, "store is ", "relative to the file"),
        ("model_aliases = []", 1, "model_aliases is []", "a table such as"),
        ('[model_aliases]\na = ["b"]', 1, "model_aliases has 'a'", "a table such as"),
        ('[model_aliases]\n"a,b" = "c"', 1, "model_aliases has 'a,b'", "a table such as"),
        ('[model_aliases]\na = "c"', 1, "model_aliases maps a to 'c'", "exact id"),
        ("\nmodle = 1", 2, "unknown setting 'modle'", "Did you mean model?"),
        ("STILLS_MODEL = 1", 1, "unknown setting 'STILLS_MODEL'", "Write it as model."),
        ("output-dir = 1", 1, "unknown setting 'output-dir'", "Write it as output_dir."),
        ("[tool.stills]\nmodel = 1", 1, "unknown setting 'tool'", "The names are base_url, model"),
    ],
)
def test_a_mistake_is_reported_with_file_line_name_and_fix(write, read, text, line, name, action):
    """Nothing in the file is silently ignored."""
    file = write(text)
    with pytest.raises(ConfigError) as caught:
        read()
    assert caught.value.message.startswith(f"{file}:{line}: {name}")
    assert action in caught.value.action


@pytest.mark.parametrize(
    "text",
    ["model", "model = ", "model = 1\nmodel = 2", "a = " + "[" * 9999, b"\xff", "#" * 200_000],
)
def test_a_file_that_is_not_toml_is_one_error(write, read, text):
    """The error names the file."""
    file = write(text)
    with pytest.raises(ConfigError, match=re.escape(str(file))):
        read()


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_refused_and_never_printed(write, read, text):
    """The error names the line; a project's file is often public."""
    file = write(f"# settings\n{text}")
    with pytest.raises(ConfigError) as caught:
        read()
    assert caught.value.message.startswith(f"{file}:2: ")
    assert "0123456789abcdef" not in f"{caught.value.message} {caught.value.action}"


@pytest.mark.parametrize(
    "text",
    ["sk-0123456789abcdef", '["sk-0123456789abcdef"]\n["sk-0123456789abcdef"]'],
)
def test_a_secret_in_broken_toml_is_not_printed(write, read, text):
    """The parser quotes names."""
    write(text)
    with pytest.raises(ConfigError) as caught:
        read()
    assert "0123456789abcdef" not in f"{caught.value.message} {caught.value.action}"


@pytest.mark.parametrize("setting", [one for one in SETTINGS if one.name is None])
def test_what_only_the_environment_may_say_is_refused(write, read, setting):
    """A stranger's repository can't redirect data, trust other certificates or choose who pays."""
    for name in (setting.variable, setting.variable.lower().removeprefix("stills_")):
        write(f'{name} = "1"')
        with pytest.raises(ConfigError) as caught:
            read()
        assert setting.is_secret or setting.variable in caught.value.action


@pytest.mark.parametrize(
    "url",
    [
        "https://dashscope.aliyuncs.com",
        "https://dashscope-intl.aliyuncs.com/api/v1",
        "https://cn-hongkong.dashscope.aliyuncs.com/compatible-mode/v1",
        "https://ws-1a2b.ap-southeast-1.maas.aliyuncs.com",
        "https://ws-1a2b.cn-beijing.maas.aliyuncs.com/api/v1/",
    ],
)
def test_the_file_may_choose_the_region(write, read, url):
    """All hosts of Model Studio are allowed."""
    write(f'base_url = "{url}"')
    found = find_service(read(DASHSCOPE_API_KEY="sk-1"))
    assert found.base_url.startswith("/".join(url.split("/")[:3]))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "http://dashscope.aliyuncs.com",
        "https://dashscope.aliyuncs.com.evil.example",
        "https://dashscope.aliyuncs.com@evil.example",
        "https://evil.example\\\\@dashscope.aliyuncs.com",
        "https://dashscope.aliyuncs.com:8443",
        "https://dashscope.aliyuncs.com#@evil.example",
        "https://evil.oss-cn-beijing.aliyuncs.com",
        "https://evil.cn-hangzhou.fc.aliyuncs.com",
        "https://evil-dashscope.aliyuncs.com",
        "https://a.b.cn-beijing.maas.aliyuncs.com",
        "https://maas.aliyuncs.com",
        "http://127.0.0.1:8080",
        "https://dashscope.aliyuncs.com\\n.evil.example",
        "https://dashscope.aliyuncs.com\\n",
    ],
)
def test_the_file_can_not_send_the_key_elsewhere(write, read, url):
    """A repository that somebody downloads may be hostile."""
    write(f'base_url = "{url}"')
    with pytest.raises(ConfigError, match="the API key is sent there"):
        read(DASHSCOPE_API_KEY="sk-1")


@pytest.mark.parametrize("name", ["output_dir", "store", "catalog", "spool"])
@pytest.mark.parametrize(
    "value",
    [
        "s3://bucket/a",
        "postgresql://db.example/stills",
        "file:///a",
        "file:a",
        "//server/share",
        "\\\\\\\\server\\\\share",
    ],
)
def test_the_file_can_not_send_images_elsewhere(write, read, name, value):
    """Buckets, databases and network addresses are set where their passwords are."""
    write(f'{name} = "{value}"')
    with pytest.raises(ConfigError, match="would be sent there"):
        read()


def test_the_base_url_next_to_a_key_counts_more_than_the_file(write, read, tmp_path):
    """It is that of the key's region; a sandbox's key never goes to the service."""
    write('base_url = "https://dashscope-us.aliyuncs.com"')
    dotenv = tmp_path / "film" / "shots" / ".env"
    dotenv.write_text("DASHSCOPE_API_KEY=sk-1\n", encoding="utf-8")
    assert find_service(read()).base_url == "https://dashscope-us.aliyuncs.com/api/v1"
    intl = "https://dashscope-intl.aliyuncs.com/api/v1"
    dotenv.write_text(f"DASHSCOPE_API_KEY=sk-1\nDASHSCOPE_HTTP_BASE_URL={intl}\n", encoding="utf-8")
    assert find_service(read()).base_url == intl
    gateway = "https://gateway.example/api/v1"
    assert find_service(read(DASHSCOPE_HTTP_BASE_URL=gateway)).base_url == gateway
