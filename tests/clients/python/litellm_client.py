"""LiteLLM, as an OpenAI client of the service, and as a DashScope client of the sandbox."""

import base64
import sys
import urllib.request

import litellm
from steps import picture, report, size

service, sandbox = sys.argv[1:]


def generate():
    answer = litellm.image_generation(
        model="openai/gpt-image-1",
        prompt="a green kite",
        size="1536x1024",
        api_base=service,
        api_key="any",
    )
    return size(base64.b64decode(answer.data[0].b64_json))


def edit_two():
    answer = litellm.image_edit(
        model="openai/gpt-image-1",
        prompt="both in one room",
        image=[picture(20), picture(200)],
        size="1024x1024",
        api_base=service,
        api_key="any",
    )
    return size(base64.b64decode(answer.data[0].b64_json))


def sandbox_generate():
    answer = litellm.image_generation(
        model="dashscope/qwen-image-2.0",
        prompt="a green kite",
        size="1024x1024",
        api_base=sandbox,
        api_key="sk-sandbox",
    )
    return size(urllib.request.urlopen(answer.data[0].url, timeout=20).read())


def sandbox_edit():
    answer = litellm.image_edit(
        model="dashscope/qwen-image-2.0",
        prompt="at dusk",
        image=[picture(20)],
        size="1024x1024",
        api_base=sandbox,
        api_key="sk-sandbox",
    )
    return size(urllib.request.urlopen(answer.data[0].url, timeout=20).read())


def refuse():
    try:
        litellm.image_generation(
            model="openai/qwen-image-max", prompt="", api_base=service, api_key="any"
        )
    except litellm.BadRequestError as error:
        return error.status_code
    return None


report(generate, edit_two, refuse, sandbox_generate, sandbox_edit)
