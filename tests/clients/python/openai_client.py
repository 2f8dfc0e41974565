"""OpenAI's package for Python, unchanged except for its base URL."""

import base64
import sys

import openai
from steps import picture, report, size

client = openai.OpenAI(base_url=sys.argv[1], api_key="any", max_retries=0)


def generate():
    answer = client.images.generate(
        model="gpt-image-1", prompt="a red kite", size="1536x1024", quality="high"
    )
    return size(base64.b64decode(answer.data[0].b64_json))


def edit_two():
    answer = client.images.edit(
        model="gpt-image-1",
        prompt="both side by side",
        image=[picture(20), picture(200)],
        size="1024x1024",
    )
    return size(base64.b64decode(answer.data[0].b64_json))


def stream():
    events = client.images.generate(
        model="gpt-image-1", prompt="a red kite, streamed", size="1024x1024", stream=True
    )
    return [[event.type, size(base64.b64decode(event.b64_json))] for event in events]


def stream_edit():
    events = client.images.edit(
        model="gpt-image-1", prompt="at dusk", image=picture(90), size="1024x1024", stream=True
    )
    return [[event.type, size(base64.b64decode(event.b64_json))] for event in events]


def refuse():
    try:
        client.images.generate(model="qwen-image-max", prompt="")
    except openai.BadRequestError as error:
        return error.param
    return None


report(generate, edit_two, stream, stream_edit, refuse)
