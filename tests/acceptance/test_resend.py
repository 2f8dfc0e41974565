"""Calls of unknown outcome: repeated only if the user allows it, and all on the ledger."""

import json

import pytest

KITE = ["generate", "a red kite", "--size", "64*64", "--json"]
UNKNOWN = [
    ("drop_before", 0),
    ("drop_after", 1),
    ("gateway_html", 0),
    ("gateway_timeout", 1),
    ("truncated_answer", 1),
    ("html_answer", 1),
]


@pytest.mark.parametrize(("fault", "billed"), UNKNOWN)
def test_a_call_of_unknown_outcome_is_not_repeated(run, service, rows, fault: str, billed: int):
    """The error says that the call may be billed, and what a retry would do."""
    service.set_faults({"kind": fault, "times": None})
    refused = run(*KITE, variables=service.variables)
    assert refused.returncode == 5
    assert refused.stderr.count("\n") == 1
    assert "[possibly billed]" in refused.stderr
    assert "A retry sends another call, and both may be billed." in refused.stderr
    assert service.ledger()["totals"]["generations"] == 1
    assert service.billed() == billed
    ((billing, _),) = rows("SELECT billing, code FROM sends")
    assert billing == "possible"
    spend = json.loads(run("spend", "--json").stdout)
    assert (spend["billed"], spend["possible"]) == (0, 1)


@pytest.mark.parametrize("how", ["option", "variable"])
@pytest.mark.parametrize(
    ("fault", "drops", "billed"), [("drop_before", 2, 1), ("drop_after", 2, 3)]
)
def test_calls_of_unknown_outcome_are_repeated_if_the_user_allows_it(
    run, service, how: str, fault: str, drops: int, billed: int
):
    """At most the allowed number of times; each call is on the ledger, and the result says so."""
    service.set_faults({"kind": fault, "times": drops})
    options = ["--resend-unknown", "2"] if how == "option" else []
    variables = {} if how == "option" else {"STILLS_RESEND_UNKNOWN": "2"}
    made = run(*KITE, *options, variables=service.variables | variables)
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
        f"{fault} x {drops}: {totals['generations']} calls arrived, {len(sends)} on the ledger, "
        f"{totals['billed_images']} billed, {spend['possible']} possibly billed"
    )


def test_the_option_overrides_the_variable(run, service):
    """0 on the command line forbids what the environment allows."""
    service.set_faults({"kind": "drop_after", "times": None})
    variables = service.variables | {"STILLS_RESEND_UNKNOWN": "3"}
    assert run(*KITE, "--resend-unknown", "0", variables=variables).returncode == 5
    assert service.ledger()["totals"]["generations"] == 1


def test_a_negative_number_of_repeats_is_a_bad_request(run, service):
    """The error names it; nothing is sent."""
    refused = run(*KITE, "--resend-unknown=-1", variables=service.variables)
    assert refused.returncode == 2
    assert "resend_unknown is -1" in refused.stderr
    assert service.ledger()["sends"] == []
