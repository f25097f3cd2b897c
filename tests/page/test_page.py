"""What a person does with the page: draws, chooses, clicks, and reads numbers."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from service.settings import Settings
from tests.page.conftest import SAMPLES, SEVEN, draw, hold
from tests.page.proxy import stripping
from tests.service.api.conftest import ready


def test_a_drawn_seven_is_a_seven_and_what_was_done_to_it_is_shown(page: Page) -> None:
    page.goto("#model=mnist")
    draw(page, SEVEN)
    expect(page).to_have_url(re.compile("picture=drawing"))
    expect(page.locator(".bars .best th")).to_have_text("7")
    expect(page.locator(".steps li").first).to_have_text("Inverted: light ink on black, as in MNIST")
    expect(page.locator(".received img")).to_be_visible()
    expect(page.locator(".received figcaption")).to_contain_text("received 28 × 28 in grey")


def test_white_on_black_is_not_inverted_and_is_the_same_digit(page: Page) -> None:
    page.goto("#model=mnist")
    page.get_by_role("button", name="White on black").click()
    draw(page, SEVEN)
    expect(page.locator(".bars .best th")).to_have_text("7")
    expect(page.locator(".steps li").first).to_contain_text("Not inverted")


def test_the_bars_say_what_the_service_answers(page: Page, service: httpx.Client) -> None:
    page.goto("#model=mnist&picture=sample:three")
    expect(page.locator(".bars .best th")).to_have_text("3")
    answer = service.post(
        "v1/models/mnist/classify?top=10", files={"file": (SAMPLES / "three.png").read_bytes()}
    ).json()
    for prediction in answer["results"][0]["predictions"]:
        row = page.locator(".bars tbody tr").nth(prediction["index"])
        assert float(row.get_attribute("data-probability") or "nan") == pytest.approx(
            prediction["probability"], abs=1e-6
        )
        expect(row.locator(".logit")).to_have_text(f"{prediction['logit']:.2f}")


def test_the_bars_follow_while_the_line_grows(page: Page) -> None:
    page.goto("#model=mnist&picture=drawing")
    box = page.locator("#paper").bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 40, steps=5)
    expect(page.locator(".bars .best")).to_have_count(1)  # the button is still down
    page.mouse.up()


def test_a_reload_loses_neither_the_drawing_nor_the_picture(page: Page) -> None:
    page.goto("#model=mnist")
    draw(page, SEVEN)
    expect(page.locator(".bars .best th")).to_have_text("7")
    page.reload()
    expect(page.locator(".bars .best th")).to_have_text("7")
    page.set_input_files("#file", SAMPLES / "three.png")
    expect(page.locator(".bars .best th")).to_have_text("3")
    page.reload()
    expect(page.locator(".bars .best th")).to_have_text("3")
    assert "picture=own" in page.url


def test_undo_and_clear_take_lines_back(page: Page) -> None:
    page.goto("#model=mnist")
    draw(page, SEVEN, [(0.1, 0.9), (0.9, 0.9)])
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".bars .best th")).to_have_text("7")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".verdict")).to_have_text("No picture yet")


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_may_be_dropped_or_pasted(page: Page, event: str) -> None:
    page.goto("#model=mnist&picture=drawing")
    expect(page.locator(".verdict")).to_have_text("No picture yet")
    page.evaluate(
        """async ([event, name]) => {
          const blob = await (await fetch(`page/samples/${name}`)).blob()
          const data = new DataTransfer()
          data.items.add(new File([blob], name, {type: 'image/png'}))
          document.body.dispatchEvent(event === 'drop'
            ? new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})
            : new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))
        }""",
        [event, "three.png"],
    )
    expect(page.locator(".bars .best th")).to_have_text("3")


def test_a_file_that_is_no_picture_is_refused_by_name(page: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    page.goto("#model=mnist")
    page.set_input_files("#file", tmp_path / "notes.txt")
    expect(page.locator("#said")).to_contain_text("notes.txt is no picture")


def test_the_strip_has_a_card_for_each_layer_with_its_size_and_its_sum(page: Page, service: httpx.Client) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    rows = service.get("v1/models/mnist/layer-shapes").json()["layers"]
    network = [row for row in rows if row["stage"] == "network"]
    expect(page.locator("a.card")).to_have_count(len(network))
    for row, card in zip(network, page.locator("a.card").all(), strict=True):
        expect(card.locator(".name")).to_have_text(row["id"])
        expect(card.locator(".shape")).to_have_text(" × ".join(map(str, row["output_shape"][1:])))
        assert card.locator(".formula").all_inner_texts() == row["formula"]
    expect(page.locator("a.card .thumbnail.filled")).to_have_count(len(network))


def test_what_prepares_the_picture_is_one_card_until_it_is_opened(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    page.locator("button.card").click()
    expect(page.locator("a.card .name").first).to_have_text("transpose_1")
    page.get_by_role("button", name="Fold blocks").click()
    expect(page.locator("button.card")).to_have_count(1)


def test_a_card_leads_to_its_layer_and_back_leads_back(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    page.locator("a.card[data-layer=pool1]").click()
    expect(page).to_have_url(re.compile("panel=layer&layer=pool1"))
    expect(page.locator("a.card[aria-current]")).to_have_attribute("data-layer", "pool1")
    page.go_back()
    expect(page.locator("a.card[aria-current]")).to_have_count(0)


def test_a_card_leads_on_from_what_the_panel_has_noted_since(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven&panel=layer&layer=conv2")
    page.get_by_role("radio", name="per channel").check()
    expect(page).to_have_url(re.compile("scale=channel"))
    page.locator("a.card[data-layer=pool1]").click()
    expect(page).to_have_url(re.compile("layer=pool1&scale=channel"))
    with page.context.expect_page() as opened:
        page.locator("a.card[data-layer=conv1]").click(modifiers=["ControlOrMeta"])
    expect(opened.value).to_have_url(re.compile("layer=conv1"))
    expect(page).to_have_url(re.compile("layer=pool1"))


def test_a_url_opens_the_same_state_in_another_window(page: Page) -> None:
    page.goto("#model=mnist&version=0&picture=sample:three&panel=layer&layer=conv2&language=ko")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator("a.card[aria-current]")).to_have_attribute("data-layer", "conv2")
    expect(page.locator("#version")).to_have_value("0")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("a.card[aria-current]")).to_have_attribute("data-layer", "conv2")
    expect(other.locator("#version")).to_have_value("0")
    expect(page.locator(".verdict")).to_have_text(re.compile(r"\d %$"))
    expect(other.locator(".verdict")).to_have_text(page.locator(".verdict").inner_text(), use_inner_text=True)


def test_an_untrained_version_answers_otherwise(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    expect(page.locator(".bars .best .number").first).to_have_text("100.00 %")
    page.locator("#version").select_option("0")
    expect(page.locator(".bars .best .number").first).not_to_have_text("100.00 %")
    assert "version=0" in page.url


def test_another_model_begins_anew(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven&panel=layer&layer=conv3")
    page.locator("#model").select_option("digits")
    expect(page).to_have_url(re.compile("#model=digits&picture=sample:seven$"))
    expect(page.locator("a.card").first).to_be_visible()


def test_the_keyboard_draws_and_goes_along_the_cards(page: Page) -> None:
    page.goto("#model=mnist&picture=drawing")
    page.locator("#paper").focus()
    page.keyboard.press("Space")
    for _ in range(24):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator(".bars .best th")).to_have_text("1")
    page.locator("a.card").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.layer") == page.locator("a.card").nth(1).get_attribute(
        "data-layer"
    )


def test_focus_stays_where_it_was_when_the_page_shows_something_else(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    page.locator("button.card").focus()
    page.keyboard.press("Enter")
    expect(page.locator("a.card").first).to_be_focused()  # the first layer of the block that was opened
    depth = page.get_by_role("link", name="Depth")
    depth.focus()
    page.keyboard.press("Enter")
    expect(depth).to_have_attribute("aria-current", "page")
    expect(depth).to_be_focused()


def test_korean_is_one_click_away(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    page.locator("#language").click()
    expect(page.locator("#input h2").first).to_have_text("내 그림")
    assert "language=ko" in page.url


def test_a_phone_scrolls_down_and_never_sideways(browser: Browser, service: httpx.Client) -> None:
    with browser.new_context(
        base_url=str(service.base_url), viewport={"width": 390, "height": 844}, has_touch=True
    ) as phone:
        page = phone.new_page()
        page.goto("#model=mnist&picture=sample:seven")
        expect(page.locator("a.card").first).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_refusal_says_what_to_do(browser: Browser, service: httpx.Client) -> None:
    with browser.new_context(base_url=str(service.base_url), locale="en-GB") as context:
        page = context.new_page()
        page.goto("#model=mnost")
        expect(page.locator(".problem")).to_contain_text("no model named 'mnost'")
        expect(page.locator(".problem")).to_contain_text("mnist")
        page.locator("#model").select_option("mnist")
        expect(page.locator("a.card").first).to_be_visible()


def test_a_sample_that_is_not_there_says_so_beside_the_layers(browser: Browser, service: httpx.Client) -> None:
    with browser.new_context(base_url=str(service.base_url), locale="en-GB") as context:
        page = context.new_page()
        lost: list[str] = []
        page.on("pageerror", lambda error: lost.append(str(error)))
        page.goto("#model=mnist&picture=sample:eight")
        expect(page.locator(".received-picture .problem")).to_be_visible()
        expect(page.locator("a.card").first).to_be_visible()
        page.get_by_role("button", name="A handwritten three").click()
        expect(page.locator(".bars .best th")).to_have_text("3")
        expect(page.locator(".received-picture .problem")).to_have_count(0)
        assert lost == []


def test_another_language_while_the_picture_is_on_its_way_shows_the_page_in_it(page: Page) -> None:
    held: list[Route] = []
    page.route("**/samples/seven.png", lambda route: held.append(route) if hold(route) else None)
    page.goto("#model=mnist&picture=sample:seven")
    expect(page.locator("a.card").first).to_be_visible()
    page.route("**/v1/models", hold)
    page.locator("#language").click()
    expect(page.locator("#strip")).to_be_empty()  # the model is asked for anew, and the picture of before comes
    with suppress(PlaywrightError):  # nobody may wait for it any more
        held.pop().continue_()
    page.evaluate("fetch('page/samples/three.png', { cache: 'no-store' }).then((answer) => answer.blob())")
    expect(page.locator(".problem")).to_have_count(0)
    page.unroute_all()
    expect(page.locator(".bars .best th")).to_have_text("7")
    expect(page.locator("#input h2").first).to_have_text("내 그림")


def test_the_same_file_can_be_chosen_again(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    page.set_input_files("#file", SAMPLES / "three.png")
    expect(page.locator(".bars .best th")).to_have_text("3")
    expect(page.locator("#file")).to_have_value("")  # so that a browser tells of the same one, too


def test_a_sheet_of_thumbnails_that_is_refused_ends_none_of_the_others(browser: Browser, service: httpx.Client) -> None:
    with browser.new_context(base_url=str(service.base_url), locale="en-GB") as context:
        page = context.new_page()
        page.route("**/feature-maps?layers=conv1,*", lambda route: route.fulfill(status=503))
        page.goto("#model=mnist&picture=sample:seven")
        expect(page.locator("a.card .thumbnail.filled")).to_have_count(2)
        expect(page.locator("a.card[data-layer=dense] .thumbnail.filled")).to_have_count(1)


def test_a_class_leads_to_its_evidence(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    page.locator(".bars").get_by_role("button", name="7", exact=True).click()
    expect(page).to_have_url(re.compile("panel=activation&klass=7"))


def test_the_received_picture_is_taken_home_with_its_numbers(page: Page) -> None:
    page.goto("#model=mnist&picture=sample:seven")
    received = page.locator(".received")
    with page.expect_download() as download:
        received.get_by_role("button", name="npy").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x93NUMPY")
    command = received.get_by_role("button", name="copy curl").get_attribute("title") or ""
    assert command.startswith("curl -F file=@seven.png -o answer.png 'http://127.0.0.1:")
    assert command.endswith("/v1/models/mnist/received?format=png'")


@contextmanager
def passing(prefix: str, service: httpx.Client) -> Iterator[str]:
    """The address that a proxy leaves as it is."""
    yield f"{str(service.base_url).rstrip('/')}{prefix}/"


@pytest.mark.parametrize("proxy", [passing, stripping], ids=["that the proxy passes on", "that the proxy strips"])
def test_the_page_works_behind_a_prefix(
    browser: Browser, proxy: Callable[[str, httpx.Client], AbstractContextManager[str]]
) -> None:
    settings = Settings(provider="cpu", root_path="/vision", request_timeout_seconds=600)
    with ready(settings) as service, proxy("/vision", service) as address:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}#model=mnist&picture=sample:three")
        expect(page.locator(".bars .best th")).to_have_text("3")
        expect(page.locator("a.card .thumbnail.filled").first).to_be_attached()
        outside = [url for url in asked if "/vision/" not in url and not url.startswith("blob:")]
        page.close()
        assert outside == []


def test_a_photograph_is_taken_and_the_camera_is_off_again(page: Page) -> None:
    page.goto("#model=cifar10")
    page.evaluate(
        """() => {
          const own = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
          navigator.mediaDevices.getUserMedia = async (asked) => (globalThis.stream = await own(asked))
        }"""
    )
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("dialog.camera video")).to_have_js_property("readyState", 4)
    page.get_by_role("button", name="Take the picture").click()
    expect(page).to_have_url(re.compile("picture=own"))
    expect(page.locator(".bars .best th")).to_have_count(1)
    assert page.evaluate("stream.getTracks().map((track) => track.readyState)") == ["ended"]


def test_without_a_camera_the_page_says_why(page: Page) -> None:
    page.goto("#model=cifar10")
    page.evaluate(
        """() => {
          navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('Requested device not found') }
        }"""
    )
    page.get_by_role("button", name="Camera").click()
    expect(page.get_by_text("No camera: Requested device not found")).to_be_visible()


def test_every_text_is_there_in_both_languages(page: Page) -> None:
    page.goto("#model=mnist")
    texts = page.evaluate(
        """async () => {
          const [{en}, {ko}] = await Promise.all([import('./page/i18n/en.js'), import('./page/i18n/ko.js')])
          return [en, ko]
        }"""
    )
    english, korean = texts
    assert sorted(english) == sorted(korean)
    assert [key for key in english if not english[key] or not korean[key]] == []
    assert [key for key in english if gaps(english[key]) != gaps(korean[key])] == []


def gaps(text: str) -> set[str]:
    """The names in braces that are filled in."""
    return set(re.findall(r"\{(\w+)\}", text))
