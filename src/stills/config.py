"""The only reader of the environment: each setting is read here, and passed on as a value."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from stills.contract.errors import ConfigError, UnknownModel
from stills.contract.links import SIGNED_SECONDS_MAX, ImageLinks
from stills.contract.models import DEFAULT_MODEL, MODELS, Model, find_model
from stills.contract.money import DECIMALS, PRICE_MAX_USD, to_nano_usd
from stills.contract.postgres_url import PostgresUrl, is_postgres_url, read_postgres_url
from stills.contract.rate_limit import LEARN_LIMIT, NO_LIMIT, RateLimit
from stills.contract.webhooks import WebhookSettings
from stills.project.find import CATALOG_NAME, OUTPUT_NAME, STILLS_NAME, Project
from stills.project.settings import Settings, read_settings

DEFAULT_CONCURRENCY = 8
_WEBHOOK_SECRET_MIN_CHARACTERS = 24
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_UNIT_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration from the environment and `stills.toml`.

    `output` is the folder of the default store and catalog. `store` is a folder or an object
    store's URL, `catalog` a local path or a Postgres database, and `spool` a local path. `api_key`
    never appears in the repr. `models` is the model table.
    `rate_limit` is None for the model's own limit; `credentials_file` and `api_key_file` are None
    if no home folder is known. `account` is the user's name for the account behind the key.
    `certificates` are the variable that names trusted CAs, and the file or folder that it names.
    `resend_unknown` is how often a call whose outcome is unknown may be repeated, and `uses_tasks`
    whether models with an asynchronous API are called through it. `image_links` are those of a
    bucket's images. `project_base_url` is the base URL of `stills.toml`, for keys without one.
    """

    project: Project
    output: Path
    store: str
    image_links: ImageLinks
    catalog: Path | PostgresUrl
    spool: Path
    model: str
    models: Mapping[str, Model]
    deadline_seconds: float
    price_usd: float | None
    budget_usd: float | None
    rate_limit: RateLimit | None
    concurrency: int
    resend_unknown: int
    uses_tasks: bool
    api_key: str | None
    profile: str
    credentials_file: Path | None
    api_key_file: Path | None
    base_url: str | None
    project_base_url: str | None
    account: str | None
    certificates: tuple[str, Path] | None
    public_url: str | None
    webhooks: WebhookSettings
    model_aliases: Mapping[str, str]
    traces: bool

    def __repr__(self) -> str:
        catalog = self.catalog.shown if isinstance(self.catalog, PostgresUrl) else self.catalog
        return f"Config(store={self.store!r}, catalog={str(catalog)!r})"


def read_config(environment: Mapping[str, str] | None = None) -> Config:
    """Read the configuration of the current folder's project and of this process.

    `environment` replaces the process's variables.

    Raises:
        ConfigError: a variable or `stills.toml` has no usable value.
    """
    environment = os.environ if environment is None else environment
    return make_config(read_settings(environment, _home(environment)))


def read_own_settings() -> Settings:
    """Read the settings of this process, to show where they come from.

    Raises:
        ConfigError: `stills.toml` can't be used.
    """
    return read_settings(os.environ, _home(os.environ))


def make_config(settings: Settings) -> Config:
    """Make the configuration from settings.

    Raises:
        ConfigError: a setting has no usable value.
    """
    home = _home(settings.environment)
    output = Path(settings.get("OUTPUT_DIR") or settings.project.output)
    models = _models(settings, "STILLS_MODELS")
    return Config(
        project=settings.project,
        output=output,
        store=settings.get("STILLS_STORE") or str(output / STILLS_NAME / "images"),
        image_links=_image_links(settings, "STILLS_IMAGE_URL"),
        catalog=_catalog(settings, "STILLS_CATALOG") or output / STILLS_NAME / CATALOG_NAME,
        spool=_local_path(settings, "STILLS_SPOOL") or _default_spool(settings, home),
        model=_model(settings, "STILLS_MODEL", models),
        models=models,
        deadline_seconds=_seconds(settings, "STILLS_DEADLINE_SECONDS", default=600.0),
        price_usd=_price_usd(settings),
        budget_usd=_usd(settings, "STILLS_BUDGET_USD"),
        rate_limit=read_rate_limit(
            settings.get("STILLS_RATE_LIMIT"), settings.name_of("STILLS_RATE_LIMIT")
        ),
        concurrency=_concurrency(settings, "STILLS_CONCURRENCY"),
        resend_unknown=_resends(settings, "STILLS_RESEND_UNKNOWN"),
        uses_tasks=_uses_tasks(settings, "STILLS_ASYNC"),
        api_key=settings.environment.get("DASHSCOPE_API_KEY"),
        profile=_profile(settings),
        credentials_file=None if home is None else home / ".alibabacloud" / "credentials",
        api_key_file=None if home is None else home / ".dashscope" / "api_key",
        base_url=settings.environment.get("DASHSCOPE_HTTP_BASE_URL") or None,
        project_base_url=settings.get_from_file("DASHSCOPE_HTTP_BASE_URL"),
        account=settings.get("STILLS_ACCOUNT") or None,
        certificates=_certificates(settings),
        public_url=_public_url(settings, "STILLS_PUBLIC_URL"),
        webhooks=_webhooks(settings),
        model_aliases=_aliases(settings, "STILLS_MODEL_ALIASES", models),
        traces=_traces(settings),
    )


def default_output(environment: Mapping[str, str]) -> Path:
    """Return the default output folder: `ai-image-qwen-image` in `$OUTPUT_DIR` or `output`."""
    return Path(environment.get("OUTPUT_DIR") or OUTPUT_NAME) / STILLS_NAME


def _model(settings: Settings, name: str, models: Mapping[str, Model]) -> str:
    """Return the model's id. From the environment, an unknown one is an error at its first use."""
    in_file = settings.get_from_file(name)
    if in_file and in_file == settings.get(name) and in_file not in models:
        raise settings.error(name, f"one of {', '.join(models)}")
    return settings.get(name) or DEFAULT_MODEL


def _profile(settings: Settings) -> str:
    named = settings.get("ALIBABA_CLOUD_PROFILE") or settings.get("ALICLOUD_PROFILE")
    return named or "default"


def read_rate_limit(written: str | None, name: str) -> RateLimit | None:
    """Read `2/min`, `10/s`, `auto` or `none`; return None if unset. `name` is for the error.

    Raises:
        ConfigError: the value has another form.
    """
    if not written:
        return None
    word = written.strip().lower()
    if word == "auto":
        return LEARN_LIMIT
    if word == "none":
        return NO_LIMIT
    read = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*/\s*(s|min|h)", word, re.ASCII)
    if read is None or float(read[1]) == 0.0:
        raise ConfigError(
            f"{name} is {written[:40]!r}",
            field=name,
            action="Set it to a rate such as 2/min, 10/s or 90/h, to auto, or to none.",
        )
    return RateLimit(float(read[1]) / _UNIT_SECONDS[read[2]])


def _webhooks(settings: Settings) -> WebhookSettings:
    secret = settings.get("STILLS_WEBHOOK_SECRET") or None
    if secret is not None and len(secret) < _WEBHOOK_SECRET_MIN_CHARACTERS:
        raise ConfigError(
            "STILLS_WEBHOOK_SECRET is too short",
            field="STILLS_WEBHOOK_SECRET",
            action=f"Set it to at least {_WEBHOOK_SECRET_MIN_CHARACTERS} random characters, such "
            "as those of `openssl rand -base64 32`.",
        )
    return WebhookSettings(secret, _is_on(settings, "STILLS_WEBHOOK_PRIVATE"))


def _is_on(settings: Settings, name: str) -> bool:
    written = settings.get(name) or "0"
    if written not in ("0", "1"):
        raise settings.error(name, "1, or to 0")
    return written == "1"


def _public_url(settings: Settings, name: str) -> str | None:
    written = settings.get(name)
    if not written:
        return None
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", written):
        raise settings.error(name, "a URL such as https://stills.example.com")
    return written.rstrip("/")


def sign_links_by_default() -> Mapping[str, str]:
    """Return this process's variables, with signed links to a bucket unless they say how links are.

    The objects' own URLs, such as `s3://bucket/a.png`, are useless to most programs.
    """
    environment = os.environ
    is_bucket = "://" in environment.get("STILLS_STORE", "").removeprefix("file://")
    if not is_bucket or environment.get("STILLS_IMAGE_URL") or environment.get("STILLS_PUBLIC_URL"):
        return environment
    return {**environment, "STILLS_IMAGE_URL": f"presign:{SIGNED_SECONDS_MAX}s"}


def _image_links(settings: Settings, name: str) -> ImageLinks:
    written = (settings.get(name) or "store").strip()
    if written == "store":
        return ImageLinks()
    if re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", written):
        return ImageLinks(prefix=written.rstrip("/"))
    signed = re.fullmatch(r"presign:([1-9]\d{0,5})(s|min|h|d)", written, re.ASCII)
    if signed is None:
        raise settings.error(name, "https://CDN/PREFIX, presign:7d (s, min, h or d) or store")
    seconds = int(signed[1]) * int(_UNIT_SECONDS[signed[2]])
    if seconds > SIGNED_SECONDS_MAX:
        raise settings.error(name, "at most presign:7d, because stores refuse longer links")
    return ImageLinks(signed_seconds=seconds)


def _models(settings: Settings, name: str) -> Mapping[str, Model]:
    path = _local_path(settings, name)
    if path is None:
        return MODELS
    from stills.contract.models_file import read_models_file  # noqa: PLC0415 - most have no file

    return read_models_file(path, MODELS, name=name)


def _certificates(settings: Settings) -> tuple[str, Path] | None:
    """Return the first variable that names certificates, and what it names."""
    named = [(name, settings.get(name)) for name in _CERTIFICATES]
    return next(((name, Path(written)) for name, written in named if written), None)


def _aliases(settings: Settings, name: str, models: Mapping[str, Model]) -> Mapping[str, str]:
    shown = settings.name_of(name)
    aliases: dict[str, str] = {}
    for pair in filter(None, (settings.get(name) or "").replace(" ", "").split(",")):
        alias, equals, model_id = pair.partition("=")
        if not (alias and equals):
            raise settings.error(name, "pairs such as gpt-image-1=qwen-image-2.0, with commas")
        try:
            model = find_model(model_id, models)
        except UnknownModel as error:
            raise ConfigError(
                f"{shown} maps {alias[:40]} to {model_id[:40]!r}, which is not in the model table",
                field=name,
                action=error.action,
            ) from None
        if alias.endswith("@edit") and model.reference_images_max == 0:
            raise ConfigError(
                f"{shown} maps {alias[:40]} to {model.id}, which generates images from text only",
                field=name,
                action="Map it to a model that takes reference images; `stills models` lists them.",
            )
        aliases[alias] = model.id
    return aliases


def _traces(settings: Settings) -> bool:
    """Return whether OpenTelemetry's variables enable traces; its SDK reads the others."""
    everything = settings.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    endpoint = settings.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or everything
    disabled = (settings.get("OTEL_SDK_DISABLED") or "").strip().lower() == "true"
    exporter = (settings.get("OTEL_TRACES_EXPORTER") or "").strip().lower()
    return bool(endpoint) and not disabled and exporter != "none"


def _concurrency(settings: Settings, name: str) -> int:
    written = settings.get(name)
    if not written:
        return DEFAULT_CONCURRENCY
    if not re.fullmatch(r"\s*0*[1-9]\d{0,3}\s*", written, re.ASCII):
        raise settings.error(name, "a whole number from 1 to 9999")
    return int(written)


def _resends(settings: Settings, name: str) -> int:
    written = settings.get(name)
    if not written:
        return 0
    if not re.fullmatch(r"\s*\d{1,2}\s*", written, re.ASCII):
        raise settings.error(name, "a whole number from 0 to 99")
    return int(written)


def _uses_tasks(settings: Settings, name: str) -> bool:
    word = (settings.get(name) or "auto").strip().lower()
    if word not in {"auto", "never"}:
        raise settings.error(name, "auto or never")
    return word == "auto"


def _home(environment: Mapping[str, str]) -> Path | None:
    written = environment.get("HOME")
    try:
        return Path(written) if written else Path.home()
    except RuntimeError:  # such as in a container with an unknown user
        return None


def _default_spool(settings: Settings, home: Path | None) -> Path:
    state = settings.get("XDG_STATE_HOME")
    if not state and home is None:
        raise ConfigError(
            "HOME is not set, and this user has no home folder",
            field="HOME",
            action="Set HOME, or set STILLS_SPOOL to a folder for images that the store refuses.",
        )
    return Path(state or f"{home}/.local/state") / "stills" / "spool"


def _catalog(settings: Settings, name: str) -> Path | PostgresUrl | None:
    written = settings.get(name) or ""
    if "://" not in written:
        return _local_path(settings, name)
    if not is_postgres_url(written):
        raise ConfigError(
            f"{name} is a URL of another kind",
            field=name,
            action="Set it to a local path, or to a URL such as postgresql://user@host/database.",
        )
    try:
        return read_postgres_url(written)
    except ValueError as error:
        raise ConfigError(
            f"{name} is not a valid URL: {error}",
            field=name,
            action="Set it to a URL such as postgresql://user:password@host:5432/database.",
        ) from None


def _local_path(settings: Settings, name: str) -> Path | None:
    written = settings.get(name)
    if not written:
        return None
    if "://" in written:
        raise ConfigError(f"{name} is a URL", field=name, action="Set it to a local path.")
    return Path(written)


def _seconds(settings: Settings, name: str, *, default: float) -> float:
    seconds = _number(settings, name, "a number of seconds above 0")
    if seconds == 0.0:
        raise settings.error(name, "a number of seconds above 0")
    return default if seconds is None else seconds


def _price_usd(settings: Settings) -> float | None:
    price_usd = _usd(settings, "STILLS_PRICE_USD")
    if price_usd is not None and price_usd > PRICE_MAX_USD:
        raise settings.error("STILLS_PRICE_USD", f"at most {PRICE_MAX_USD:.0f} US dollars")
    return price_usd


def _usd(settings: Settings, name: str) -> float | None:
    what = f"a number of US dollars with at most {DECIMALS} decimals, such as 0.075"
    usd = _number(settings, name, what)
    # Prices are counted exactly as written, so more digits are refused.
    if usd is not None and to_nano_usd(usd) != Decimal(settings.get(name) or 0).scaleb(DECIMALS):
        raise settings.error(name, what)
    return usd


def _number(settings: Settings, name: str, what: str) -> float | None:
    written = settings.get(name)
    if not written:
        return None
    try:
        number = float(written)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < float("inf"):
        raise settings.error(name, what)
    return number
