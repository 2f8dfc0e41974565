"""The JSON Schema of `stills.toml`, with which editors check and complete it."""

from typing import Any

from stills.project.names import IN_FILE


def make_schema() -> dict[str, Any]:
    """Describe the file in draft 7, which editors of TOML understand."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "stills.toml",
        "description": "The settings of a project of Stills.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: dict(setting.schema) | ({"default": setting.default} if setting.default else {})
            for name, setting in IN_FILE.items()
        },
    }
