"""A real browser on a real service. Skips, and says so, only where there is no Chromium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from service.settings import Settings
from tests.service.api.conftest import ready

# Nothing that Chromium does of its own accord: only what the page does is wanted.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A camera that shows a test picture and asks nobody.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
# A busy machine is no failure: what is looked for may take this long.
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def service() -> Iterator[httpx.Client]:
    with ready(Settings(provider="cpu", request_timeout_seconds=600)) as client:
        yield client


# Not for the session: while playwright lives, its event loop runs in the thread of every other test.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium here: tests/page/install.sh installs it where it may")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, service: httpx.Client) -> Iterator[BrowserContext]:
    context = browser.new_context(
        base_url=str(service.base_url), viewport={"width": 1360, "height": 950}, locale="en-GB"
    )
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, service: httpx.Client) -> Iterator[Page]:
    with watched(context.new_page(), service) as page:
        yield page


@contextmanager
def watched(page: Page, service: httpx.Client) -> Iterator[Page]:
    """It may log no error and ask no other host, whatever a test does with it."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: complaints.extend(foreign(request.url, service)))
    yield page
    assert complaints == []


@pytest.fixture(scope="module")
def bare(browser: Browser, service: httpx.Client) -> Iterator[Page]:
    """A page on which modules can be imported and nothing else happens; one for all tests that only compute there."""
    with browser.new_context(base_url=str(service.base_url)) as context, watched(context.new_page(), service) as page:
        empty = '<link rel="icon" href="data:,">'
        page.route("**/bare", lambda route: route.fulfill(body=empty, content_type="text/html"))
        page.goto("bare", timeout=PATIENCE_MS)
        yield page


def call(bare: Page, module: str, expression: str, argument: object = None) -> Any:
    """`expression` of the module's exports, `m`, and the argument, `a`."""
    script = f"async (a) => {{ const m = await import('/page/{module}.js'); return {expression} }}"
    return bare.evaluate(script, argument)


def foreign(url: str, service: httpx.Client) -> list[str]:
    own = (str(service.base_url), "blob:", "data:")
    return [] if url.startswith(own) else [f"another host was asked: {url}"]


def draw(page: Page, *lines: list[tuple[float, float]]) -> None:
    """Lines on the paper with the mouse, in shares of its side."""
    paper = page.locator("#paper")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    assert box
    for first, *others in lines:
        page.mouse.move(box["x"] + first[0] * box["width"], box["y"] + first[1] * box["height"])
        page.mouse.down()
        for x, y in others:
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        page.mouse.up()


def hold(route: Route) -> bool:
    """Whether it waits: what the page fetches does, until nothing is routed; what stands in its list of samples not."""
    if route.request.resource_type == "fetch":
        return True
    route.continue_()
    return False


SEVEN = [(0.3, 0.2), (0.7, 0.2), (0.45, 0.8)]
SAMPLES = Path("service/page/samples")
