"""The addresses of a folder under review."""

import httpx
from starlette.applications import Starlette

from stills.http.review.routes import ReviewRoutes


async def test_the_address_without_a_slash_leads_to_the_page_below_a_path_of_a_proxy():
    """Only a relative address is right there: the service does not know the proxy's path."""
    app = Starlette(routes=ReviewRoutes("/review/my film/").list())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://stills.example") as client:
        answer = await client.get("/review/my%20film")
    assert answer.status_code == 307
    page = httpx.URL("https://proxy.example/images/review/my%20film").join(
        answer.headers["location"]
    )
    assert page == "https://proxy.example/images/review/my%20film/"
