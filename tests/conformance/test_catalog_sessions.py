"""Sessions of browsers in every Catalog. To test another, add it in conftest.py."""

from dataclasses import replace

from stills.contract.access import ApiKey

KEY = ApiKey("a1", "film", "ab" * 32, 5.0, 10 / 60, 1000.0)


async def test_a_session_finds_its_key_in_every_process(open_worker):
    """Also when the key was revoked; until the session ends."""
    one, other = open_worker().catalog, open_worker().catalog
    await one.api_keys.add(KEY)
    await one.sessions.begin("d1", KEY, seconds=60.0)
    assert await other.sessions.find_key("d1") == KEY
    assert await other.sessions.find_key("d2") is None
    await one.api_keys.revoke("film", now=2000.0)
    assert await other.sessions.find_key("d1") == replace(KEY, revoked_at=2000.0)
    await other.sessions.end("d1")
    assert await one.sessions.find_key("d1") is None
    await one.sessions.end("d1")


async def test_a_session_is_over_when_its_time_is(catalog):
    """Later ones are not."""
    await catalog.api_keys.add(KEY)
    await catalog.sessions.begin("d1", KEY, seconds=-1.0)
    assert await catalog.sessions.find_key("d1") is None
    await catalog.sessions.begin("d2", KEY, seconds=60.0)
    await catalog.sessions.begin("d1", KEY, seconds=60.0)  # because the first was forgotten
    assert await catalog.sessions.find_key("d1") == KEY
