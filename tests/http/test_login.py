"""Browsers log in with an API key."""

import asyncio
import html
import re
from http.cookies import SimpleCookie

import aiohttp
import pytest

from stills import ImageRequest, api_keys
from stills.http import login

KITE = ImageRequest(prompt="a red kite", size="512*512", seed=7)
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
async def key(stills) -> str:
    """The service has a key, so it asks for one."""
    return await stills.keys.add("ann")


@pytest.fixture
async def browser(key):
    """A client that keeps no cookies of its own: each test says what it sends."""
    del key
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def log_in(browser, url, key, target="/", **headers) -> aiohttp.ClientResponse:
    return await browser.post(
        f"{url}/login",
        data={"key": key, "next": target},
        headers={"Origin": url} | headers,
        allow_redirects=False,
    )


async def session_of(browser, url, key) -> dict[str, str]:
    """Log in, and return the header with the cookie."""
    answer = await log_in(browser, url, key)
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return {"Cookie": f"{cookie.key}={cookie.value}"}


async def status(browser, url, path, *, method="GET", **headers) -> int:
    async with browser.request(
        method, f"{url}{path}", headers=headers, allow_redirects=False
    ) as answer:
        return answer.status


@pytest.fixture
async def url(serve) -> str:
    """A service with a gallery and a review."""
    return await serve(reviews=("film",))


async def test_people_are_asked_to_log_in_and_programs_get_the_error(browser, url, stills):
    """With the same status."""
    made = await stills.generate(KITE)
    for path in ("/", f"/gallery/{made.id}", "/review/film/"):
        async with browser.get(f"{url}{path}", headers=HTML) as answer:
            assert (answer.status, answer.content_type) == (401, "text/html")
            page = await answer.text()
            assert f'name="next" value="{path}"' in page
            assert made.id not in page.replace(path, "")
            assert "script-src 'sha256-" in answer.headers["content-security-policy"]
        async with browser.get(f"{url}{path}") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (401, "key_refused")
        wrong = {"Authorization": "Bearer stills_x"}
        async with browser.get(f"{url}{path}", headers=HTML | wrong) as answer:
            assert (answer.status, answer.content_type) == (401, "application/json")
    for path in (f"/gallery/{made.id}/download", f"/gallery/{made.id}/thumbnail.jpg"):
        assert await status(browser, url, path) == 401


async def test_a_key_opens_the_pages_but_not_the_api(browser, url, stills, key):
    """The cookie is hidden from scripts and other sites, and is not the key."""
    made = await stills.generate(KITE)
    answer = await log_in(browser, url, f" {key}\n", f"/gallery/{made.id}")
    assert (answer.status, answer.headers["location"]) == (303, f"./gallery/{made.id}")
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")
    assert (cookie["max-age"], cookie["secure"]) == ("604800", "")
    assert key.rpartition("_")[2] not in cookie.value
    session = {"Cookie": f"{cookie.key}={cookie.value}"}
    for path in ("/", f"/gallery/{made.id}", f"/gallery/{made.id}/thumbnail.jpg"):
        assert await status(browser, url, path, **session) == 200
    assert "Logged in with the key ann" in await (await browser.get(url, headers=session)).text()
    for path in ("/v1/images", f"/v1/images/{made.id}", "/v1/models", "/metrics", "/mcp"):
        assert await status(browser, url, path, **session) == 401, path
    async with browser.post(
        f"{url}/v1/image.generate",
        json={"prompt": "a kite", "size": "1K"},
        headers=session | {"Origin": url},
    ) as refused:
        assert refused.status == 401
    assert await status(browser, url, "/", Authorization=f"Bearer {key}") == 200


async def test_only_the_key_that_paid_sees_that_it_did(browser, url, stills, key, http):
    """The others see the image, but not whose it is."""
    bearer = {"Authorization": f"Bearer {key}"}
    body = {"prompt": "a kite", "size": "512*512"}
    async with http.post(f"{url}/v1/image.generate", json=body, headers=bearer) as answer:
        made = await answer.json()
    other = await stills.keys.add("tom")
    pages = {}
    for name, one in (("ann", key), ("tom", other)):
        session = await session_of(browser, url, one)
        async with browser.get(f"{url}/gallery/{made['id']}", headers=session) as answer:
            pages[name] = await answer.text()
    assert "your key ann" in pages["ann"]
    assert "Paid by" not in pages["tom"]
    assert "ann" not in re.sub("<style>.*</style>", "", pages["tom"], flags=re.DOTALL).split()


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-Proto": "https"}, {"X-Forwarded-Proto": "HTTPS, http"}]
)
async def test_with_tls_the_cookie_never_leaves_it(browser, url, key, headers):
    """It ends in a proxy, which says so; no other host of the site can set the cookie."""
    answer = await log_in(browser, url, key, **headers)
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie.key == "__Host-stills_session"
    assert cookie["secure"] is True
    session = {"Cookie": f"{cookie.key}={cookie.value}"}
    assert await status(browser, url, "/", **session, **headers) == 200
    assert await status(browser, url, "/", **session) == 401


async def test_the_public_url_says_that_there_is_tls(browser, serve, key):
    """Whatever the proxy says, and pages of that address are our own."""
    url = await serve(public_url="https://stills.example/path")
    answer = await log_in(browser, url, key, Origin="https://stills.example")
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["secure"] is True


async def test_every_process_knows_the_session_and_its_end(
    browser, serve, stills, key, monkeypatch
):
    """A revoked key ends it at once, and so does logging out."""
    monkeypatch.setattr(api_keys, "MEMORY_SECONDS", 0.0)
    one, other = await serve(), await serve()
    first, second = [await session_of(browser, one, key) for _ in range(2)]
    assert await status(browser, other, "/", **first) == 200
    out = {"method": "POST", "Origin": other, **first}
    assert await status(browser, other, "/logout", **out) == 303
    assert await status(browser, one, "/", **first) == 401
    assert await status(browser, one, "/", **second) == 200
    await stills.keys.revoke("ann")
    for url in (one, other):
        assert await status(browser, url, "/", **second) == 401


@pytest.mark.parametrize(
    "spoil",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_no_other_page_logs_in_or_out_or_decides(browser, url, key, spoil):
    """Not even one of another port of the same host, which gets the cookie along."""
    session = await session_of(browser, url, key)
    refused = await log_in(browser, url, key, **spoil)
    assert (refused.status, "set-cookie" in refused.headers) == (401, False)
    assert await status(browser, url, "/logout", method="POST", **session, **spoil) == 401
    assert (
        await status(browser, url, "/review/f/decisions", method="POST", **session, **spoil) == 401
    )
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    assert await status(browser, url, "/review/f/decisions", method="POST", **session, **own) == 404
    assert await status(browser, url, "/", **session) == 200


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/v1/images", "javascript:alert(1)", ""]
)
async def test_a_login_leads_only_to_our_pages(browser, url, key, target):
    """Whatever the form says."""
    answer = await log_in(browser, url, key, target)
    assert (answer.status, answer.headers["location"]) == (303, "./")


async def test_a_page_whose_path_looks_like_a_host_stays_ours(browser, url, key):
    """The address is relative, so a browser stays at this host."""
    answer = await log_in(browser, url, key, "/gallery//evil.example")
    assert answer.headers["location"] == "./gallery//evil.example"


async def test_wrong_keys_are_answered_one_by_one(browser, url, key, monkeypatch):
    """Too many at once are refused, but a right key never waits."""
    monkeypatch.setattr(login, "_WRONG_KEYS_MAX", 2)
    wrong = [asyncio.create_task(log_in(browser, url, f"{key[:-1]}!")) for _ in range(4)]
    right = await log_in(browser, url, key)
    answers = await asyncio.gather(*wrong)
    assert right.status == 303
    assert sorted(answer.status for answer in answers) == [401, 401, 429, 429]
    page = await next(answer for answer in answers if answer.status == 401).text()
    assert "This service does not accept the key." in page
    assert key[:-1] not in page


async def test_a_form_that_is_not_ours_has_no_key(browser, url, key):
    """Too many fields, or no text at all."""
    for body in ("&".join(["key=a"] * 50), b"\xff\x00", f"next=/&ke={key}"):
        answer = await browser.post(f"{url}/login", data=body, headers={"Origin": url})
        assert answer.status == 401


async def test_without_keys_nobody_logs_in(http, serve):
    """The form leads to the gallery, which is open to this machine."""
    url = await serve()
    answer = await http.post(f"{url}/login", data={"key": "x"}, headers={"Origin": url})
    assert (answer.status, str(answer.url)) == (200, f"{url}/")
    assert "set-cookie" not in answer.history[0].headers


async def test_a_link_of_another_site_loads_the_page_again(browser, url):
    """Browsers keep the cookie back at first, and send it when our own page asks."""
    async with browser.get(url, headers=HTML | {"Sec-Fetch-Site": "cross-site"}) as answer:
        assert 'http-equiv="refresh" content="0"' in await answer.text()
    async with browser.get(url, headers=HTML | {"Sec-Fetch-Site": "same-origin"}) as answer:
        assert "http-equiv" not in await answer.text()


@pytest.mark.parametrize("other", ['a={"b": "c, d"}', "a=[1]; b", "é=1", "=;;", "a@b=1"])
async def test_cookies_of_other_programs_do_not_matter(browser, url, key, other):
    """All programs of a host share them, and some have their own idea of what a cookie is."""
    session = await session_of(browser, url, key)
    cookies = f"{other}; {session['Cookie']}; z=1"
    assert await status(browser, url, "/", Cookie=cookies) == 200


@pytest.mark.parametrize(
    "cookie", ["stills_session", "stills_session=\x22", "a=b; =;", "\xff=\xff"]
)
async def test_a_strange_cookie_is_no_session(browser, url, cookie):
    """The answer is the same as without one."""
    assert await status(browser, url, "/", Cookie=cookie) == 401


async def test_a_login_leads_to_what_was_asked_for(browser, url, key):
    """With its search; what is not an address of ours can't get into the answer."""
    async with browser.get(f"{url}/?q=red%20kite&model=%22x", headers=HTML) as answer:
        found = re.search('name="next" value="([^"]*)"', await answer.text())
    target = html.unescape(found[1])
    answer = await log_in(browser, url, key, target)
    assert answer.headers["location"] == "./?q=red%20kite&model=%22x"
    answer = await log_in(browser, url, key, "/?q=\r\nSet-Cookie: a=b")
    assert answer.status == 303
    assert "a=b" not in answer.headers["set-cookie"]


async def test_a_service_without_pages_asks_nobody_to_log_in(browser, serve, key):
    """It has no session to give, and accepts none."""
    url = await serve(gallery=False)
    async with browser.get(url, headers=HTML) as answer:
        assert (answer.status, answer.content_type) == (401, "application/json")
    assert (await log_in(browser, url, key)).status == 404
    other = await serve()
    session = await session_of(browser, other, key)
    assert await status(browser, other, "/", **session) == 200
    assert await status(browser, url, "/", **session) == 401
    assert await status(browser, other, "/review/film/", **session) == 401
