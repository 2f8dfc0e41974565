"""A paid image in the spool of one machine, while other machines want it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.support.machines import Machine, make_machine

KITE = ("generate", "a red kite", "--size", "1328*1328")


@pytest.fixture(params=["sqlite", "postgres"])
def shared(
    request: pytest.FixtureRequest, environment: Mapping[str, str], service, tmp_path: Path
) -> Mapping[str, str]:
    """The variables of all machines: they share a service, a store and a catalog."""
    catalog = str(tmp_path / "stills.db")
    if request.param == "postgres":
        catalog = request.getfixturevalue("postgres_url").secret
    where = {"STILLS_STORE": str(tmp_path / "images"), "STILLS_CATALOG": catalog}
    return {**environment, **service.variables, **where}


@pytest.fixture
def spool(command, shared, tmp_path: Path) -> Callable[[], Machine]:
    """Pay for an image on a machine while the store refuses images."""

    def pay() -> Machine:
        machine = make_machine(tmp_path, "worker-1")
        in_the_way = tmp_path / "images" / "facts"
        in_the_way.parent.mkdir()
        in_the_way.write_text("")
        refused = machine.run(*command, *KITE, variables=shared)
        assert (refused.returncode, len(machine.spooled)) == (7, 1), refused.stderr
        in_the_way.unlink()
        return machine

    return pay


def test_a_spooled_image_blocks_no_other_machine(spool, command, shared, service, tmp_path):
    """They download it again by its link; the first machine only clears its spool."""
    first = spool()
    second = make_machine(tmp_path, "worker-2")
    done = second.run(*command, *KITE, variables=shared)
    assert done.returncode == 0, done.stderr
    assert "nothing billed" in done.stderr

    recovered = first.run(*command, "recover", variables=shared)
    assert recovered.stdout == "nothing to recover\n"
    assert first.spooled == second.spooled == []
    assert service.billed() == 1


def test_an_image_whose_link_is_dead_is_finished_on_its_machine(
    spool, command, shared, service, tmp_path
):
    """Other machines name it, and leave the image alone; then all of them have it."""
    first = spool()
    second = make_machine(tmp_path, "worker-2")
    service.set_faults({"kind": "dead_url", "times": None})
    refused = second.run(*command, *KITE, variables=shared)
    assert refused.returncode == 7
    assert "in the spool of the machine worker-1, at file://" in refused.stderr
    assert "Run `stills recover` on worker-1" in refused.stderr
    left = second.run(*command, "recover", variables=shared)
    assert left.returncode == 5
    assert "Run `stills recover` on worker-1" in left.stdout

    recovered = first.run(*command, "recover", variables=shared)
    assert recovered.stdout.endswith("1 image recovered, 0 not\n")
    assert first.spooled == []
    assert second.run(*command, *KITE, variables=shared).returncode == 0
    assert service.billed() == 1
