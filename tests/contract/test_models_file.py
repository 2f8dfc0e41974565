"""The file of the user's own models."""

import re
from datetime import date

import pytest
from tests.support.documents import ROOT, code, rows

from stills.contract.errors import ConfigError
from stills.contract.models import MODELS, Prices
from stills.contract.models_file import KEYS, read_models_file
from stills.contract.size import Size

SMALL = "{ pixels_max = 5, usd = 1 }"
PAGE = ROOT / "docs" / "configuration.md"
NEW = '["qwen-image-4.0"]\nlike = "qwen-image-3.0-pro"\n'


@pytest.fixture
def read(tmp_path):
    """Read a file with this text."""

    def read_text(text: str):
        path = tmp_path / "models.toml"
        path.write_text(text, encoding="utf-8")
        return read_models_file(path, MODELS, name="STILLS_MODELS")

    return read_text


def test_a_model_is_added(read):
    """It has the rules of the model it is like, and its own prices and limits."""
    models = read(NEW + "prompt_max_tokens = 6000\nimage_usd = 0.05\nrequests_per_minute = 1.5\n")
    new, base = models["qwen-image-4.0"], MODELS["qwen-image-3.0-pro"]
    assert list(models) == [*MODELS, "qwen-image-4.0"]
    assert (new.id, new.prompt_max_tokens, new.requests_per_minute) == ("qwen-image-4.0", 6000, 1.5)
    assert new.prices == Prices(((None, 0.05),))
    assert (new.has_tasks, new.reference_images_max) == (base.has_tasks, base.reference_images_max)
    assert new.source == "models.toml"


def test_a_new_model_takes_over_no_price_and_no_limit_of_calls(read):
    """A wrong price would be counted; an unknown one is reported."""
    new = read(NEW)["qwen-image-4.0"]
    assert new.prices is new.image_cny is new.requests_per_minute is None
    retired = read('[qwen-image-max-x]\nlike = "qwen-image-max"\n')["qwen-image-max-x"]
    assert retired.retired_on is retired.successor is None


def test_a_known_model_is_corrected(read):
    """All that the file does not name stays."""
    text = (
        '["qwen-image-3.0-pro"]\n'
        "image_usd = [{ pixels_max = 1000000, usd = 0.01 }, { usd = 0.02 }]\n"
        "[qwen-image-max]\n"
        'retired_on = "unknown"\nsuccessor = "unknown"\nrequests_per_minute = "unknown"\n'
        '["qwen-image-2.0"]\nretired_on = 2027-01-31\nsuccessor = "qwen-image-3.0"\n'
        'sizes = ["1024x1024"]\nchecked_on = 2026-12-01\nsource = "console"\n'
    )
    models = read(text)
    pro, first, second = (
        models[one] for one in ("qwen-image-3.0-pro", "qwen-image-max", "qwen-image-2.0")
    )
    assert pro.prices == Prices(((1_000_000, 0.01), (None, 0.02)), input_image_usd=0.003)
    assert pro.requests_per_minute == 1.0
    assert pro.source.endswith("; corrected in models.toml")
    assert (first.retired_on, first.successor, first.requests_per_minute) == (None, None, None)
    assert first.prices == MODELS["qwen-image-max"].prices
    assert (second.retired_on, second.successor) == (date(2027, 1, 31), "qwen-image-3.0")
    assert second.native_sizes == (Size(1024, 1024),)
    assert (second.source, second.checked_on) == ("console", date(2026, 12, 1))
    assert list(models) == list(MODELS)


def test_tables_may_build_on_each_other(read):
    """A new model can be like one above it, and succeed one."""
    models = read(
        f'{NEW}images_per_call_max = 2\n["qwen-image-4.1"]\nlike = "qwen-image-4.0"\n'
        '["qwen-image-3.0"]\nsuccessor = "qwen-image-4.1"\n'
    )
    assert models["qwen-image-4.1"].images_per_call_max == 2
    assert models["qwen-image-4.1"].like == "qwen-image-3.0-pro"  # of Stills' own table
    assert models["qwen-image-3.0"].like is None


@pytest.mark.parametrize(
    ("text", "message", "action"),
    [
        ("x = [", "is not TOML", "Fix the file"),
        ("like = 1", "is not a table", 'Start a table with ["like"]'),
        ('["a b"]', "is not a model id", "Use letters"),
        ("[qwen-image-4]", "like is missing", 'like = "qwen-image-2.0"'),
        ("[qwen-image-4.0]", "unknown key '0'", '["qwen-image-4.0"]'),
        ('[qwen-image-max]\nlike = "qwen-image-2.0"', "like has no effect", "Remove it"),
        ('[a]\nlike = "qwen"', "like is 'qwen', which is not", "qwen-image-max, qwen-image-2.0"),
        ("[qwen-image-max]\nprice = 1", "unknown key 'price'", "image_usd"),
        ('[qwen-image-max]\nsuccessor = "qwen"', "successor is 'qwen', which is not", "exact id"),
        ("[qwen-image-max]\npixels_min = 9000000", "pixels_min is 9000000, above", "smaller"),
        ("[qwen-image-max]\nretired_on = true", "retired_on is True", "such as 2026-10-10"),
        ("[qwen-image-max]\nretired_on = 2026-10-10T01:02:03", "retired_on is 2026-10-10", "date"),
        ('[qwen-image-max]\nsizes = ["16*9"]', "sizes is ['16*9']", '["1664*928"]'),
        ('[qwen-image-max]\nsizes = "16*9"', "sizes is '16*9'", '["1664*928"]'),
        ("[qwen-image-max]\nsides_ratio_max = 0.5", "sides_ratio_max is 0.5", "at least 1"),
        ("[qwen-image-max]\nhas_tasks = 1", "has_tasks is 1", "true or false"),
        ("[qwen-image-max]\nprompt_max_tokens = 0", "prompt_max_tokens is 0", "above 0"),
        ("[qwen-image-max]\nprompt_max_tokens = true", "prompt_max_tokens is True", "above 0"),
        ("[qwen-image-max]\nreference_images_max = -1", "reference_images_max is -1", "whole"),
        ("[qwen-image-max]\nrequests_per_minute = nan", "requests_per_minute is NaN", "above 0"),
        ("[qwen-image-max]\nimage_usd = -1", "image_usd is -1", "such as 0.035"),
        ("[qwen-image-max]\nimage_usd = 0.0000000001", "image_usd is 1E-10", "9 decimals"),
        ("[qwen-image-max]\nimage_usd = inf", "image_usd is Infinity", "such as 0.035"),
        ("[qwen-image-max]\nimage_usd = []", "image_usd is []", "smallest first"),
        ("[qwen-image-max]\nimage_usd = [{ pixels_max = 5, usd = 1 }]", "image_usd is", "{ usd"),
        (
            f"[qwen-image-max]\nimage_usd = [{SMALL}, {SMALL}, {{ usd = 3 }}]",
            "image_usd is",
            "smallest first",
        ),
        ("[qwen-image-max]\ninput_image_usd = true", "input_image_usd is True", "0.003"),
        (
            '["qwen-image-2.1-pro"]\ninput_image_usd = 0.1',
            "input_image_usd without image_usd",
            "Add image_usd",
        ),
        ('[qwen-image-max]\nsource = "\\u001b[2J"', "source is", "where you read it"),
    ],
)
def test_a_mistake_is_named_with_its_table_key_value_and_fix(read, tmp_path, text, message, action):
    """One line says where it is and what to write instead."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    error = caught.value
    assert error.message.startswith(f"STILLS_MODELS: {tmp_path / 'models.toml'}")
    assert message in error.message
    assert action in error.action
    assert error.field == "STILLS_MODELS"
    assert error.message.isprintable()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """A missing file is a mistake in the setting, not an empty table."""
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=r"none\.toml can't be read: No such file"):
        read_models_file(path, MODELS, name="STILLS_MODELS")


def test_every_key_is_documented():
    """The page has a table of them."""
    assert sorted(key for row in rows(PAGE, "key") for key in code(row[0])) == sorted(KEYS)


def test_the_documented_example_is_valid(read):
    """It can be copied."""
    _, models_section = PAGE.read_text(encoding="utf-8").split("\n## Models\n")
    (example,) = re.findall(r"```toml\n(.*?)```", models_section, re.DOTALL)
    models = read(example)
    new, known = models["example-image-4.0"], models["qwen-image-2.1-pro"]
    assert new.prices == Prices(((2_250_000, 0.05), (None, 0.09)))
    assert (known.prices, known.prompt_max_tokens) == (Prices(((None, 0.06),)), 2000)
