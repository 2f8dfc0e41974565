"""The Kubernetes examples follow Kubernetes' schemas and our own documents."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.support.documents import ROOT

from stills.cli.main import build_parser
from stills.http.server import GRACE_SECONDS

FOLDER = ROOT / "deploy" / "kubernetes"
OBJECTS = [
    pytest.param(found, id=f"{found['kind']}-{found['metadata']['name']}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
WORKLOADS = [p for p in OBJECTS if "template" in p.values[0].get("spec", {})]


def test_the_examples_follow_kubernetes_schemas():
    """Every object is valid for a current Kubernetes; unknown fields are refused."""
    program = Path(sys.executable).parent / "kubernetes-validate"
    check = [program, "--strict", "--quiet", *sorted(FOLDER.glob("*.yaml"))]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_pod_runs_a_command_of_ours(workload):
    """The arguments of the container are understood by the program."""
    for container in workload["spec"]["template"]["spec"]["containers"]:
        assert build_parser().parse_args(container["args"])


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_pod_is_locked_down(workload):
    """A pod is not root, can't gain rights, and can't write to its own programs."""
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_a_pod_of_the_service_is_still_there_when_the_last_client_comes():
    """Then it has the time to finish what was sent, and to let callers wait for it."""
    (serve,) = (p.values[0] for p in WORKLOADS if p.values[0]["metadata"]["name"] == "stills-serve")
    pod = serve["spec"]["template"]["spec"]
    command, seconds = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod["terminationGracePeriodSeconds"] - int(seconds) >= 2 * GRACE_SECONDS


def test_the_settings_are_documented():
    """Every variable of ours is in the configuration page, and secrets are only in the secret."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    settings = {p.values[0]["kind"]: p.values[0] for p in OBJECTS}
    public, secret = settings["ConfigMap"]["data"], settings["Secret"]["stringData"]
    for name in (*public, *secret):
        assert f"`{name}`" in page or name.startswith("AWS_")
    assert {"DASHSCOPE_API_KEY", "STILLS_CATALOG", "AWS_SECRET_ACCESS_KEY"} <= set(secret)
