"""`stills review` as a director uses it: a browser, a folder, and a sandbox in another process."""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect
from tests.support.batch_command import by_id
from tests.support.boards import two_takes_each
from tests.support.browser import PHONE, running_chromium, watched_page
from tests.support.finished_shots import write_png

from stills.cli.errors import INTERRUPTED
from stills.review.record import end_run

ROWS = [{"id": one, "prompt": f"shot {one}", "size": "512*512"} for one in ("1A", "2A", "3A")]


@pytest.fixture(scope="module")
def chromium():
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def board(tmp_path):
    """A folder `out` with two made-up takes of each of three shots."""
    two_takes_each(tmp_path / "out", "1A", "2A", "3A")
    end_run(tmp_path / "out", "Film")
    return tmp_path / "out"


@pytest.fixture
def film(batch, tmp_path):
    """A finished folder `out` with two takes of each of three shots."""
    shots = tmp_path / "shots.jsonl"
    shots.write_text("\n".join(map(json.dumps, ROWS)))
    made = batch(shots, "--takes", "2")
    assert made.returncode == 0, made.stderr
    return tmp_path / "out"


@pytest.fixture
def review(command, environment, service, tmp_path):
    """Start `stills review out`; returns its process and its address."""
    processes = []

    def start(*options, variables=None):
        process = subprocess.Popen(
            [*command, "review", "out", *options],
            env=environment | (service.variables if variables is None else variables),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        greeting = process.stdout.readline()
        assert greeting.startswith("Open http://127.0.0.1:"), greeting
        return process, greeting.split()[1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def act(page, take, name):
    page.locator(f'.take[data-take="{take}"]').get_by_role("button", name=name).click()


def stop(process):
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_a_film_is_reviewed_and_its_rejects_are_generated_again(chromium, film, review, service):
    """Nothing is sent before the price is confirmed; new takes appear as they are made."""
    process, url = review("--max-cost", "1")
    origin = url.partition("/review/")[0]
    with watched_page(chromium, origin) as watched:
        page = watched.page
        page.goto(url)
        assert page.url == f"{origin}/review/"
        act(page, "1A-2", "Pick")
        expect(page.locator(".take.picked")).to_have_attribute("data-take", "1A-2")
        act(page, "2A", "Reject")
        act(page, "2A", "Comment")
        page.fill("#comment-text", "too dark")
        page.click("#comment-send")
        expect(page.locator(".comments li")).to_contain_text("too dark")
        act(page, "3A", "Another")
        page.fill("#take-prompt", "shot 3A at night")
        page.click("#take-send")
        expect(page.locator(".take.waiting")).to_have_count(1)
        expect(page.locator("#generate")).to_have_text("Generate 2 · 0.15 USD")
        page.click("#generate")
        expect(page.locator("#run-price")).to_contain_text("2 takes with qwen-image-max: 0.15 USD")
        expect(page.locator("#run-price")).to_contain_text("cap 1.00 USD")
        assert service.billed() == 6
        page.click("#run-send")
        expect(page.locator("#note")).to_contain_text("2 new; billed 0.15 USD", timeout=60_000)
        expect(page.locator('.take[data-take="2A-r1"] img')).to_have_count(1)
        expect(page.locator('.take[data-take="3A-r1"] .changed')).to_have_text("shot 3A at night")
        expect(page.locator(".take.waiting")).to_have_count(0)
        expect(page.locator("#generate")).to_have_text("Generate")
        expect(page.locator(".totals .images dd")).to_have_text("8")
        expect(page.locator(".totals .money dd")).to_have_text("0.60 USD")
    assert service.billed() == 8
    stop(process)
    entries = by_id(film)
    assert entries["1A-2"]["mark"] == "picked"
    assert (entries["2A"]["mark"], entries["2A"]["comments"]) == ("rejected", ["too dark"])
    assert entries["3A-r1"]["request"]["prompt"] == "shot 3A at night"
    assert "too dark" in (film / "index.html").read_text()


def test_a_run_ends_with_what_was_sent_and_keeps_others_out(
    chromium, board, review, service, run, tmp_path
):
    """Ctrl-C waits for the take in flight; meanwhile a batch into the folder is refused."""
    service.set_faults({"kind": "slow", "delay_seconds": 5})
    process, url = review()
    with watched_page(chromium, url.partition("/review/")[0]) as watched:
        page = watched.page
        page.goto(url)
        act(page, "2A", "Reject")
        expect(page.locator("#generate")).to_contain_text("0.075 USD")
        page.click("#generate")
        page.click("#run-send")
        expect(page.locator("#note")).to_contain_text("Generating: 0 of 1 done")
        deadline = time.monotonic() + 60
        while not service.ledger()["totals"]["billed_images"] and time.monotonic() < deadline:
            time.sleep(0.1)
        shots = tmp_path / "shots.jsonl"
        shots.write_text(json.dumps(ROWS[0]))
        refused = run("batch", str(shots), "-o", "out", "--sandbox", "--yes")
        assert "another batch is writing to out" in refused.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        watched.errors.clear()  # the server is gone
    entries = by_id(board)
    assert entries["2A-r1"]["status"] == "done"
    assert entries["2A"]["mark"] == "rejected"


def test_a_review_by_keyboard_is_saved_at_once(chromium, board, review):
    """Even if the process is killed, every decision is in the folder."""
    process, url = review()
    with watched_page(chromium, url.partition("/review/")[0]) as watched:
        page = watched.page
        page.goto(url)
        for key in ("ArrowDown", "ArrowRight", "p"):
            page.keyboard.press(key)
        expect(page.locator(".take.picked")).to_have_attribute("data-take", "1A-2")
        page.keyboard.press("x")
        expect(page.locator(".take.rejected")).to_have_attribute("data-take", "1A-2")
        page.keyboard.press("u")
        expect(page.locator("#note")).to_have_text("Undone: 1A-2: rejected")
        expect(page.locator(".take.picked")).to_have_attribute("data-take", "1A-2")
        process.kill()
    decided = json.loads((board / "review.json").read_text())["shots"]
    assert decided["1A"]["pick"]["take"] == "1A-2"


@pytest.mark.usefixtures("board")
def test_two_pages_show_the_same(chromium, review, run):
    """What one decides, or the command line, appears on the other without a reload."""
    _, url = review()
    origin = url.partition("/review/")[0]
    with watched_page(chromium, origin, viewport=PHONE) as watched:
        first = watched.page
        first.goto(url)
        second = first.context.new_page()
        second.goto(f"{origin}/review/")
        act(first, "1A", "Pick")
        expect(second.locator(".take.picked")).to_have_attribute("data-take", "1A")
        assert run("pick", "2A", "2", "-o", "out").returncode == 0
        expect(first.locator(".take.picked")).to_have_count(2, timeout=20_000)
        assert second.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.usefixtures("board")
def test_a_server_that_is_gone_is_seen_wherever_one_decides(chromium, review):
    """Far down the page and in the loupe: otherwise nobody knows that a pick was not kept."""
    process, url = review()
    page = chromium.new_page(viewport=PHONE)
    try:
        page.goto(url)
        page.locator('.shot[data-shot="3A"]').scroll_into_view_if_needed()
        stop(process)
        act(page, "3A", "Pick")
        expect(page.locator("#note")).to_contain_text("The server does not answer")
        expect(page.locator("#note")).to_be_in_viewport(ratio=1)
        page.locator('.take[data-take="3A"] a.frame').click()
        page.keyboard.press("p")
        expect(page.locator("#view #note")).to_be_in_viewport(ratio=1)
        page.keyboard.press("Escape")
        expect(page.locator("#desk #note")).to_be_in_viewport(ratio=1)
    finally:
        page.close()


def test_an_own_picture_is_uploaded_and_taken_back(chromium, board, review, tmp_path):
    """It is checked, shown first, and stays in the folder."""
    _, url = review()
    write_png(tmp_path / "mine.png", 300, 200)
    (tmp_path / "fake.png").write_text("not a picture")
    with watched_page(chromium, url.partition("/review/")[0]) as watched:
        page = watched.page
        page.goto(url)
        button = page.locator('.shot[data-shot="2A"]').get_by_role("button", name="Own picture")
        with page.expect_file_chooser() as chooser:
            button.click()
        chooser.value.set_files(tmp_path / "fake.png")
        expect(page.locator("#note.error")).to_contain_text("fake.png is")
        watched.errors.clear()  # the browser reports the refused request
        with page.expect_file_chooser() as chooser:
            button.click()
        chooser.value.set_files(tmp_path / "mine.png")
        own = page.locator('.shot[data-shot="2A"] .take.own')
        expect(own.locator("img")).to_have_js_property("naturalWidth", 300)
        own.get_by_role("button", name="Remove").click()
        expect(own).to_have_count(0)
    assert len(list((board / "own").iterdir())) == 1


@pytest.mark.usefixtures("board")
def test_a_price_that_is_out_of_date_is_not_paid(chromium, review, service, run):
    """The review was changed elsewhere after the price was shown: nothing is sent."""
    _, url = review()
    with watched_page(chromium, url.partition("/review/")[0]) as watched:
        page = watched.page
        page.goto(url)
        act(page, "2A", "Reject")
        expect(page.locator("#generate")).to_have_text("Generate 1 · 0.075 USD")
        page.click("#generate")
        expect(page.locator("#run-price")).to_contain_text("0.075 USD")
        assert run("pick", "3A", "1", "--another", "-o", "out").returncode == 0
        page.click("#run-send")
        expect(page.locator("#note")).to_contain_text("has changed since it was shown")
        watched.errors.clear()  # the browser reports the refused request
        expect(page.locator("#generate")).to_have_text("Generate 2 · 0.15 USD")
    assert service.billed() == 0


@pytest.mark.usefixtures("board")
def test_a_cap_refuses_a_run_before_anything_is_sent(chromium, review, service):
    """The cap of the form is next to the price."""
    _, url = review()
    with watched_page(chromium, url.partition("/review/")[0]) as watched:
        page = watched.page
        page.goto(url)
        act(page, "2A", "Reject")
        expect(page.locator("#generate")).to_contain_text("0.075 USD")
        page.click("#generate")
        page.fill("#run-cap", "0.01")
        expect(page.locator("#run-price")).to_contain_text("cap 0.01 USD")
        page.click("#run-send")
        expect(page.locator("#note.error")).to_contain_text("0.01 USD")
        watched.errors.clear()  # the browser reports the refused request
    assert service.billed() == 0


@pytest.mark.usefixtures("board")
def test_a_review_needs_no_key_until_it_generates(chromium, review):
    """Without one, the page says why nothing can be generated."""
    _, url = review(variables={})
    with watched_page(chromium, url.partition("/review/")[0]) as watched:
        page = watched.page
        page.goto(url)
        act(page, "2A", "Reject")
        expect(page.locator("#generate")).to_contain_text("Generate 1")
        page.click("#generate")
        expect(page.locator("#run-price")).to_contain_text("Nothing can be generated")
        expect(page.locator("#run-send")).to_be_disabled()


def ask(url, *, method="GET", body=None, **headers):
    asked = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as refused:
        return refused.code, dict(refused.headers)


def test_only_the_browser_that_opened_the_address_is_let_in(chromium, board, review):
    """The address works once; other hosts, origins and programs are refused."""
    _, url = review()
    page_url, _, token = url.partition("?token=")
    assert ask(page_url)[0] == 403
    assert ask(f"{page_url}?token={token[:-1]}")[0] == 403
    with watched_page(chromium, url.partition("/review/")[0]) as watched:
        watched.page.goto(url)
        assert ask(url)[0] == 403
        cookies = watched.page.context.cookies()
        (cookie,) = cookies
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        known = {"Cookie": f"{cookie['name']}={cookie['value']}"}
        status, headers = ask(page_url, **known)
        assert status == 200
        assert "script-src 'sha256-" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        among_others = {"Cookie": f'a={{"b": "c, d"}}; {known["Cookie"]}'}
        assert ask(page_url, **among_others)[0] == 200
        assert ask(page_url, Host="evil.example", **known)[0] == 403
        decision = json.dumps({"do": "pick", "shot": "1A", "take": "1A"}).encode()
        post = {"method": "POST", "body": decision, "Content-Type": "application/json"}
        evil = {"Origin": "http://evil.example"}
        assert ask(f"{page_url}decisions", **post, **evil, **known)[0] == 403
        post["Content-Type"] = "text/plain"
        assert ask(f"{page_url}decisions", **post, **known)[0] == 400
        for path in ("review.json", "images/../review.json", "images/%2e%2e/review.json"):
            assert ask(f"{page_url}{path}", **known)[0] == 404
        (board / "images" / "1A.png").unlink()
        (board / "images" / "1A.png").symlink_to("/etc/passwd")
        assert ask(f"{page_url}images/1A.png", **known)[0] == 404


def test_marks_are_merged_into_the_folder(chromium, board, run, tmp_path):
    """They come from a copy of the page that was opened without a server."""
    with watched_page(chromium, "file://") as watched:
        page = watched.page
        page.goto((board / "index.html").as_uri())
        act(page, "1A-2", "Pick")
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "marks.json")
    merged = run("review", "out", "--merge", "marks.json")
    assert merged.stdout == "merged 1 mark, 0 comments and 0 requests, with 0 conflicts\n"
    assert by_id(board)["1A-2"]["mark"] == "picked"


def test_a_folder_without_a_manifest_is_refused(run, tmp_path):
    """The error says what to give."""
    refused = run("review", str(tmp_path))
    assert refused.returncode == 2
    assert "manifest.jsonl" in refused.stderr


def test_boards_are_reviewed_in_the_service(chromium, board, serve):
    """Without keys, on this machine only; what is decided is in the folder."""
    server = serve("--sandbox", "--review", "out")
    url = f"{server.url}/review/out/"
    assert server.process.stdout.readline() == f"out is reviewed at {url}\n"
    with watched_page(chromium, server.url) as watched:
        page = watched.page
        page.goto(url.rstrip("/"))
        assert page.url == url
        act(page, "2A", "Reject")
        expect(page.locator(".take.rejected")).to_have_attribute("data-take", "2A")
        expect(page.locator("#generate")).to_have_text("Generate 1 · 0.075 USD")
        page.click("#generate")
        page.click("#run-send")
        expect(page.locator("#note")).to_contain_text("1 new; billed 0.075 USD", timeout=60_000)
        expect(page.locator('.take[data-take="2A-r1"] img')).to_have_count(1)
    assert by_id(board)["2A"]["mark"] == "rejected"
    decision = json.dumps({"do": "pick", "shot": "1A", "take": "1A"}).encode()
    post = {"method": "POST", "body": decision, "Content-Type": "application/json"}
    assert ask(f"{url}decisions", **post)[0] == 200
    assert ask(f"{url}decisions", Origin="http://evil.example", **post)[0] == 403
    assert ask(f"{url}decisions", Host="evil.example", **post)[0] == 403
    asked = {"do": "another", "shot": "1A", "take": "1A", "reference": {"url": "https://10.0.0.1/"}}
    post["body"] = json.dumps(asked).encode()
    assert ask(f"{url}decisions", **post)[0] == 400
    assert server.stop() == 0


def test_a_board_in_a_service_with_keys_needs_a_key(board, serve, run):
    """Its pictures too."""
    key = run("keys", "add", "ann").stdout.strip()
    server = serve("--sandbox", "--review", str(board))
    url = f"{server.url}/review/out/"
    for path in ("", "images/1A.png", "state"):
        assert ask(f"{url}{path}")[0] == 401
        assert ask(f"{url}{path}", Authorization=f"Bearer {key}")[0] == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_just_after_the_address_ends_the_review(number, board, review):
    """Also before the server has started, which takes a moment after the address is printed."""
    assert board.exists()
    for _ in range(3):
        process, _ = review()
        process.send_signal(number)
        assert process.wait(60) in {0, INTERRUPTED}
