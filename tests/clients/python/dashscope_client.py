"""The DashScope SDK in one of its versions; the sandbox's address is in the environment."""

import tempfile
import urllib.request
from pathlib import Path

from dashscope import AioMultiModalConversation, MultiModalConversation
from steps import picture, report, size


def asked(*parts, model="qwen-image-2.0", size="1024*1024"):
    messages = [{"role": "user", "content": list(parts)}]
    return {"model": model, "messages": messages, "size": size}


def made(answer):
    """Return the sizes of the images of an answer, downloaded from its links."""
    assert answer.status_code == 200, f"{answer.code}: {answer.message}"
    links = [part["image"] for part in answer.output.choices[0].message.content if "image" in part]
    return [size(urllib.request.urlopen(link, timeout=20).read()) for link in links]


def generate():
    request = asked({"text": "a red kite"}, model="qwen-image-max", size="1328*1328")
    return made(MultiModalConversation.call(**request))


async def generate_async():
    return made(await AioMultiModalConversation.call(**asked({"text": "a blue kite"}), n=2))


def edit_files():
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{shade}.png") for shade in (20, 200)]
        for shade, file in zip((20, 200), files, strict=True):
            file.write_bytes(picture(shade).read())
        images = [{"image": f"file://{file}"} for file in files]
        return made(MultiModalConversation.call(**asked(*images, {"text": "side by side"})))


def refuse():
    answer = MultiModalConversation.call(**asked({"text": "a kite"}, model="qwen-image-max"))
    return [answer.status_code, answer.code]


def task():
    from dashscope.aigc.image_generation import ImageGeneration  # noqa: PLC0415 - the oldest version has none

    created = ImageGeneration.async_call(**asked({"text": "at dusk"}, model="qwen-image-3.0"))
    assert created.status_code == 200, f"{created.code}: {created.message}"
    return made(ImageGeneration.wait(created))


report(generate, generate_async, edit_files, refuse, task)
