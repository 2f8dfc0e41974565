"""Environment variables and their defaults."""

from pathlib import Path

import pytest

from stills.config import read_config
from stills.contract.errors import ConfigError
from stills.contract.links import ImageLinks
from stills.contract.models import MODELS
from stills.contract.rate_limit import LEARN_LIMIT, NO_LIMIT, RateLimit

HOME = {"HOME": "/home/ann"}


def test_every_variable_has_a_default():
    """Results are in the working folder, credentials and state in the home folder."""
    config = read_config(HOME)
    assert config.store == "output/ai-image-qwen-image/images"
    assert config.catalog == Path("output/ai-image-qwen-image/stills.db")
    assert config.spool == Path("/home/ann/.local/state/stills/spool")
    assert config.credentials_file == Path("/home/ann/.alibabacloud/credentials")
    assert (config.model, config.deadline_seconds) == ("qwen-image-max", 600.0)
    assert (config.rate_limit, config.concurrency) == (None, 8)
    assert (config.api_key, config.profile, config.base_url) == (None, "default", None)
    assert config.account is None


@pytest.mark.parametrize(
    ("variable", "value", "field", "read"),
    [
        ("STILLS_STORE", "s3://bucket/a", "store", "s3://bucket/a"),
        ("STILLS_CATALOG", "/a/b.db", "catalog", Path("/a/b.db")),
        ("STILLS_SPOOL", "/a/spool", "spool", Path("/a/spool")),
        ("STILLS_IMAGE_URL", "http://cdn/a/", "image_links", ImageLinks("http://cdn/a")),
        ("STILLS_IMAGE_URL", "presign:7d", "image_links", ImageLinks(signed_seconds=604_800)),
        ("STILLS_IMAGE_URL", "presign:90min", "image_links", ImageLinks(signed_seconds=5400)),
        ("STILLS_IMAGE_URL", "store", "image_links", ImageLinks()),
        ("STILLS_MODEL", "qwen-image-2.0", "model", "qwen-image-2.0"),
        ("STILLS_MODELS", "", "models", MODELS),
        ("STILLS_DEADLINE_SECONDS", "1.5", "deadline_seconds", 1.5),
        ("STILLS_RATE_LIMIT", "2/min", "rate_limit", RateLimit(2 / 60)),
        ("STILLS_RATE_LIMIT", " 1.5 / S ", "rate_limit", RateLimit(1.5)),
        ("STILLS_RATE_LIMIT", "90/h", "rate_limit", RateLimit(0.025)),
        ("STILLS_RATE_LIMIT", "auto", "rate_limit", LEARN_LIMIT),
        ("STILLS_RATE_LIMIT", "none", "rate_limit", NO_LIMIT),
        ("STILLS_CONCURRENCY", "32", "concurrency", 32),
        ("DASHSCOPE_API_KEY", "sk-a", "api_key", "sk-a"),
        ("STILLS_ACCOUNT", "our studio", "account", "our studio"),
        ("STILLS_RESEND_UNKNOWN", " 2 ", "resend_unknown", 2),
        ("STILLS_ASYNC", "auto", "uses_tasks", True),
        ("STILLS_ASYNC", " Never ", "uses_tasks", False),
        ("DASHSCOPE_HTTP_BASE_URL", "https://a.example", "base_url", "https://a.example"),
        ("ALIBABA_CLOUD_PROFILE", "work", "profile", "work"),
        ("ALICLOUD_PROFILE", "work", "profile", "work"),
        ("XDG_STATE_HOME", "/state", "spool", Path("/state/stills/spool")),
        ("OUTPUT_DIR", "/out", "store", "/out/ai-image-qwen-image/images"),
        ("OUTPUT_DIR", "/out", "catalog", Path("/out/ai-image-qwen-image/stills.db")),
        ("HOME", "/home/bob", "credentials_file", Path("/home/bob/.alibabacloud/credentials")),
    ],
)
def test_each_variable_is_read(variable, value, field, read):
    """Its value is in the field of the configuration."""
    assert getattr(read_config({**HOME, variable: value}), field) == read


@pytest.mark.parametrize(
    "variable",
    [
        "STILLS_STORE",
        "STILLS_IMAGE_URL",
        "STILLS_CATALOG",
        "STILLS_SPOOL",
        "STILLS_MODEL",
        "STILLS_DEADLINE_SECONDS",
        "STILLS_RATE_LIMIT",
        "STILLS_CONCURRENCY",
        "STILLS_RESEND_UNKNOWN",
        "STILLS_ASYNC",
        "DASHSCOPE_HTTP_BASE_URL",
        "ALIBABA_CLOUD_PROFILE",
        "ALICLOUD_PROFILE",
        "XDG_STATE_HOME",
        "OUTPUT_DIR",
    ],
)
def test_an_empty_variable_counts_as_unset(variable):
    """Shells and container tools often set variables to nothing."""
    assert read_config({**HOME, variable: ""}) == read_config(HOME)


def test_an_empty_key_and_an_empty_home_count_as_unset(monkeypatch):
    """The system's home folder is used then."""
    assert not read_config({**HOME, "DASHSCOPE_API_KEY": ""}).api_key
    monkeypatch.setenv("HOME", "/home/carol")
    assert read_config({"HOME": ""}) == read_config({"HOME": "/home/carol"})


def test_a_user_without_a_home_only_has_to_set_the_spool(monkeypatch):
    """Nothing else needs a home folder, for example in a container with an unknown user id."""

    def know_nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", know_nobody)
    with pytest.raises(ConfigError, match="HOME is not set") as caught:
        read_config({})
    assert "STILLS_SPOOL" in caught.value.action
    named = read_config({"STILLS_SPOOL": "/spool"})
    assert (named.spool, named.credentials_file) == (Path("/spool"), None)
    assert read_config({"XDG_STATE_HOME": "/state"}).spool == Path("/state/stills/spool")


@pytest.mark.parametrize("written", ["soon", "0", "-1", "nan", "inf", "1e999", "1,5", " "])
def test_an_invalid_deadline_is_rejected(written):
    """The error names the variable and its value."""
    with pytest.raises(ConfigError, match="STILLS_DEADLINE_SECONDS is ") as caught:
        read_config({**HOME, "STILLS_DEADLINE_SECONDS": written})
    assert caught.value.field == "STILLS_DEADLINE_SECONDS"
    assert "number of seconds" in caught.value.action


@pytest.mark.parametrize(
    "written",
    [
        *("presign", "presign:", "presign:0s", "presign:8d", "presign:604801s", "presign:1.5h"),
        *("s3", "https://", "https://key@cdn", "https://cdn/a?key=b", "ftp://cdn"),
    ],
)
def test_an_invalid_link_to_images_is_rejected(written):
    """Stores refuse signatures for more than 7 days, and a query would end up in every link."""
    with pytest.raises(ConfigError, match="STILLS_IMAGE_URL is ") as caught:
        read_config({**HOME, "STILLS_IMAGE_URL": written})
    assert "presign:7d" in caught.value.action


@pytest.mark.parametrize("written", ["-1", "1.5", "100", "some", "٢"])
def test_an_invalid_number_of_repeats_is_rejected(written):
    """Each repeat may be billed, so a typing error must not allow many."""
    with pytest.raises(ConfigError, match="STILLS_RESEND_UNKNOWN is ") as caught:
        read_config({**HOME, "STILLS_RESEND_UNKNOWN": written})
    assert "from 0 to 99" in caught.value.action


@pytest.mark.parametrize("written", ["always", "0", "false"])
def test_an_invalid_choice_of_asynchronous_calls_is_rejected(written):
    """The error shows both values."""
    with pytest.raises(ConfigError, match="STILLS_ASYNC is ") as caught:
        read_config({**HOME, "STILLS_ASYNC": written})
    assert caught.value.field == "STILLS_ASYNC"
    assert "auto or never" in caught.value.action


@pytest.mark.parametrize("written", ["2", "0/s", "-1/s", "2/day", "/s", "1e3/s", "fast", "٢/s"])
def test_an_invalid_rate_is_rejected(written):
    """The error shows valid values."""
    with pytest.raises(ConfigError, match="STILLS_RATE_LIMIT is ") as caught:
        read_config({**HOME, "STILLS_RATE_LIMIT": written})
    assert caught.value.field == "STILLS_RATE_LIMIT"
    assert "2/min" in caught.value.action


@pytest.mark.parametrize("written", ["0", "-1", "2.5", "many", "10000", "٢"])
def test_an_invalid_concurrency_is_rejected(written):
    """It has to be a positive whole number."""
    with pytest.raises(ConfigError, match="STILLS_CONCURRENCY is ") as caught:
        read_config({**HOME, "STILLS_CONCURRENCY": written})
    assert "whole number" in caught.value.action


@pytest.mark.parametrize(
    ("variable", "scheme"), [("STILLS_CATALOG", "mysql"), ("STILLS_SPOOL", "postgresql")]
)
def test_a_url_is_not_a_local_path(variable, scheme):
    """It is not taken for a folder called `mysql:`, and the error hides its password."""
    with pytest.raises(ConfigError, match=f"{variable} is a URL") as caught:
        read_config({**HOME, variable: f"{scheme}://ann:topsecret@host/db"})
    assert "topsecret" not in str(caught.value)


def test_the_catalog_can_be_in_postgres():
    """The whole URL is kept for the driver, and the password is never shown."""
    url = "postgresql://ann:topsecret@host:6432/db?sslmode=require"
    config = read_config({**HOME, "STILLS_CATALOG": url})
    assert config.catalog.secret == url
    assert "postgresql://ann@host:6432/db" in repr(config)
    assert "topsecret" not in f"{config!r} {config.catalog!r} {config.catalog}"


def test_an_invalid_url_of_postgres_is_refused_without_its_password():
    """Only what is wrong with it is said."""
    with pytest.raises(ConfigError, match="percent-encoded") as caught:
        read_config({**HOME, "STILLS_CATALOG": "postgresql://ann:top@secret@host/db"})
    assert "secret" not in str(caught.value)


def test_the_environment_of_the_process_is_the_default(monkeypatch):
    """It is read when called, not at import."""
    monkeypatch.setenv("STILLS_MODEL", "qwen-image-3.0")
    assert read_config().model == "qwen-image-3.0"


def test_the_key_is_never_shown():
    """A configuration may end up in a log."""
    config = read_config({**HOME, "DASHSCOPE_API_KEY": "sk-topsecret"})
    assert "topsecret" not in f"{config!r} {config} {[config]}"


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "false"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_traces_are_enabled_by_an_endpoint(variables, on):
    """Either of OpenTelemetry's two switches disables them."""
    assert read_config({**HOME, **variables}).traces is on


@pytest.mark.parametrize("written", ["0.0123456789", "1e-10", "1000000.01", "123456789.123456789"])
def test_a_price_with_too_many_digits_is_rejected(written):
    """Nine decimals are counted exactly; further digits would be lost."""
    with pytest.raises(ConfigError) as refused:
        read_config({"STILLS_PRICE_USD": written})
    assert refused.value.field == "STILLS_PRICE_USD"
    assert read_config({"STILLS_PRICE_USD": "0.012345678"}).price_usd == 0.012345678
