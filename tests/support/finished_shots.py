"""Made-up outcomes of shots, and images of one colour."""

from pathlib import Path

import pyvips
from tests.support.image_results import image_result

from stills.contract.errors import StillsError
from stills.contract.request import ImageRequest
from stills.contract.result import ImageResult
from stills.shotlist.shots import Outcome, Shot, ShotReference


def shot(shot_id: str = "s01", prompt: str = "a red kite", size: str = "96*64", **more) -> Shot:
    """A shot; `more` are fields of the shot or of its request, or the shots it needs."""
    needs = tuple(ShotReference(shot=need) for need in more.pop("needs", ()))
    more["references"] = needs + more.get("references", ())
    shot_fields = {name: more.pop(name) for name in list(more) if name in Shot.__slots__}
    request = ImageRequest(prompt=prompt, size=size, **more)
    return Shot(id=shot_id, request=request, source="film.csv:2", **shot_fields)


def result(width: int = 96, height: int = 64, **more) -> ImageResult:
    values = {
        "image_url": "file:///store/kite.png",
        "id": "3f9a1c2b7d4e-96x64",
        "object_path": "kite.png",
        "provider": "dashscope",
        "native_size": "1664*928",
        "notes": ("Scaled.",),
    }
    return image_result(width=width, height=height, **(values | more))


def done(shot_id: str = "s01", **more) -> Outcome:
    return Outcome(shot(shot_id, **more), result=result())


def failed(shot_id: str, error: StillsError, **more) -> Outcome:
    return Outcome(shot(shot_id, **more), error=error)


def write_png(
    path: Path, width: int = 96, height: int = 64, colour: tuple[int, ...] = (200, 40, 30)
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = pyvips.Image.black(width, height, bands=3) + list(colour)
    path.write_bytes(picture.cast("uchar").copy(interpretation="srgb").pngsave_buffer())
    return path
