"""Three versions of the DashScope SDK, and its command line, work with `stills sandbox`."""

import json
import subprocess
import urllib.request

import pytest
from tests.clients import install
from tests.clients.matrix import shows

WITH_TASKS = ("dashscope-1", "dashscope-2")
ALL = ("dashscope-1.24", *WITH_TASKS)


@pytest.fixture(scope="module")
def programs(run_python, sandbox):
    """What each version did."""
    return {
        version: run_python(version, "dashscope_client.py", **sandbox.variables) for version in ALL
    }


@pytest.fixture(params=ALL)
def did(request, programs):
    return programs[request.param]


@pytest.fixture(params=WITH_TASKS)
def did_with_tasks(request, programs):
    return programs[request.param]


@pytest.fixture
def dashscope(sandbox, home):
    """Run the `dashscope` command."""

    def run(*arguments):
        return subprocess.run(
            [str(install.venv("dashscope-2") / "bin" / "dashscope"), *arguments],
            env=home | sandbox.variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@shows("generate", *ALL)
def test_an_image_is_made_and_its_link_opens(did):
    """The link in the answer is a PNG of the requested size."""
    assert did["generate"] == {"did": [[1328, 1328]]}


@shows("n images, asynchronously", *ALL)
def test_the_asynchronous_client_gets_several_images(did):
    """Each of them opens."""
    assert did["generate_async"] == {"did": [[1024, 1024], [1024, 1024]]}


@shows("edit local files", *ALL)
def test_local_files_are_uploaded_and_edited(did):
    """The SDK asks for an upload policy, uploads, and sends the `oss://` addresses."""
    assert did["edit_files"] == {"did": [[1024, 1024]]}


@shows("error codes", *ALL)
def test_a_refused_size_has_the_code_of_the_service(did):
    """The SDK returns it instead of raising."""
    assert did["refuse"] == {"did": [400, "InvalidParameter"]}


@shows("tasks of qwen-image-3.0", *WITH_TASKS)
def test_a_task_is_created_and_waited_for(did_with_tasks):
    """The SDK polls until the task has succeeded."""
    assert did_with_tasks["task"] == {"did": [[1024, 1024]]}


def test_the_oldest_version_has_no_tasks(programs):
    """The page says so."""
    assert programs["dashscope-1.24"]["task"]["error"] == "ModuleNotFoundError"


@shows("`image-generation create`", "dashscope-command")
def test_the_command_makes_an_image(dashscope):
    """It prints the answer as JSON, with a link that opens."""
    size = ("--size", "1024*1024")
    ended = dashscope("image-generation", "create", "-m", "qwen-image-2.0", "-t", "a kite", *size)
    assert ended.returncode == 0, ended.stderr
    answer, _ = json.JSONDecoder().raw_decode(ended.stdout)
    with urllib.request.urlopen(
        answer["choices"][0]["message"]["content"][0]["image"], timeout=20
    ) as image:
        assert image.read(4) == b"\x89PNG"


@shows("errors", "dashscope-command")
def test_the_command_shows_why_an_image_was_refused(dashscope):
    """It fails with the service's code and message."""
    ended = dashscope("image-generation", "create", "-m", "qwen-image-9", "-t", "a kite")
    assert ended.returncode != 0
    assert "code:" in ended.stdout + ended.stderr
