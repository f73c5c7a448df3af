"""The reviewers' page in a real browser: what it shows, what it sends, and that a text in it stays a text."""

import re
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright
from shop_server import Server
from talk_release import release

expect.set_options(timeout=20_000)  # the cores are shared
LONG = "the rain is silly and goes on and on, " * 2_700
TEXTS = {
    "p1": "<script>alert(1)</script><img src=x onerror=alert(2)> grotty",
    "p2": LONG[:100_000],
    "p3": "the rain is silly so it is",
}


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    assert path, "chromium is not installed: .ci/servers brings it"
    with sync_playwright() as started:
        # As root, which CI is, Chromium has no sandbox of its own.
        opened = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, talk_models):
    folder = tmp_path_factory.mktemp("talk")
    release(folder, models=talk_models)
    running = Server(folder)
    yield running
    assert running.stop() == 0


@pytest.fixture
def page(browser, server):
    """The page of a reviewer who has said who they are, and what a browser would have complained of."""
    context = browser.new_context()
    opened = context.new_page()
    opened.complaints = []
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("console", lambda said: opened.complaints.append(said.text) if said.type == "error" else None)
    opened.on("dialog", lambda dialog: (opened.complaints.append(dialog.message), dialog.dismiss()))
    opened.goto(f"http://127.0.0.1:{server.port}/queue")
    opened.get_by_label("reader").fill("anna")
    opened.get_by_role("button", name="Begin").click()
    yield opened
    context.close()


def predict(server, keys):
    rows = [{"post": key, "author": "a1", "text": TEXTS[key]} for key in keys]
    assert server.post("/v1/predict", {"rows": rows})[0] == 200


def waiting(server):
    return [row["key"] for row in server.get("/v1/queue/review")[1]["rows"]]


def test_a_reviewer_works_a_queue_with_keys_corrects_and_comes_to_its_end(page, server):
    expect(page.get_by_text("Nothing waits for review.")).to_be_visible()
    predict(server, TEXTS)
    page.get_by_role("button", name="Look again").click()
    order = waiting(server)
    for n, key in enumerate(order):
        expect(page.locator("#row-title")).to_have_text(f"post {key}")
        assert page.get_by_role("region", name="text").text_content() == TEXTS[key]
        assert page.locator("#texts script, #texts img").count() == 0
        expect(page.locator("#counts")).to_have_text(re.compile(f"^{len(order) - n} waiting · {n} decided today of 20"))
        page.keyboard.press("3" if n else "1")
    expect(page.get_by_text("Nothing waits for review.")).to_be_visible()
    assert waiting(server) == []
    assert server.get("/v1/features/author/a1")[1]["features"]["record.vile_7d"] == 2.0
    # What was said last is corrected by a newer event; it was said of the author beside it.
    page.keyboard.press("c")
    expect(page.locator("#why")).to_contain_text("You decided: vile.")
    page.get_by_role("button", name="vile").click()
    expect(page.get_by_text("Nothing waits for review.")).to_be_visible()
    expect(page.locator("#said-last")).to_contain_text(f"post {order[-1]}: vile.")
    assert server.get("/v1/features/author/a1")[1]["features"]["record.vile_7d"] == 3.0
    assert page.complaints == []


def test_a_decision_that_is_not_taken_is_told_and_can_be_sent_again_and_what_is_skipped_waits(page, server):
    expect(page.get_by_text("Nothing waits for review.")).to_be_visible()
    predict(server, ["p1", "p3"])
    page.get_by_role("button", name="Look again").click()
    expect(page.locator("#row-title")).to_have_text("post p1")
    page.keyboard.press("s")
    expect(page.locator("#row-title")).to_have_text("post p3")
    full = '{"error": "DiskFull", "detail": "no room to write"}'
    page.route("**/v1/events/**", lambda route: route.fulfill(status=503, body=full))
    page.keyboard.press("2")
    expect(page.get_by_role("alert")).to_contain_text("no room to write")
    assert sorted(waiting(server)) == ["p1", "p3"]
    page.unroute("**/v1/events/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Nothing else waits for you; you skipped 1.")).to_be_visible()
    assert waiting(server) == ["p1"]
    page.get_by_role("button", name="Look at what you skipped").click()
    expect(page.locator("#row-title")).to_have_text("post p1")
