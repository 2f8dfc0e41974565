"""The cast of a project: characters and props, each with a description or an image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stills.contract.encoded_image import is_base64_image, is_data_url
from stills.contract.errors import InvalidRequest
from stills.contract.image_address import is_image_id
from stills.shotlist.columns import fold, suggest
from stills.shotlist.row import find_source
from stills.shotlist.shots import Defaults, Problem, ShotReference

PORTRAIT_PREFIX = "cast-"

_SENTENCE_ENDS = ".!?。！？"  # noqa: RUF001 - the full-width ones end Chinese prompts

_TEXT_FIELDS = ("prompt", "image", "label", "size", "aspect_ratio", "style", "negative_prompt")
_MEMBER_FIELDS = (*_TEXT_FIELDS, "seed")


@dataclass(frozen=True, slots=True)
class MemberReference:
    """A reference of a member's portrait: another `member` by name, or an `image` (path or URL)."""

    member: str | None = None
    image: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the cast; with neither prompt nor image it is invalid, and was reported.

    `label` is what prompts call it, if not by its name. Its portrait is generated after those of
    the members in `references`, and made from them.
    """

    name: str
    source: str
    prompt: str | None = None
    image: str | None = None
    label: str | None = None
    own: Defaults = field(default_factory=Defaults)
    references: tuple[MemberReference, ...] = ()

    @property
    def portrait_id(self) -> str | None:
        """The id of its portrait; None if the member has an image."""
        return None if self.image else f"{PORTRAIT_PREFIX}{self.name}"

    def as_reference(self, label: str | None = None) -> ShotReference:
        """Return the member's image or portrait as a reference of a shot."""
        return ShotReference(
            image=self.image,
            shot=self.portrait_id,
            label=label or self.label,
            member=self.name,
            description=self.prompt,
        )


def read_cast(
    written: object, *, name: str, folder: Path
) -> tuple[dict[str, Member] | None, list[Problem]]:
    """Read the members by name, and their problems; None if the file has no cast."""
    if written is None:
        return None, []
    if not isinstance(written, Mapping):
        action = "Write it as names, each with a prompt or an image."
        return {}, [Problem(name, "cast", "cast is not a mapping", action)]
    cast = {}
    problems = []
    for member_name, member in written.items():
        source = find_source(member, name) or find_source(written, name) or name
        try:
            cast[member_name] = read_member(member_name, member, source=source, folder=folder)
        except InvalidRequest as error:
            problems.append(Problem.of(source, error))
            cast[member_name] = Member(member_name, source)
    return cast, problems


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
    for text in _TEXT_FIELDS:
        if not isinstance(values.get(text, ""), str):
            raise _member_error(name, f"has a {text} that is not text")
    prompt = (values.get("prompt") or "").strip() or None
    image = (values.get("image") or "").strip() or None
    if prompt is None and image is None:
        raise _member_error(name, "has neither a prompt nor an image")
    own = Defaults(
        size=values.get("size"),
        aspect_ratio=values.get("aspect_ratio"),
        style=values.get("style"),
        negative_prompt=values.get("negative_prompt"),
        seed=values.get("seed"),
    )
    label = " ".join((values.get("label") or "").split()) or None
    return Member(name, source, prompt, image and locate_image(image, folder), label, own)


def end_sentence(text: str) -> str:
    """Add a full stop unless the text already ends a sentence."""
    return text if text[-1] in _SENTENCE_ENDS else f"{text}."


def locate_image(written: str, folder: Path) -> str:
    """Resolve a relative path against the folder of the file that has it.

    URLs, images in base64 and ids of stored images stay as they are.
    """
    if "://" in written[:12] or written.startswith("~") or is_image_id(written):
        return written
    if is_data_url(written) or is_base64_image(written):
        return written
    return str(folder / written.strip())


def _field(name: str, key: object) -> str:
    for known in _MEMBER_FIELDS:
        if fold(str(key)) == fold(known):
            return known
    raise InvalidRequest(
        f"cast member {name[:40]!r} has an unknown field {str(key)[:40]!r}",
        field=str(key)[:40],
        action=f"{suggest(str(key), list(_MEMBER_FIELDS))}"
        f"A member has the fields {', '.join(_MEMBER_FIELDS)}.",
    )


def _member_error(name: str, reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"cast member {name[:40]!r} {reason}",
        field="cast",
        action="Add a prompt, from which its portrait is generated, or an image.",
    )
