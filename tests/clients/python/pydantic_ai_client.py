"""pydantic-ai's image generator and image tool, unchanged except for the base URL."""

import sys

from pydantic_ai import Agent, BinaryImage, ImageGenerator
from pydantic_ai.capabilities import ImageGeneration
from pydantic_ai.images.openai import OpenAIImageGenerationModel
from pydantic_ai.messages import ToolReturnPart
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider
from steps import picture, report, size

provider = OpenAIProvider(base_url=sys.argv[1], api_key="any")
model = OpenAIImageGenerationModel("gpt-image-1", provider=provider)
generator = ImageGenerator(model)


async def generate():
    settings = {"aspect_ratio": "3:2"}
    result = await generator.generate("an orange kite", settings=settings)
    return [result.image.media_type, size(result.image.data)]


async def edit_two():
    images = [BinaryImage(picture(shade).read(), media_type="image/png") for shade in (20, 200)]
    result = await generator.generate("both as friends", images=images)
    return [result.image.media_type, size(result.image.data)]


async def webp():
    settings = {"openai_output_format": "webp"}
    result = await generator.generate("an orange kite", settings=settings)
    return [result.image.media_type, result.image.data[8:12].decode()]


async def tool():
    """An agent without a real language model, which calls every tool once."""
    generation = ImageGeneration(native=False, fallback_image_model=model)
    agent = Agent(TestModel(), capabilities=[generation])
    result = await agent.run("draw an orange kite")
    parts = [part for message in result.all_messages() for part in message.parts]
    return [
        [part.tool_name, size(part.content.data)]
        for part in parts
        if isinstance(part, ToolReturnPart)
    ]


report(generate, edit_two, webp, tool)
