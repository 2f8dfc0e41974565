"""The names pipelines use for our fields, as data. `docs/shot-lists.md` shows these tables."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from stills.contract.request import REQUEST_FIELDS
from stills.contract.takes import TAKES_FIELD


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a row.

    `aliases` mean the same as `name`. `fallbacks` are read, in this order, only in a row that has
    neither: pipelines store several descriptions of a shot side by side.
    """

    name: str
    aliases: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()


_PIPELINES_NAMES = {
    "prompt": Field(
        "prompt",
        aliases=("image_prompt", "ff_desc"),
        fallbacks=("visual_desc", "action_description", "description", "action"),
    ),
    "size": Field("size", aliases=("image_size", "resolution")),
}
FIELDS = (
    Field("id", aliases=("shot_id",), fallbacks=("storyboard_number", "idx")),
    *(_PIPELINES_NAMES.get(name, Field(name)) for name in REQUEST_FIELDS),
    Field(TAKES_FIELD.name),
    Field("width"),
    Field("height"),
    Field("aspect_ratio"),
    Field("reference_shot", aliases=("reference_shots",)),
    Field("cast", aliases=("character_ids", "image_names", "ff_vis_char_idxs")),
    Field("duration", aliases=("duration_seconds",)),
    Field("dialogue", aliases=("dialog",)),
    Field("scene", aliases=("scene_number", "scene_no")),
    Field("shot", aliases=("shot_number", "shot_no")),
    Field("shot_size", aliases=("shot_type", "framing")),
    Field("angle", aliases=("camera_angle",)),
    Field("movement", aliases=("camera_movement", "camera_move")),
    Field("lens", aliases=("focal_length",)),
)

# Columns without a meaning for still images, or written back by a pipeline: ignored, with one note.
IGNORED: dict[str, tuple[str, ...]] = {
    "ViMax": (
        "cam_idx",
        "is_last",
        "lf_desc",
        "lf_vis_char_idxs",
        "motion_desc",
        "audio_desc",
        "variation_type",
        "variation_reason",
    ),
    "lumenx": ("scene_id", "image_url", "video_prompt", "video_url"),
    "huobao": (
        "episode_id",
        "title",
        "location",
        "time",
        "atmosphere",
        "first_frame_image",
        "last_frame_image",
        "composed_image",
        "created_at",
        "updated_at",
    ),
    "any": ("notes", "comment"),
}


SUGGEST_AMONG = 500  # comparing is slow, and every row may have a wrong name


@lru_cache(maxsize=1024)
def fold(column: str) -> str:
    """Reduce `imagePrompt`, `Image Prompt`, `image-prompt` and `image_prompt` to the same text.

    So are `Shot No.`, `Shot #` and `shot_no`, `shot`.
    """
    return re.sub(r"[\s_.#-]+", "", column).casefold()


_FIELDS = {fold(name): field for field in FIELDS for name in (field.name, *field.aliases)}
_FALLBACKS = {fold(name): field for field in FIELDS for name in field.fallbacks}
_IGNORED = {fold(name) for names in IGNORED.values() for name in names}
_NAMES = [name for field in FIELDS for name in (field.name, *field.aliases, *field.fallbacks)]


@lru_cache(maxsize=1024)
def find_field(column: str) -> Field | None:
    """Return the field with this name, alias or fallback; None if unknown."""
    return _FIELDS.get(fold(column)) or _FALLBACKS.get(fold(column))


@lru_cache(maxsize=1024)
def fallback_rank(column: str) -> int:
    """Return a column's rank among its field's fallbacks, from 1; 0 for name and aliases."""
    field = _FALLBACKS.get(fold(column))
    return 0 if field is None else 1 + [fold(name) for name in field.fallbacks].index(fold(column))


def is_ignored(column: str) -> bool:
    """Return whether a column is known and ignored."""
    return fold(column) in _IGNORED


def suggest(name: str, known: list[str] | None = None) -> str:
    """Return `Did you mean …? ` if a known name is similar, else an empty string."""
    names = {fold(one): one for one in (_NAMES if known is None else known[:SUGGEST_AMONG])}
    near = get_close_matches(fold(name[:60]), names, n=1, cutoff=0.6)
    return f"Did you mean {names[near[0]]}? " if near else ""
