"""Lapsed leases of holders on other machines."""

import secrets

import psycopg
import pytest
from tests.support.catalog_steps import SIZE, Till, spec

from stills.catalog.postgres import PostgresCatalog
from stills.catalog.postgres.lapsed import GRACE_SECONDS, LapsedClaims
from stills.contract.errors import Billing
from stills.contract.generation import Claim, Held, Task
from stills.contract.money import Caps


class Watch:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    """A stopped clock."""
    return Watch()


def test_a_lapsed_lease_is_taken_over_after_a_while(watch):
    """Not when it is seen for the first time."""
    lapsed = LapsedClaims(watch)
    assert not lapsed.may_take_over("t", 1)
    watch.now += GRACE_SECONDS - 0.1
    assert not lapsed.may_take_over("t", 1)
    watch.now += 0.1
    assert lapsed.may_take_over("t", 1)


def test_a_renewed_lease_or_a_failed_read_starts_the_wait_again(watch):
    """The holder is alive, or had no chance to renew it."""
    lapsed = LapsedClaims(watch)
    lapsed.may_take_over("t", 1)
    watch.now += GRACE_SECONDS
    assert not lapsed.may_take_over("t", 2)
    watch.now += GRACE_SECONDS
    lapsed.forget()
    assert not lapsed.may_take_over("t", 2)


async def move_elsewhere(url: str) -> None:
    """Let every claim be that of another machine, whose lease is over."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "UPDATE stills.claims SET scope = %s, lease_until = now() - interval '1 hour'",
            [secrets.token_hex(4)],
        )


async def take(catalog: PostgresCatalog) -> object:
    return await catalog.claim(spec("k"), SIZE, lease_seconds=60.0, fresh=False, caps=Caps())


@pytest.fixture
async def catalog(postgres_url, watch):
    """A catalog whose view of lapsed claims has the test's clock."""
    catalog = PostgresCatalog(postgres_url)
    catalog.lapsed.clock = watch
    yield catalog
    await catalog.close()


async def test_a_call_on_another_machine_is_not_repeated_at_once(catalog, postgres_url, watch):
    """Its machine may be alive, and renew its lease in a moment."""
    till = Till(catalog)
    gone = await till.claim("k")
    await till.send(gone, None)
    await move_elsewhere(postgres_url.secret)
    assert isinstance(await take(catalog), Held)
    watch.now += GRACE_SECONDS
    heir = await take(catalog)
    assert isinstance(heir, Claim)
    assert heir.cut_off == (gone.generation.id,)
    assert await catalog.renew(gone, lease_seconds=60.0) is False


async def test_a_task_on_another_machine_is_taken_over_at_once(catalog, postgres_url):
    """To ask for it is free, and `stills recover` claims only once."""
    till = Till(catalog)
    gone = await till.claim("k")
    task = Task("t-1", await till.send(gone, None))
    await catalog.record_task(gone.generation.id, task)
    await move_elsewhere(postgres_url.secret)
    heir = await take(catalog)
    assert isinstance(heir, Claim)
    assert (heir.generation.id, heir.generation.task) == (gone.generation.id, task)


async def test_a_claim_without_an_open_call_is_taken_over_at_once(catalog, postgres_url):
    """To take it costs nothing: its holder can't send any more."""
    till = Till(catalog)
    gone = await till.claim("k")
    await till.send(gone, Billing.NONE)
    await move_elsewhere(postgres_url.secret)
    assert isinstance(await take(catalog), Claim)
    assert await catalog.record_sends([gone], lease_seconds=60.0, caps=Caps()) is None
