"""Interrupted images that are paid for: they are finished, or the error says what is lost."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.recovery import refusing

from stills.app import Stills
from stills.contract.errors import (
    Billing,
    DeadlineExceeded,
    ImageMissing,
    LinkDead,
    LinkLost,
    StoreRefused,
    WrongKey,
)
from stills.contract.generation import Stage
from stills.contract.request import ImageRequest
from stills.pipeline.policy import Policy
from stills.provider.credentials import Credentials, ProviderKey
from stills.provider.dashscope import connect
from stills.sandbox import Fault, FaultKind, Sandbox
from stills.store import FolderStore

FAST_DOWNLOADS = Policy().download_attempts
KITE = ImageRequest(prompt="a red kite over a harbour", size="1024*1024", seed=1234)


def execute(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "stills.db", isolation_level=None)) as connection:
        connection.execute(statement)


async def fail_to_journal(stills: Stills, folder: Path) -> None:
    """Make the catalog record calls, but not their outcome."""
    await stills.images.list()
    refuse = "CREATE TRIGGER t BEFORE UPDATE ON sends BEGIN SELECT raise(ABORT, 'no'); END"
    execute(folder, refuse)


async def test_a_damaged_spooled_image_with_a_dead_link_is_an_error_that_promises_no_download(
    make_stills: Callable[..., object], sandbox: Sandbox, tmp_path: Path
):
    """The error says where it is; once restored, it is stored free of charge."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused, match="safe at file://"):
        await broken.generate(KITE)
    (spooled,) = tmp_path.glob("spool/*.png")
    whole = spooled.read_bytes()
    spooled.write_bytes(whole[:5000])
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))

    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    repaired = await make_stills()
    with pytest.raises(ImageMissing, match=f"{spooled.as_uri()} is damaged") as caught:
        await repaired.generate(KITE)
    assert caught.value.action.startswith("Restore that file")
    spooled.write_bytes(whole)
    assert (await repaired.generate(KITE)).cached
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize("deadline_seconds", [60.0, 1.2])
async def test_an_unjournalled_link_is_journalled_after_the_download_failed(
    make_stills: Callable[..., object], fast: Policy, sandbox: Sandbox, tmp_path, deadline_seconds
):
    """Or after the deadline; a retry downloads the image for free."""
    policy = replace(fast, deadline_seconds=deadline_seconds, download_attempts=1)
    stills = await make_stills(policy=replace(policy, download_timeout_seconds=2.0))
    await fail_to_journal(stills, tmp_path)
    sandbox.set_faults(Fault(FaultKind.SLOW_DOWNLOAD, times=None, delay_seconds=30.0))
    pending = asyncio.create_task(stills.generate(KITE))
    while not any(send.finished for send in sandbox.ledger.generations):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    execute(tmp_path, "DROP TRIGGER t")
    with pytest.raises((LinkDead, DeadlineExceeded)) as caught:
        await pending
    if isinstance(caught.value, LinkDead):
        assert "free of charge" in caught.value.action
    sandbox.set_faults()
    assert (await (await make_stills()).generate(KITE)).cached
    assert sandbox.ledger.billed_images == 1


async def test_an_unjournalled_link_is_journalled_after_the_image_could_not_be_stored(
    make_stills: Callable[..., object], fast: Policy, sandbox: Sandbox, tmp_path, monkeypatch
):
    """The store hangs until the deadline; a retry downloads the image for free."""
    stills = await make_stills(policy=replace(fast, deadline_seconds=2.0))
    await fail_to_journal(stills, tmp_path)
    put = FolderStore.put

    async def hang(store: FolderStore, path: str, *rest: object, **options: object) -> None:
        if path.endswith(".png"):
            execute(tmp_path, "DROP TRIGGER t")
            await asyncio.sleep(3600)
        await put(store, path, *rest, **options)

    with monkeypatch.context() as hanging:
        hanging.setattr(FolderStore, "put", hang)
        with pytest.raises(DeadlineExceeded):
            await stills.generate(KITE)
        await stills.drain()
    assert (await (await make_stills()).generate(KITE)).cached
    assert sandbox.ledger.billed_images == 1


async def test_a_journalled_link_is_not_lost_by_a_catalog_that_fails_later(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """The download failed, and a retry finds the link; the error must not say otherwise."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))

    def break_the_catalog(stage: Stage) -> None:
        if stage is Stage.ANSWERED:
            execute(
                tmp_path,
                "CREATE TRIGGER t BEFORE UPDATE ON sends BEGIN SELECT raise(ABORT, 'no'); END",
            )

    with pytest.raises(LinkDead) as caught:
        await stills.generate(KITE, on_stage=break_the_catalog)
    assert "free of charge" in caught.value.action


async def leave_expired(stills: Stills, sandbox: Sandbox, folder: Path) -> None:
    """Pay for an image whose download fails until its link expires by our clock."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    execute(folder, "UPDATE generations SET url_expires_at = 1")


async def test_an_expired_link_is_tried_before_a_new_image_is_paid_for(
    stills: Stills, sandbox: Sandbox, tmp_path: Path
):
    """Our clock may be ahead of the service's, and the image still there."""
    await leave_expired(stills, sandbox, tmp_path)
    sandbox.set_faults()
    assert (await stills.generate(KITE)).cached
    assert sandbox.ledger.billed_images == len(sandbox.ledger.generations) == 1


@pytest.mark.parametrize("kind", [FaultKind.DEAD_URL, FaultKind.NOT_A_PNG])
async def test_an_expired_link_that_fails_is_given_up_and_one_new_image_paid_for(
    stills: Stills, sandbox: Sandbox, tmp_path: Path, kind: FaultKind
):
    """The result notes the loss, and the link is not tried again."""
    await leave_expired(stills, sandbox, tmp_path)
    sandbox.set_faults(Fault(kind, times=FAST_DOWNLOADS))
    result = await stills.generate(KITE)
    assert not result.cached
    assert any("link expired before the download" in note for note in result.notes)
    assert sandbox.ledger.billed_images == 2
    downloads = len(sandbox.ledger.sends)
    assert (await stills.generate(KITE)).cached
    assert len(sandbox.ledger.sends) == downloads


@pytest.mark.parametrize("failure", ["the link is dead", "the key is refused"])
async def test_a_spooled_image_that_can_be_had_nowhere_is_the_error(
    make_stills: Callable[..., object], sandbox: Sandbox, tmp_path: Path, monkeypatch, failure: str
):
    """The file may be restored, so nothing is paid for; a link known to be dead is not tried."""
    broken = await make_stills(store=refusing(tmp_path, "images"))
    with pytest.raises(StoreRefused, match="safe at file://"):
        await broken.generate(KITE)
    (spooled,) = tmp_path.glob("spool/*.png")
    spooled.unlink()
    provider = await connect(Credentials(ProviderKey("sk-sandbox"), sandbox.base_url))
    tried: list[str] = []

    async def refuse(url: str, **_: object) -> None:
        tried.append(url)
        raise WrongKey

    monkeypatch.setattr(provider, "download", refuse)
    if failure == "the link is dead":
        execute(tmp_path, "UPDATE generations SET url_expires_at = 0")
    with pytest.raises(ImageMissing, match="the paid image in the spool"):
        await (await make_stills(provider=provider)).generate(KITE)
    assert len(tried) == (0 if failure == "the link is dead" else 1)
    assert sandbox.ledger.billed_images == 1


@pytest.mark.parametrize("kind", [FaultKind.DEAD_URL, FaultKind.TRUNCATED_PNG])
async def test_a_lost_link_is_an_error_that_promises_no_download(
    stills: Stills, sandbox: Sandbox, tmp_path: Path, kind: FaultKind
):
    """Catalog and download both failed; the bytes are set aside, the link is not shown."""
    await fail_to_journal(stills, tmp_path)
    sandbox.set_faults(Fault(kind, times=None))
    with pytest.raises(LinkLost) as caught:
        await stills.generate(KITE)
    text = caught.value.message + caught.value.action
    assert "the link to the paid image is lost" in text
    assert "a retry is billed again" in text
    assert "free of charge" not in text
    assert "http:" not in text
    assert ("set aside at file://" in text) is (kind is FaultKind.TRUNCATED_PNG)
    assert caught.value.billing is Billing.BILLED
    sandbox.set_faults()
    execute(tmp_path, "DROP TRIGGER t")
    assert not (await stills.generate(KITE)).cached


async def test_if_store_spool_and_catalog_fail_no_download_is_promised(
    make_stills: Callable[..., object], tmp_path: Path
):
    """Nothing could be written anywhere."""
    broken = refusing(tmp_path, "images")
    stills = await make_stills(store=broken, spool=broken)
    await fail_to_journal(stills, tmp_path)
    with pytest.raises(StoreRefused, match="the spool refused as well") as caught:
        await stills.generate(KITE)
    assert caught.value.action == "Fix the catalog first; a retry is billed again."


async def test_a_resumed_download_says_at_once_that_it_is_billed(stills: Stills, sandbox: Sandbox):
    """A caller who gives up meanwhile gets that in the error, and the image is still stored."""
    sandbox.set_faults(Fault(FaultKind.DEAD_URL, times=None))
    with pytest.raises(LinkDead):
        await stills.generate(KITE)
    sandbox.set_faults()
    stages: list[Stage] = []
    await stills.generate(KITE, on_stage=stages.append)
    assert stages == [Stage.CLAIMED, Stage.ANSWERED, Stage.KEPT]
