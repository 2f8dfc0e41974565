"""LangChain's wrapper of OpenAI's image API, unchanged except for its base URL."""

import sys
import urllib.request

from langchain_community.tools.openai_dalle_image_generation import OpenAIDALLEImageGenerationTool
from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper
from steps import report, size


def generate():
    wrapper = DallEAPIWrapper(base_url=sys.argv[1], api_key="any", model="dall-e-3", n=2)
    tool = OpenAIDALLEImageGenerationTool(api_wrapper=wrapper)
    links = tool.run("a violet kite").splitlines()
    return [size(urllib.request.urlopen(link, timeout=20).read()) for link in links]


report(generate)
