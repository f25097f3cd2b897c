"""The page of a service that wants a token, and the policies that the browser is told, kept."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from service.settings import Settings
from tests.page.conftest import PATIENCE_MS
from tests.service.api.conftest import ready

TOKEN = "the-token-of-this-test"  # noqa: S105 - of this test
# Whatever breaks a policy is an event of the document.
WATCH = """
  window.violations = []
  document.addEventListener('securitypolicyviolation', (event) => {
    window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`)
  })
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[httpx.Client]:
    settings = {"provider": "cpu", "request_timeout_seconds": 600, "inference_tokens": SecretStr(TOKEN)}
    with ready(Settings.model_validate(settings)) as client:
        yield client


@pytest.fixture
def page(browser: Browser, guarded: httpx.Client) -> Iterator[Page]:
    with browser.new_context(base_url=str(guarded.base_url), locale="en-GB") as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()


def give(page: Page, token: str) -> None:
    page.get_by_label("Token", exact=True).last.fill(token)
    page.get_by_role("button", name="Use it").click()


def test_the_token_is_asked_for_once_and_kept_for_this_tab_alone(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    expect(page.locator("dialog.token")).to_have_count(1)
    give(page, TOKEN)
    expect(page.locator(".bars .best th")).to_have_text("7")
    page.reload()
    expect(page.locator(".bars .best th")).to_have_text("7")
    expect(page.locator("dialog.token")).to_have_count(0)
    assert page.evaluate("localStorage.length") == 0
    other = page.context.new_page()
    other.goto("#model=mnist")
    expect(other.locator("dialog.token")).to_be_visible()


def test_a_token_that_is_refused_is_asked_for_again(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    give(page, "not-the-token-0000")
    expect(page.locator("dialog.token")).to_contain_text("refused this token")
    give(page, TOKEN)
    expect(page.locator(".bars .best th")).to_have_text("7")


def test_a_token_that_no_header_can_carry_is_not_taken(page: Page) -> None:
    page.add_init_script(
        "sessionStorage.getItem('fovea.token') ?? sessionStorage.setItem('fovea.token', 'kept before ✓')"
    )
    page.goto("#model=mnist&picture=sample:seven")
    expect(page.locator("dialog.token")).to_contain_text("wants a token")
    give(page, "snowman☃")
    expect(page.locator("#token:invalid")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('fovea.token')") == "kept before ✓"
    give(page, f" {TOKEN} ")
    expect(page.locator(".bars .best th")).to_have_text("7")


def test_who_has_no_token_is_told_and_may_try_again(page: Page) -> None:
    page.goto("#model=mnist&language=ko")
    expect(page.locator("dialog.token")).to_contain_text("이 서비스는 토큰을 요구합니다")
    page.keyboard.press("Escape")
    expect(page.locator(".problem")).to_contain_text("the request has no token")
    page.locator(".problem button").click()
    expect(page.locator("dialog.token")).to_be_visible()


def test_a_command_to_copy_never_holds_the_token(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    give(page, TOKEN)
    button = page.locator(".received").get_by_role("button", name="copy curl")
    command = button.get_attribute("title") or ""
    assert command.startswith('curl -H "Authorization: Bearer $TOKEN" -F file=@seven.png')
    assert TOKEN not in page.content()


@pytest.mark.parametrize("panel", ["strip", "layer", "channel", "compare", "shift", "activation", "depth"])
def test_no_panel_breaks_the_policy_of_the_page(browser: Browser, service: httpx.Client, panel: str) -> None:
    with browser.new_context(base_url=str(service.base_url)) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(f"#model=mnist&picture=sample:seven&panel={panel}&layer=conv1&channel=0&klass=7")
        expect(page.locator("a.card .thumbnail.filled").first).to_be_attached()
        expect(page.locator("[aria-busy]")).to_have_count(0)
        assert page.evaluate("window.violations") == []


def test_the_documentation_works_under_its_policy(browser: Browser, service: httpx.Client) -> None:
    with browser.new_context(base_url=str(service.base_url)) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.add_init_script(WATCH)
        page.goto("/docs")
        page.locator("#operations-health-live_health_live_get, [id^=operations-health]").first.click()
        page.get_by_role("button", name="Try it out").first.click()
        page.get_by_role("button", name="Execute").first.click()
        expect(page.locator(".live-responses-table .response").first).to_contain_text("200")
        assert page.evaluate("window.violations") == []
        assert [url for url in asked if not url.startswith((str(service.base_url), "data:", "blob:"))] == []


def test_the_way_to_the_documentation_is_shown_where_there_is_one(browser: Browser, service: httpx.Client) -> None:
    with browser.new_context(base_url=str(service.base_url), locale="en-GB") as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto("/#model=mnist")
        page.get_by_role("link", name="API").click()
        expect(page).to_have_url(f"{service.base_url}/docs".replace("//docs", "/docs"))
        page.route("**/docs", lambda route: route.fulfill(status=404))
        with page.expect_response("**/docs") as answer:
            page.goto("/?again#model=mnist")
        assert answer.value.status == 404
        expect(page.get_by_role("button", name="한국어")).to_be_visible()
        expect(page.get_by_role("link", name="API")).to_be_hidden()


def test_a_script_that_somebody_smuggles_in_does_not_run(browser: Browser, service: httpx.Client) -> None:
    with browser.new_context(base_url=str(service.base_url)) as context:
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto("/#model=mnist")
        page.evaluate("""() => {
          const script = document.createElement('script')
          script.textContent = 'window.smuggled = true'
          document.body.append(script)
        }""")
        expect.set_options(timeout=PATIENCE_MS)
        page.wait_for_function("window.violations.length > 0")
        assert page.evaluate("window.smuggled ?? null") is None
