"""File names of stored images."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stills.batch.image_files import ImageNames
from stills.contract.generation import GenerationSpec
from stills.contract.size import Size
from stills.pipeline.object_names import object_path, read_object_path
from stills.store import open_store

SIZE = Size(1024, 768)


def name(
    prompt: str,
    *,
    provider: str = "dashscope",
    generation_id: str = "3f9a1c2b7d4e",
    size: Size = SIZE,
) -> str:
    spec = GenerationSpec(
        key="",
        seeded_key="",
        provider=provider,
        model="qwen-image-max",
        prompt=prompt,
        style=None,
        text=prompt,
        negative_prompt=None,
        native_size=size,
        seed=1234,
        references=(),
        price_usd=None,
    )
    return object_path(spec, generation_id, size)


@pytest.mark.parametrize(
    ("prompt", "slug"),
    [
        ("A cinematic portrait of a cyclist at dusk", "a-cinematic-portrait-of-a-cyclist-at-dusk"),
        ("  Red -- KITE!!  (over, the) sea…", "red-kite-over-the-sea"),
        ("一只红色的风筝\uff0c在海上", "一只红色的风筝-在海上"),
        ("हिन्दी में लिखा", "हिन्दी-में-लिखा"),
        ("E\u0301te\u0301", "été"),
        ("İstanbul", unicodedata.normalize("NFC", "i̇stanbul")),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\con", "c-con"),
        ("a\ud800b\0c", "a-b-c"),
        ("😀 !!", "image"),
        ("", "image"),
    ],
)
def test_a_name_has_prompt_size_seed_and_id(prompt, slug):
    """Letters and digits of any script stay, in lower case; everything else becomes one dash."""
    assert name(prompt) == f"{slug}-1024x768-seed1234-3f9a1c2b7d4e.png"


@pytest.mark.parametrize(
    "invisible",
    [
        "\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u034f", "\u3164", "\uffa0",
        "\u115f", "\u17b4", "\ufe0f", "\U000e0100", "\U000e0041",
    ],
)  # fmt: skip
def test_a_name_has_no_invisible_character(invisible):
    """Neither those that turn the direction of text, nor letters and marks that show nothing."""
    assert name(f"fo{invisible}x") == "fo-x-1024x768-seed1234-3f9a1c2b7d4e.png"
    assert ImageNames([f"fo{invisible}x"]).path(f"fo{invisible}x") == "images/fo-x.png"


def test_a_long_prompt_is_cut_between_words():
    """A name has at most 60 bytes of the prompt, and ends with a whole word."""
    assert name("a very long prompt " * 20).startswith(
        "a-very-long-prompt-a-very-long-prompt-a-very-long-prompt-a-1024x768-"
    )


def test_a_long_prompt_without_words_is_cut_between_characters():
    """Without spaces it is cut at a character, not within its bytes."""
    assert name("风" * 100).startswith("风" * 20 + "-1024x768-")
    assert name("a " + "风" * 100).startswith("a-" + "风" * 19 + "-1024x768-")


def test_only_the_sandbox_makes_names_that_start_with_sandbox():
    """The folder shows which images are from the sandbox, whatever the prompt."""
    assert name("a kite", provider="sandbox").startswith("sandbox-a-kite-")
    assert name("Sandbox with children").startswith("image-sandbox-with-children-")
    assert name("sandbox").startswith("image-sandbox-1024x768-")
    assert name("sandboxes").startswith("sandboxes-")


@pytest.mark.parametrize("generation_id", ["", "a/b", "../x", "a.b", "x" * 65])
def test_an_unusual_id_is_rejected(generation_id):
    """Ids are ours, so this is a programming error."""
    with pytest.raises(ValueError, match="generation id"):
        name("a", generation_id=generation_id)


@given(
    prompt=st.text(st.characters(exclude_categories=())),
    size=st.builds(Size, st.integers(64, 4096), st.integers(64, 4096)),
    provider=st.sampled_from(["dashscope", "sandbox"]),
    generation_id=st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
)
def test_every_name_is_safe_and_read_back(prompt, size, provider, generation_id):
    """For any prompt, the name is short, safe, normalized, and has id and size."""
    path = name(prompt, provider=provider, generation_id=generation_id, size=size)
    assert read_object_path(path) == (generation_id, size)
    assert len(path.encode()) <= 200
    assert unicodedata.is_normalized("NFC", path)
    assert re.search(r'[\s<>:"/\\|?*%#]', path) is None
    assert path.startswith("sandbox-") == (provider == "sandbox")
    assert open_store("/images").url(path).startswith("file:///images/")
