"""The control plane over HTTP."""

import json

import pytest

from stills.sandbox import FaultKind
from stills.sandbox.control import is_loopback


@pytest.fixture
def control(sandbox, session):
    async def request(method, path, **options):
        async with session.request(
            method, f"{sandbox.control_url}/{path}".rstrip("/"), **options
        ) as answer:
            return answer.status, await answer.json()

    return request


async def test_faults_are_set_counted_down_and_listed(control, call):
    """GET faults shows how often each fault will still happen."""
    wanted = [{"kind": "throttled", "times": 2, "retry_after_seconds": 1}, {"kind": "dead_url"}]
    status, shown = await control("POST", "faults", json=wanted)
    assert status == 200
    assert [fault["times"] for fault in shown] == [2, 1]

    assert (await call()).status_code == 429
    status, shown = await control("GET", "faults")
    assert [(fault["kind"], fault["times"]) for fault in shown] == [
        ("throttled", 1),
        ("dead_url", 1),
    ]


async def test_an_empty_list_clears_the_faults(control, call):
    """Posting faults replaces the earlier ones."""
    await control("POST", "faults", json=[{"kind": "unavailable", "times": None}])
    await control("POST", "faults", json=[])

    assert (await call()).status_code == 200


async def test_the_ledger_is_served_with_totals(control, call, download):
    """The ledger lists requests and billed images."""
    answer = await call(seed=3)
    await download(answer)
    status, ledger = await control("GET", "ledger")

    assert status == 200
    assert [send["kind"] for send in ledger["sends"]] == ["generation", "download"]
    assert ledger["sends"][0]["seed"] == 3
    assert ledger["totals"] == {
        "sends": 2,
        "generations": 1,
        "task_queries": 0,
        "upload_policies": 0,
        "uploads": 0,
        "downloads": 1,
        "billed_images": 1,
    }


async def test_the_control_plane_documents_itself(control):
    """The address that the command prints lists the routes and every fault."""
    status, document = await control("GET", "")
    assert status == 200
    assert {*document["faults"]} == {kind.value for kind in FaultKind}
    assert "POST /_sandbox/faults" in document["routes"]


async def test_a_reset_forgets_everything(control, call, download, sandbox):
    """Requests, faults and earlier images are gone."""
    answer = await call()
    await control("POST", "faults", json=[{"kind": "unavailable"}])
    assert await control("POST", "reset") == (200, {"status": "ok"})

    assert sandbox.ledger.sends == ()
    assert (await control("GET", "faults"))[1] == []
    assert (await download(answer)).status == 404


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"{", "JSON"),
        (b'{"kind": "slow"}', "list"),
        (b"[" * 100_000, "JSON"),
        (b"[1]", "fault 0: a fault must be an object"),
        (b'[{"times": 1}]', "kind"),
        (b'[{"kind": "slow"}, {"kind": "boom"}]', "fault 1: kind must be one of throttled"),
        (b'[{"kind": []}]', "kind must be one of"),
        (b'[{"kind": "slow", "delay": 1}]', "unknown: delay; known: kind, times"),
        (b'[{"kind": "slow", "delay_seconds": NaN}]', "delay_seconds can't be nan"),
        (b'[{"kind": "slow", "times": 1.5}]', "times can't be 1.5"),
    ],
    ids=str,
)
async def test_invalid_faults_are_a_400_with_the_reason(control, sent, said):
    """No fault is set if one in the list is invalid."""
    status, answer = await control("POST", "faults", data=sent)

    assert status == 400
    assert said in answer["error"]
    assert (await control("GET", "faults"))[1] == []


async def test_every_kind_can_be_set_by_name(control):
    """The control plane accepts every kind."""
    status, shown = await control(
        "POST", "faults", data=json.dumps([{"kind": k} for k in FaultKind])
    )

    assert status == 200
    assert [fault["kind"] for fault in shown] == list(FaultKind)


@pytest.mark.parametrize(
    ("peer", "local"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), ("", False), (None, False)],
)
def test_only_loopback_addresses_are_local(peer, local):
    """Remote clients can't control the sandbox."""
    assert is_loopback(peer) is local
