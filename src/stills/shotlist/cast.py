"""The cast of a project: characters and props, each described or with an image of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stills.contract.errors import InvalidRequest
from stills.contract.request import ImageRequest
from stills.shotlist.columns import fold, suggest
from stills.shotlist.seeds import derive_seed
from stills.shotlist.shots import Defaults, Shot
from stills.shotlist.sizes import choose_size

PORTRAIT_PREFIX = "cast-"

_SENTENCE_ENDS = ".!?。！？"  # noqa: RUF001 - Chinese prompts end like this

_MEMBER_FIELDS = ("prompt", "image", "size", "aspect_ratio", "style", "negative_prompt", "seed")


@dataclass(frozen=True, slots=True)
class Member:
    """One member; without prompt and image it could not be read, which was reported.

    Its portrait is drawn after those of the members in `references`, with them and
    `reference_images` as references.
    """

    name: str
    source: str
    prompt: str | None = None
    image: str | None = None
    own: Defaults = field(default_factory=Defaults)
    references: tuple[str, ...] = ()
    reference_images: tuple[str, ...] = ()

    @property
    def portrait_id(self) -> str | None:
        """The id of its portrait; None where it brings an image along."""
        return None if self.image else f"{PORTRAIT_PREFIX}{self.name}"


def read_member(name: str, written: object, *, source: str, folder: Path) -> Member:
    """Read a member: its prompt as text, or a mapping with `prompt`, `image` or both.

    Raises:
        InvalidRequest: it is neither, or has an unknown field.
    """
    if isinstance(written, str):
        written = {"prompt": written}
    if not isinstance(written, Mapping):
        raise _member_error(name, "is neither text nor a mapping")
    values = {_field(name, key): value for key, value in written.items() if value is not None}
    for text in ("prompt", "image", "size", "aspect_ratio", "style", "negative_prompt"):
        if not isinstance(values.get(text, ""), str):
            raise _member_error(name, f"has a {text} that is not text")
    prompt = (values.get("prompt") or "").strip() or None
    image = (values.get("image") or "").strip() or None
    if prompt is None and image is None:
        raise _member_error(name, "has neither prompt nor image")
    own = Defaults(
        size=values.get("size"),
        aspect_ratio=values.get("aspect_ratio"),
        style=values.get("style"),
        negative_prompt=values.get("negative_prompt"),
        seed=values.get("seed"),
    )
    return Member(name, source, prompt, image and locate_image(image, folder), own)


def make_portrait(member: Member, cast: Mapping[str, Member], defaults: Defaults) -> Shot:
    """Make the shot that draws a member; the seed is derived unless it has its own.

    Raises:
        InvalidRequest: its fields make no valid request.
    """
    chosen = member.own.over(defaults)
    shot_id = f"{PORTRAIT_PREFIX}{member.name}"
    seed = member.own.seed
    request = ImageRequest(
        prompt=member.prompt or "",
        size=choose_size(
            size=member.own.size,
            width=None,
            height=None,
            aspect_ratio=member.own.aspect_ratio,
            defaults=chosen,
        ),
        style=chosen.style,
        negative_prompt=chosen.negative_prompt,
        seed=derive_seed(defaults.seed or 0, shot_id) if seed is None else seed,
    )
    others = [cast[name] for name in member.references]
    return Shot(
        shot_id,
        request,
        member.source,
        needs=tuple(other.portrait_id for other in others if other.portrait_id),
        cast_images=(*(other.image for other in others if other.image), *member.reference_images),
        is_portrait=True,
    )


def describe(members: list[Member]) -> str | None:
    """Put a cast into words; None if a member has none."""
    if not members or any(member.prompt is None for member in members):
        return None
    *others, last = (f"{member.name}: {member.prompt}" for member in members)
    return " ".join([*map(end_sentence, others), last])


def end_sentence(text: str) -> str:
    """Put a full stop to it, unless it has an end."""
    return text if text[-1] in _SENTENCE_ENDS else f"{text}."


def locate_image(written: str, folder: Path) -> str:
    """Let a relative path count from the folder of the file it is written in."""
    if "://" in written[:12] or written[:5].lower() == "data:" or written.startswith("~"):
        return written
    return str(folder / written.strip())


def _field(name: str, key: object) -> str:
    for known in _MEMBER_FIELDS:
        if fold(str(key)) == fold(known):
            return known
    raise InvalidRequest(
        f"cast {name[:40]!r} has an unknown field {str(key)[:40]!r}",
        field=str(key)[:40],
        action=f"{suggest(str(key), list(_MEMBER_FIELDS))}"
        f"A member has the fields {', '.join(_MEMBER_FIELDS)}.",
    )


def _member_error(name: str, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"cast {name[:40]!r} {what}",
        field="cast",
        action="Give a prompt to draw its portrait from, or an image.",
    )
