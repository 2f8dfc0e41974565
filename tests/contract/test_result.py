"""The result of a request."""

from stills.contract.result import ImageResult
from stills.service.records import result_record

RESULT = ImageResult(
    image_url="file:///a.png",
    width=64,
    height=64,
    seed=7,
    id="3f9a1c2b7d4e-64x64",
    cached=False,
    provider="dashscope",
    model="qwen-image-max",
    native_size="1328*1328",
    cost_usd=0.075,
    provider_url="https://example.com/a.png?Signature=secret",
)


def test_the_providers_link_is_in_no_record_and_no_repr():
    """Anyone who has it can open the image, and records are stored and sent to clients."""
    assert "secret" not in repr(RESULT)
    for record in (RESULT.lasting_fields(), result_record(RESULT, RESULT.image_url)):
        assert "provider_url" not in record
        assert record["seed"] == 7
    assert list(RESULT.contract_fields()) == ["image_url", "width", "height", "seed"]
