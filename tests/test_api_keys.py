"""API keys: returned once, stored as hashes, revoked, with rate limits and budgets."""

import hashlib
import re
from pathlib import Path

import pytest
from tests.support.catalog_steps import Clock as CatalogClock

from stills import api_keys
from stills.catalog import SqliteCatalog, schema
from stills.contract.access import ApiKey, BudgetOwner
from stills.contract.errors import (
    BudgetExceeded,
    Conflict,
    InvalidRequest,
    KeyRefused,
    NotFound,
    RateLimited,
)
from stills.contract.ports.api_keys import ApiKeys
from stills.contract.rate_limit import LEARN_LIMIT, NO_LIMIT, RateLimit
from stills.contract.request import ImageRequest

PRICE_USD = 0.075


class Clock(CatalogClock):
    """The clock of the keys, also for what they are remembered by."""

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test controls."""
    clock = Clock()
    for module in (api_keys, schema):
        monkeypatch.setattr(module, "time", clock)
    return clock


def ask(number: int) -> ImageRequest:
    return ImageRequest(prompt=f"a kite, picture {number}.", size="512*512", seed=7)


async def test_a_key_identifies_its_owner(stills):
    """With the budget it was created with."""
    shown = await stills.keys.add("film", day_usd=5.0)
    assert re.fullmatch(r"stills_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", shown)
    assert await stills.keys.admit(shown) == BudgetOwner("film", 5.0)
    assert await stills.keys.admit(await stills.keys.add("agent")) == BudgetOwner("agent", None)


async def test_only_the_hash_of_the_secret_is_stored(stills, tmp_path: Path):
    """Reading the database's files gives no access."""
    shown = await stills.keys.add("film")
    await stills.keys.admit(shown)
    secret = shown.split("_", 2)[2]
    (key,) = await stills.keys.list()
    assert key.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(key)
    files = list(tmp_path.glob("stills.db*"))
    assert any(key.digest.encode() in path.read_bytes() for path in files)
    assert not any(secret.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "sk-1234",
        lambda shown: shown[:-1],
        lambda shown: shown + "x",
        lambda shown: shown + "\n",
        lambda shown: shown.upper(),
        lambda shown: shown[:-1] + ("a" if shown[-1] != "a" else "b"),
        lambda shown: shown.replace(shown.split("_")[1], "0" * 12),
        lambda shown: shown.replace("stills_", "stills__"),
        lambda shown: shown[:-1] + "é",
        lambda shown: "\udc80" + shown,
        lambda _: "stills_" + "٣" * 12 + "_" + "a" * 43,
        lambda _: "x" * 1_000_000,
    ],
)
async def test_invalid_keys_are_rejected(stills, spoil):
    """Malformed, unknown or wrong: all get the same message, which does not quote them."""
    shown = await stills.keys.add("film")
    wrong = spoil(shown)
    with pytest.raises(KeyRefused) as caught:
        await stills.keys.admit(wrong)
    assert caught.value.message == "This service does not accept the key."
    assert "stills keys add" in caught.value.action


async def test_a_secret_with_another_key_s_id_is_rejected(stills):
    """Id and secret belong together."""
    one, other = await stills.keys.add("film"), await stills.keys.add("agent")
    mixed = "_".join([*one.split("_", 2)[:2], other.split("_", 2)[2]])
    with pytest.raises(KeyRefused):
        await stills.keys.admit(mixed)


async def test_a_revoked_key_is_rejected_within_a_second_everywhere(make_stills, clock: Clock):
    """At once where it was revoked, and later in processes that have cached it."""
    here, elsewhere = await make_stills(), await make_stills()
    shown = await here.keys.add("film")
    for stills in (here, elsewhere):
        assert (await stills.keys.admit(shown)).name == "film"
    await here.keys.revoke("film")
    with pytest.raises(KeyRefused):
        await here.keys.admit(shown)
    clock.now += api_keys.MEMORY_SECONDS
    with pytest.raises(KeyRefused):
        await elsewhere.keys.admit(shown)


class CountingApiKeys:
    """API keys of a catalog; counts how often one is looked up there."""

    def __init__(self, api_keys: ApiKeys) -> None:
        self._api_keys = api_keys
        self.look_ups = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._api_keys, name)

    async def find(self, key_id: str) -> ApiKey | None:
        self.look_ups += 1
        return await self._api_keys.find(key_id)


async def test_guesses_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Older ones are forgotten; a valid key still works."""
    monkeypatch.setattr(api_keys, "MEMORY_KEYS_MAX", 10)
    catalog = SqliteCatalog(tmp_path / "stills.db")
    counting = CountingApiKeys(catalog.api_keys)
    keys = api_keys.Access(counting, lambda: catalog.sessions)
    shown = await keys.add("film")
    guesses = [f"stills_{number:012x}_{'a' * 43}" for number in range(50)]
    for guess in (*guesses, guesses[-1], guesses[0]):
        with pytest.raises(KeyRefused):
            await keys.admit(guess)
    assert counting.look_ups == len(guesses) + 1  # the last one is remembered, not the first
    assert await keys.admit(shown) == BudgetOwner("film")
    await catalog.close()


async def test_a_key_over_its_rate_limit_gets_a_retry_after(stills, clock: Clock):
    """After that it is accepted again."""
    shown = await stills.keys.add("film", limit=RateLimit(2 / 60))
    for _ in range(2):
        await stills.keys.admit(shown)
    with pytest.raises(RateLimited, match="film") as caught:
        await stills.keys.admit(shown)
    assert caught.value.retry_after_seconds == pytest.approx(30.0, abs=0.01)
    clock.now += 30.0
    assert await stills.keys.admit(shown) == BudgetOwner("film")


async def test_wrong_secrets_do_not_count_against_the_rate_limit(stills):
    """Knowing an id is not enough to lock its owner out."""
    shown = await stills.keys.add("film", limit=RateLimit(1 / 60))
    for _ in range(5):
        with pytest.raises(KeyRefused):
            await stills.keys.admit(shown[:-2] + "--")
    assert await stills.keys.admit(shown) == BudgetOwner("film")


async def test_a_name_in_use_is_rejected_until_it_is_revoked(stills):
    """The error says how."""
    await stills.keys.add("film")
    with pytest.raises(Conflict, match="film is in use") as caught:
        await stills.keys.add("film")
    assert "stills keys revoke film" in caught.value.action
    await stills.keys.revoke("film")
    await stills.keys.add("film")
    with pytest.raises(NotFound, match="no key named 'nobody'"):
        await stills.keys.revoke("nobody")


@pytest.mark.parametrize("name", ["", "a b", "-a", "é", "a\n", "a" * 65, "\x1b[31m", "a/b"])
async def test_a_name_is_one_word(stills, name: str):
    """It appears in logs and tables."""
    with pytest.raises(InvalidRequest, match="invalid key name"):
        await stills.keys.add(name)
    assert await stills.keys.exist() is False


@pytest.mark.parametrize(
    "limits",
    [
        {"day_usd": -1.0},
        {"day_usd": float("nan")},
        {"day_usd": float("inf")},
        {"limit": RateLimit(0.0)},
        {"limit": RateLimit(float("nan"))},
        {"limit": LEARN_LIMIT},
    ],
)
async def test_an_invalid_budget_or_rate_creates_no_key(stills, limits):
    """Rather than a key without the intended cap."""
    with pytest.raises(InvalidRequest):
        await stills.keys.add("film", **limits)
    assert await stills.keys.exist() is False


async def test_a_key_without_a_limit_is_not_limited(stills):
    """A hundred requests at once."""
    shown = await stills.keys.add("film", limit=NO_LIMIT)
    for _ in range(100):
        await stills.keys.admit(shown)


async def test_revoked_keys_still_exist(stills):
    """Revoking the last one does not give everyone access."""
    assert await stills.keys.exist() is False
    await stills.keys.add("film")
    await stills.keys.revoke("film")
    assert await stills.keys.exist() is True


async def test_a_budget_caps_the_calls_of_its_owner(stills, sandbox):
    """Others' calls are not counted, and stored images are free for all."""
    film, agent = BudgetOwner("film", 2 * PRICE_USD), BudgetOwner("agent", 2 * PRICE_USD)
    for number in range(2):
        await stills.generate(ask(number), payer=film)
    await stills.generate(ask(2))
    with pytest.raises(BudgetExceeded, match=r"key film on .*0\.15 USD are spent"):
        await stills.generate(ask(3), payer=film)
    for number in range(3):
        assert (await stills.generate(ask(number), payer=film)).cached
    await stills.generate(ask(3), payer=agent)
    assert (await stills.generate(ask(3), payer=film)).cached
    assert sandbox.ledger.billed_images == 4


async def test_a_session_stands_for_its_key(stills, make_stills, tmp_path: Path):
    """In every process, until it ends; only its hash is stored."""
    shown = await stills.keys.add("film", day_usd=5.0, limit=RateLimit(1 / 3600))
    secret = await stills.keys.log_in(shown)
    other = await make_stills()
    for _ in range(3):  # the rate of the key does not limit a browser
        assert await other.keys.admit_session(secret) == BudgetOwner("film", 5.0)
    assert secret not in shown
    files = list(tmp_path.glob("stills.db*"))
    assert not any(secret.encode() in path.read_bytes() for path in files)
    await stills.keys.log_out(secret)
    with pytest.raises(KeyRefused):
        await stills.keys.admit_session(secret)


async def test_a_session_ends_with_its_key(stills, make_stills, monkeypatch):
    """In the process that revokes it at once, in others after what they remember."""
    monkeypatch.setattr(api_keys, "MEMORY_SECONDS", 0.0)
    other = await make_stills()
    secret = await other.keys.log_in(await stills.keys.add("film"))
    assert await other.keys.admit_session(secret) == BudgetOwner("film", None)
    await stills.keys.revoke("film")
    for one in (stills, other):
        with pytest.raises(KeyRefused):
            await one.keys.admit_session(secret)


@pytest.mark.parametrize("secret", ["", "x", "stills_000000000000_" + "a" * 43])
async def test_an_unknown_session_is_refused(stills, secret):
    """And a key is not a session, nor a session a key."""
    with pytest.raises(KeyRefused):
        await stills.keys.admit_session(secret)
    with pytest.raises(KeyRefused):
        await stills.keys.log_in(secret)
    shown = await stills.keys.add("film")
    with pytest.raises(KeyRefused):
        await stills.keys.admit_session(shown)
    with pytest.raises(KeyRefused):
        await stills.keys.admit(await stills.keys.log_in(shown))
