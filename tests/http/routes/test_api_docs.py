"""The documentation of the API, from files of our own."""

import re


async def test_the_documentation_names_no_other_address(http, url, stills):
    """It needs no key, and neither do its files."""
    await stills.keys.add("ann")
    async with http.get(f"{url}/docs") as answer:
        page = await answer.text()
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "//" not in page.replace("</", "")
    for name in re.findall(r'(?:href|src)="(docs/[^"]+)"', page):
        async with http.get(f"{url}/{name}") as answer:
            assert (answer.status, answer.headers["content-encoding"]) == (200, "gzip")
            compressed = await answer.read()
        plain = {"Accept-Encoding": "identity"}
        async with http.get(f"{url}/{name}", headers=plain) as answer:
            assert await answer.read() == compressed
            assert "content-encoding" not in answer.headers
    async with http.get(f"{url}/docs/VERSION.txt") as answer:
        assert answer.status == 404
