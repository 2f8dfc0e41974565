"""A dropped connection: what is sent again is on our ledger, the SDK's own re-send included."""

import json

import pytest

KITE = ["generate", "a red kite", "--size", "64*64", "--json"]


@pytest.mark.parametrize(
    ("fault", "drops", "billed"),
    [
        ("drop_before", 1, 1),
        ("drop_before", 2, 1),
        ("drop_after", 1, 2),
        ("drop_after", 2, 3),
    ],
)
def test_every_send_after_a_drop_is_on_the_ledger(run, service, fault, drops: int, billed: int):
    """As many sends as reached the service, each dropped one possibly billed."""
    service.set_faults({"kind": fault, "times": drops})
    made = run(*KITE, variables=service.variables)
    assert made.returncode == 0, made.stderr
    result = json.loads(made.stdout)

    totals = service.ledger()["totals"]
    assert totals["generations"] == 1 + drops
    assert totals["billed_images"] == billed
    sends = json.loads(run("show", result["id"], "--json").stdout)["sends"]
    assert [send["billing"] for send in sends] == ["possible"] * drops + ["billed"]
    spend = json.loads(run("spend", "--json").stdout)
    assert (spend["billed"], spend["possible"]) == (1, drops)
    assert any("may be billed" in note for note in result["notes"])
    print(
        f"{fault} x {drops}: {totals['generations']} sends arrived, {len(sends)} on the ledger, "
        f"{totals['billed_images']} billed, {spend['possible']} possibly billed"
    )


def test_giving_up_after_drops_leaves_every_send_on_the_ledger(run, service, rows):
    """Two more sends and no third; the error says that they may be billed."""
    service.set_faults({"kind": "drop_after", "times": None})
    refused = run(*KITE, variables=service.variables)
    assert refused.returncode == 5
    assert "[possibly billed]" in refused.stderr
    assert service.billed() == service.ledger()["totals"]["generations"] == 3
    assert rows("SELECT billing, code FROM sends") == [("possible", "connection_lost")] * 3
    spend = json.loads(run("spend", "--json").stdout)
    assert (spend["billed"], spend["possible"]) == (0, 3)
