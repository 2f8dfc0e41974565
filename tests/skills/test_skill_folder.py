"""The skill's folder is valid, and agrees with the code."""

import re
import tomllib
from pathlib import Path

import skills_ref
import yaml

from stills.cli.errors import EXIT_CODES, INTERRUPTED, exit_code
from stills.contract import errors
from stills.contract.errors import StillsError
from stills.contract.models import DEFAULT_MODEL, MODELS, Model, find_model

SKILL = Path(__file__).parents[2] / "skills/ai/image/alicloud-ai-image-qwen-image"
REFERENCE = SKILL / "references" / "api_reference.md"


def rows(document, first_heading):
    """Read the cells of the table whose first column has this heading."""
    text = document.read_text(encoding="utf-8")
    table = text.split(f"\n| {first_heading} |", maxsplit=1)[1].split("\n\n", maxsplit=1)[0]
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in table.splitlines()[2:]
    ]


def test_the_reference_validator_accepts_it():
    """Name, description, licence and so on follow the specification."""
    assert skills_ref.validate(SKILL) == []
    assert skills_ref.read_properties(SKILL).name == SKILL.name == "alicloud-ai-image-qwen-image"


def test_the_description_has_purpose_and_occasion():
    """An agent chooses a skill only by its description."""
    description = skills_ref.read_properties(SKILL).description
    assert all(word in description for word in (DEFAULT_MODEL, "image.generate", "Use it when"))


def test_codex_can_show_it():
    """The description has the length that OpenAI asks for, and the prompt names the skill."""
    interface = yaml.safe_load((SKILL / "agents" / "openai.yaml").read_text())["interface"]
    assert set(interface) == {"display_name", "short_description", "default_prompt"}
    assert 25 <= len(interface["short_description"]) <= 64
    assert f"${SKILL.name}" in interface["default_prompt"]


def test_the_address_of_the_repository_is_that_of_the_package():
    """The script needs it where the package is not installed."""
    project = tomllib.loads((SKILL.parents[3] / "pyproject.toml").read_text())["project"]
    script = (SKILL / "scripts" / "generate_image.py").read_text()
    address = project.get("urls", {}).get("Repository", "")
    assert f'REPOSITORY = "{address}"' in script


def test_the_instructions_are_short():
    """They are loaded completely into an agent's context; details are in the references."""
    assert len((SKILL / "SKILL.md").read_text(encoding="utf-8")) < 5000


def test_every_exit_code_has_an_instruction():
    """An agent finds what to do about any exit code."""
    listed = {int(code) for code, _ in rows(SKILL / "SKILL.md", "exit")}
    package_missing = 127
    assert listed == {1, *EXIT_CODES.values(), package_missing, INTERRUPTED}


def test_the_reference_lists_every_error():
    """Code, class, exit code and whether to try again, as the code has them."""
    classes = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, StillsError) and one is not StillsError
    ]
    assert {tuple(row) for row in rows(REFERENCE, "code")} == {
        (one.code, one.__name__, str(exit_code(one())), "yes" if one.retryable else "no")
        for one in classes
    }


def describe_prices(model: Model) -> str:
    """Write a model's list prices as the reference does."""
    if model.prices is None:
        return "unknown"
    steps = [
        f"{usd} up to {most:,} pixels" if most else f"{usd}" for most, usd in model.prices.images
    ]
    each = model.prices.input_image_usd
    return ", else ".join(steps) + (f"; {each} per reference image" if each else "")


def test_the_reference_lists_every_model():
    """Ids, how many references are taken, and prices, as the model table has them."""
    listed = {model: (taken, usd, cny) for model, _, taken, usd, cny in rows(REFERENCE, "id")}
    assert listed == {
        model.id: (
            f"up to {model.reference_images_max}" if model.reference_images_max else "no",
            describe_prices(model),
            "unknown" if model.image_cny is None else str(model.image_cny),
        )
        for model in MODELS.values()
    }


def test_the_sizes_and_limits_of_the_default_model_are_correct():
    """The instructions agree with the model table."""
    model = find_model(DEFAULT_MODEL)
    text = (SKILL / "SKILL.md").read_text(encoding="utf-8").replace("\\*", "*")
    sizes = set(re.findall(r"\b\d{3,4}\*\d{3,4}\b", text)) - {"1920*1080"}
    assert sizes == {str(size) for size in model.native_sizes}
    assert f"up to {model.prompt_max_tokens} tokens, `style` included" in text
    assert f"up to {model.negative_prompt_max_characters} characters, what to avoid" in text
    assert f"{model.image_usd(model.native_sizes[0])} USD with {model.id}" in text
