"""The container: its build steps run here, and so does its service."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from tests.support.documents import ROOT
from tests.support.free_port import free_port
from tests.support.serve_process import Server

from stills.cli.main import build_parser

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def instructions(stage):
    """Return the instructions of a build stage, each as its name and its text."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    stages = re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]
    return [tuple(line.split(maxsplit=1)) for line in stages[stage].splitlines() if line.strip()]


def only(stage, name):
    """Return the text of the stage's last instruction of this name."""
    return [text for instruction, text in instructions(stage) if instruction == name][-1]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Run the build stage without Docker: its COPY and RUN lines, with another path for /opt."""
    root = tmp_path_factory.mktemp("image")
    build = root / "build"
    build.mkdir()
    (root / "bin").mkdir()
    (root / "bin" / "python").symlink_to(sys.executable)
    for name, text in instructions(0):
        if name == "COPY":
            *sources, target = text.split()
            for source in sources:
                place = build / (target if (ROOT / source).is_dir() else Path(source).name)
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, place)
        elif name == "RUN":
            command = text.replace("/opt/stills", str(root / "opt"))
            subprocess.run(
                ["/bin/sh", "-ec", command], cwd=build, check=True, stdout=subprocess.DEVNULL,
                env={**os.environ, "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            )  # fmt: skip
    return root


def test_the_containers_service_generates_an_image(image, tmp_path):
    """The command of the image answers with an image, and writes only to /data."""
    settings = dict(
        re.findall(r"(\w+)=(\S+)", only(1, "ENV").replace("/data", str(tmp_path / "data")))
    )
    settings["PATH"] = settings["PATH"].replace("/opt/stills", str(image / "opt"))
    settings["PATH"] = settings["PATH"].replace("$PATH", os.environ["PATH"])
    (tmp_path / "data").mkdir()
    port = str(free_port())
    command = [*json.loads(only(1, "ENTRYPOINT")), *json.loads(only(1, "CMD")), "--sandbox"]
    command[command.index("0.0.0.0")] = "127.0.0.1"
    command[command.index("8000")] = port
    with subprocess.Popen(
        command, executable=image / "opt" / "bin" / command[0], cwd=tmp_path / "data",
        env=settings, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        server = Server(process)
        try:
            answer = server.ask({"prompt": "a red kite", "size": "512*512"})
            check = json.loads(only(1, "HEALTHCHECK").split("CMD", 1)[1])
            check[-1] = check[-1].replace("8000", port)
            subprocess.run(check, env=settings, check=True, timeout=20)
            with urllib.request.urlopen(answer["image_url"], timeout=20) as picture:
                assert picture.read(8) == b"\x89PNG\r\n\x1a\n"
        finally:
            assert server.stop() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data" / "output").is_dir()


def test_the_image_has_the_extras_of_a_shared_service(image):
    """Postgres, jobs and traces work without a second install."""
    code = "import dbos, opentelemetry.sdk, psycopg, stills.http.server"
    subprocess.run([image / "opt" / "bin" / "python", "-c", code], check=True)


def test_the_image_and_the_tests_have_the_same_versions():
    """The lock file of the image agrees with the one that the tests run on."""

    def versions(path):
        return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / path).read_text(), re.MULTILINE))

    tested = versions("requirements-dev.lock")
    served = versions("requirements-service.lock")
    assert len(served) > 40
    assert {name: tested.get(name) for name in served} == served


def test_the_container_does_not_run_as_root():
    """The image names a user by number, which Kubernetes can check."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", only(1, "USER"))


def test_the_compose_file_is_valid():
    """The file follows the Compose specification."""
    program = Path(sys.executable).parent / "check-jsonschema"
    check = [program, "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_compose_services_are_locked_down():
    """No service can write outside its volumes, gain rights, or be reached from other machines."""
    ours = [service for service in COMPOSE["services"].values() if service["image"] == "stills"]
    assert len(ours) == 4
    for service in ours:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["stop_grace_period"] == "60s"
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_compose_has_two_services_and_two_workers_on_one_catalog_and_bucket():
    """Each starts once the catalog is migrated, and has a spool that it shares with nobody."""
    shared = [COMPOSE["services"][name] for name in ("serve", "worker")]
    assert [one["deploy"]["replicas"] for one in shared] == [2, 2]
    catalogs = {one["environment"]["STILLS_CATALOG"] for one in shared}
    stores = {one["environment"]["STILLS_STORE"] for one in shared}
    assert len(catalogs) == len(stores) == 1
    for one in shared:
        assert one["volumes"] == ["/data"]
        assert one["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_the_command_for_several_machines_starts_only_what_it_needs():
    """Named services start with what they depend on; a profile would start the single one too."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    services = COMPOSE["services"]
    started, waiting = set(), {"serve", "worker"}
    while waiting:
        started |= waiting
        waiting = {need for name in waiting for need in services[name].get("depends_on", {})}
    assert "`docker compose up --build serve worker`" in page
    assert started == {name for name in services if services[name].get("profiles") == ["scale"]}
    assert "stills" not in started


@pytest.mark.parametrize("name", ["stills", "serve", "worker", "migrate"])
def test_a_compose_service_runs_a_command_of_ours(name):
    """The command is understood by the program."""
    command = COMPOSE["services"][name].get("command", json.loads(only(1, "CMD")))
    assert build_parser().parse_args(command)


def test_compose_sets_only_documented_variables():
    """Every variable of ours in the file is in the configuration page."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for service in COMPOSE["services"].values():
        for name in service.get("environment", {}):
            if name.startswith(("STILLS_", "DASHSCOPE_", "OUTPUT_")):
                assert f"`{name}`" in page
