"""A thousand concurrent callers in four processes: each image is paid for once."""

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import pyvips

PROCESSES, CALLERS = 4, 250


@pytest.mark.parametrize("distinct", [1, 50])
def test_concurrent_callers_share_one_paid_image(
    start_driver, start_service, rng, run, rows, distinct: int
):
    """Each distinct request is billed once, and all its callers get the same image."""
    service = start_service("--latency", "0.5")
    requests = [
        {"prompt": f"a red kite over hill {n % distinct}", "size": "1328*1328"}
        for n in range(CALLERS)
    ]
    drivers = [start_driver(service) for _ in range(PROCESSES)]
    for driver in drivers:
        driver.begin(*rng.sample(requests, CALLERS))
    results = [result for driver in drivers for result in driver.finish()]

    assert len(results) == PROCESSES * CALLERS
    assert service.billed() == distinct
    assert service.ledger()["totals"]["generations"] == distinct
    images = {(result["prompt"], result["image_url"], result["sha256"]) for result in results}
    assert len(images) == distinct
    for _, url, digest in images:
        data = Path(unquote(urlsplit(url).path)).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
        image = pyvips.Image.new_from_buffer(data, "", fail_on="warning")
        assert (image.width, image.height, image.avg() > 0) == (1328, 1328, True)
    paying = sum(not result["cached"] for result in results)
    assert paying == distinct
    assert rows("SELECT billing, count(*) FROM sends") == [("billed", distinct)]
    assert rows("SELECT sum(paid), sum(cached) FROM answers") == [
        (distinct, len(results) - distinct)
    ]
    assert rows("SELECT count(*) FROM claims") == [(0,)]
    assert "nothing wrong" in run("verify").stdout
    print(
        f"{PROCESSES} processes x {CALLERS} callers, {distinct} distinct requests: "
        f"{service.billed()} billed, {len(images)} images, {len(results) - paying} answers free"
    )
