"""Every setting: its variable, and its name in `stills.toml` if it can be there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BASE_URL_PATTERN = (
    r"^https://(dashscope(-intl|-us)?\.aliyuncs\.com"
    r"|cn-hongkong\.dashscope\.aliyuncs\.com"
    r"|[a-z0-9][a-z0-9-]{0,62}\.[a-z]{2}-[a-z]+(-[0-9])?\.maas\.aliyuncs\.com)"
    r"(/[A-Za-z0-9/_.-]*)?$"
)
"""The hosts of Model Studio. Other hosts of Alibaba Cloud may run anybody's program."""

_ACCOUNT = "it depends on who pays, not on the project"
_ELSEWHERE = "it decides where data goes or whom to trust"
_MACHINE = "it is about this user and machine, not about the project"
_SECRET = "it is a secret"  # noqa: S105 - a reason


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    `name` is its name in `stills.toml`; None if only the environment can have it, and `why` says
    why. `schema` describes the value in JSON Schema. `default` is what is shown if it is not set.
    """

    variable: str
    name: str | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    default: str = ""
    why: str = ""
    is_path: bool = False

    @property
    def is_secret(self) -> bool:
        """Whether its value is never shown."""
        return self.why == _SECRET


def _path(variable: str, name: str, description: str, default: str) -> Setting:
    schema = {"type": "string", "minLength": 1, "description": description}
    return Setting(variable, name, schema, default, is_path=True)


def _text(variable: str, name: str, description: str, default: str = "", **limits: Any) -> Setting:  # noqa: ANN401 - JSON
    schema = {"type": "string", "minLength": 1, **limits, "description": description}
    return Setting(variable, name, schema, default)


SETTINGS = (
    Setting("DASHSCOPE_API_KEY", why=_SECRET),
    Setting("ALIBABA_CLOUD_PROFILE", default="default", why=_ACCOUNT),
    Setting("ALICLOUD_PROFILE", why=_ACCOUNT),
    _text(
        "DASHSCOPE_HTTP_BASE_URL",
        "base_url",
        "The service, in the key's region: one of Model Studio's own hosts.",
        "https://dashscope.aliyuncs.com/api/v1",
        pattern=BASE_URL_PATTERN,
    ),
    Setting("STILLS_ACCOUNT", why=_ACCOUNT),
    _text("STILLS_MODEL", "model", "The model, by its exact id.", "qwen-image-max"),
    Setting("STILLS_MODELS", why=_ACCOUNT),
    Setting("SSL_CERT_FILE", why=_ELSEWHERE),
    Setting("SSL_CERT_DIR", why=_ELSEWHERE),
    Setting("REQUESTS_CA_BUNDLE", why=_ELSEWHERE),
    _path(
        "OUTPUT_DIR",
        "output_dir",
        "The folder that contains ai-image-qwen-image/, with the images and the catalog.",
        "output",
    ),
    _path("STILLS_STORE", "store", "The folder of the images.", ""),
    Setting("STILLS_IMAGE_URL", default="store", why=_ELSEWHERE),
    _path("STILLS_CATALOG", "catalog", "The catalog: a SQLite file on a local disk.", ""),
    _path("STILLS_SPOOL", "spool", "Where a paid image is saved while it can't be stored.", ""),
    Setting("XDG_STATE_HOME", default="~/.local/state", why=_MACHINE),
    Setting("HOME", why=_MACHINE),
    Setting(
        "STILLS_DEADLINE_SECONDS",
        "deadline_seconds",
        {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Time limit per request in seconds, including rate-limit waits.",
        },
        "600",
    ),
    _text(
        "STILLS_RATE_LIMIT",
        "rate_limit",
        "How many requests may start per time, such as 2/min, 10/s or 90/h; auto or none.",
        pattern=r"^(auto|none|[0-9]{1,6}(\.[0-9]{1,6})?/(s|min|h))$",
    ),
    Setting(
        "STILLS_CONCURRENCY",
        "concurrency",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": 9999,
            "description": "Maximum concurrent API calls in a batch.",
        },
        "8",
    ),
    _text(
        "STILLS_ASYNC",
        "async",
        "Whether models that have an asynchronous API are called through it.",
        "auto",
        enum=["auto", "never"],
    ),
    Setting("STILLS_RESEND_UNKNOWN", default="0", why=_ACCOUNT),
    Setting("STILLS_PRICE_USD", why=_ACCOUNT),
    Setting(
        "STILLS_BUDGET_USD",
        "budget_usd",
        {"type": "number", "minimum": 0, "description": "Spending limit in USD per UTC day."},
    ),
    Setting("STILLS_PUBLIC_URL", why=_ELSEWHERE),
    Setting(
        "STILLS_MODEL_ALIASES",
        "model_aliases",
        {
            "type": "object",
            "additionalProperties": {"type": "string", "minLength": 1},
            "description": "Models for names that clients of `stills serve` have hard-coded.",
        },
    ),
    Setting("STILLS_WEBHOOK_SECRET", why=_SECRET),
    Setting("STILLS_WEBHOOK_PRIVATE", default="0", why=_ELSEWHERE),
    Setting("OTEL_EXPORTER_OTLP_ENDPOINT", why=_ELSEWHERE),
    Setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", why=_ELSEWHERE),
    Setting("OTEL_TRACES_EXPORTER", default="otlp", why=_ELSEWHERE),
    Setting("OTEL_SDK_DISABLED", why=_ELSEWHERE),
)

IN_FILE: Mapping[str, Setting] = {one.name: one for one in SETTINGS if one.name is not None}
"""The settings that can be in `stills.toml`, by their name there."""
