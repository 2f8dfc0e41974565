"""The systemd unit: systemd itself reads it."""

import re
import subprocess

from tests.support.documents import ROOT

from stills.http.server import GRACE_SECONDS

UNIT = ROOT / "deploy" / "stills.service"


def test_systemd_accepts_the_unit(tmp_path):
    """systemd-analyze finds no mistake in the unit."""
    program = tmp_path / "stills"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    unit = tmp_path / "stills.service"
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/stills/bin/stills", str(program)), encoding="utf-8")
    verify = ["systemd-analyze", "verify", "--man=no", unit]
    checked = subprocess.run(verify, capture_output=True, text=True, check=False)
    mistakes = [line for line in checked.stderr.splitlines() if "stills" in line]
    assert not mistakes


def test_the_unit_is_rated_safe():
    """systemd's own rating of the unit's exposure is at most 2 of 10."""
    rate = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", UNIT]
    rated = subprocess.run(rate, capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout


def test_commands_of_the_operator_run_as_the_user_of_the_service():
    """The page creates that user, and runs commands in its folder with its settings."""
    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE))
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert f"useradd --system --home-dir {unit['WorkingDirectory']}" in page
    for option in (
        f"--uid={unit['User']}",
        f"--working-directory={unit['WorkingDirectory']}",
        f"--property=EnvironmentFile={unit['EnvironmentFile']}",
    ):
        assert option in page


def test_the_unit_waits_longer_than_the_service_needs():
    """systemd does not kill a service that is finishing what it has sent."""
    wait = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert wait
    assert int(wait[1]) > GRACE_SECONDS
