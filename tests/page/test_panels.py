"""The panels in a real Chromium against the real service: what they show is what the service answers.

They click and read numbers. Nothing here is timed: what a busy machine does late it still does.
"""

import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.page.conftest import SAMPLES, hold
from tests.page.test_accessibility import serious_faults

MNIST = "v1/models/mnist"


class Opened:
    """The page in one state, and the same questions asked of the service directly."""

    def __init__(self, page: Page, service: httpx.Client) -> None:
        self.page = page
        self.service = service
        self.panel = page.locator("#panel")

    def go(self, state: str, language: str = "en") -> "Opened":
        self.page.goto(f"#model=mnist&picture=sample:seven&language={language}&{state}")
        expect(self.panel.locator("h2")).to_be_visible()
        return self

    def show(self, state: str, language: str = "en") -> "Opened":
        return self.go(state, language).settled()

    def settled(self) -> "Opened":
        expect(self.page.locator("#panel[aria-busy], #panel [aria-busy]")).to_have_count(0)
        return self

    def data(self, selector: str) -> float:
        """The exact number behind what is written there."""
        return number(self.panel.locator(selector).first, "value")

    def all_data(self, selector: str) -> list[float]:
        return [number(each, "value") for each in self.panel.locator(selector).all()]

    def written_in_url(self, key: str, value: object) -> None:
        expect(self.page).to_have_url(re.compile(rf"[#&]{key}={value}(&|$)"))

    def post(self, path: str, **query: object) -> httpx.Response:
        files = {"file": ("seven.png", (SAMPLES / "seven.png").read_bytes(), "image/png")}
        words = {key: str(value) for key, value in query.items()}
        return self.service.post(f"{MNIST}/{path}", params=words, files=files, timeout=None).raise_for_status()

    def maps(self, layer: str) -> np.ndarray:
        answer: np.ndarray = np.load(io.BytesIO(self.post("feature-maps", layers=layer, format="npy").content))[0]
        return answer


def number(element: Locator, attribute: str) -> float:
    return float(word(element, attribute))


def word(element: Locator, attribute: str) -> str:
    found = element.get_attribute(attribute)
    assert found is not None, f"{element} has no {attribute}"
    return found


def width(element: Locator) -> float:
    box = element.bounding_box()
    assert box is not None, f"{element} is not shown"
    return box["width"]


@pytest.fixture
def opened(page: Page, service: httpx.Client) -> Opened:
    return Opened(page, service)


@pytest.fixture
def refused(context: BrowserContext, service: httpx.Client) -> Opened:
    """Where a question is refused: Chromium logs each as an error, which `page` would not pass."""
    return Opened(context.new_page(), service)


# --- a channel: one value re-derived


def test_the_sum_shown_is_what_unit_derives_and_what_the_map_holds(opened: Opened) -> None:
    opened.show("panel=channel&layer=conv2&channel=3&y=0&x=5")
    unit = opened.post("layers/conv2/unit", channel=3, y=0, x=5).json()
    assert opened.data(".verdict .ours data") == pytest.approx(unit["value"], rel=1e-12)
    assert opened.data(".verdict .theirs data") == pytest.approx(unit["runtime"], rel=1e-12)
    assert opened.data(".value data") == pytest.approx(float(opened.maps("conv2")[3, 0, 5]), rel=1e-5)
    expect(opened.panel.locator(".verdict").first).to_have_class(re.compile("agrees"))


def test_the_sums_of_the_input_channels_and_the_bias_add_up_to_the_value(opened: Opened) -> None:
    opened.show("panel=channel&layer=conv2&channel=3&y=0&x=5")
    parts = opened.all_data(".amounts data")
    assert len(parts) == 14  # 12 of 16 channels, the others together, the bias
    assert sum(parts) == pytest.approx(opened.data(".verdict .ours data"), rel=1e-9)


def test_the_products_shown_are_patch_times_kernel_and_padding_counts_nothing(opened: Opened) -> None:
    opened.show("panel=channel&layer=conv2&channel=3&y=0&x=5")
    patch, kernel, products = (_matrix(opened, number) for number in range(3))
    assert [value is None for value in patch] == [True] * 10 + [False] * 15  # two rows of padding above
    assert products == pytest.approx([(a or 0) * b for a, b in zip(patch, kernel, strict=True)], rel=1e-9)
    assert sum(products) == pytest.approx(opened.data(".channel-sum data"), rel=1e-9)


def _matrix(opened: Opened, number: int) -> list[Any]:
    cells = opened.panel.locator(".matrix").nth(number).locator("td").all()
    values = [cell.get_attribute("data-value") for cell in cells]  # padding has none
    return [None if value is None else float(value) for value in values]


def test_another_input_channel_can_be_looked_at(opened: Opened) -> None:
    opened.show("panel=channel&layer=conv2&channel=3&y=0&x=5")
    opened.panel.get_by_role("button", name="input 14", exact=True).click()
    sums = opened.post("layers/conv2/unit", channel=3, y=0, x=5).json()["work"]["channel_sums"]
    (wanted,) = [each["sum"] for each in sums if each["channel"] == 14]
    assert opened.data(".channel-sum data") == pytest.approx(wanted, rel=1e-9)
    expect(opened.panel.get_by_text("Input: pool1, channel 14")).to_be_visible()
    expect(opened.panel.get_by_role("button", name="input 14", exact=True)).to_be_focused()


def test_the_arrow_keys_choose_a_value_and_the_url_says_which(opened: Opened) -> None:
    opened.show("panel=channel&layer=conv2&channel=3&y=4&x=5")
    opened.panel.get_by_role("application").focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowDown")
    opened.written_in_url("x", 6)
    opened.written_in_url("y", 5)
    opened.settled()
    assert opened.data(".verdict .theirs data") == pytest.approx(float(opened.maps("conv2")[3, 5, 6]), rel=1e-5)
    expect(opened.page.locator("#said")).to_contain_text("row 5, column 6")


def test_pointing_at_a_value_chooses_it_and_a_click_holds_it(opened: Opened) -> None:
    opened.show("panel=channel&layer=conv2&channel=3&y=0&x=0")
    cells = opened.panel.get_by_role("application").locator("canvas")
    size = width(cells) / 14
    cells.hover(position={"x": 9.5 * size, "y": 2.5 * size})
    opened.written_in_url("x", 9)
    cells.click(position={"x": 8.5 * size, "y": 3.5 * size})
    cells.hover(position={"x": 1.5 * size, "y": 1.5 * size})
    opened.settled()
    opened.written_in_url("x", 8)
    assert opened.data(".verdict .theirs data") == pytest.approx(float(opened.maps("conv2")[3, 3, 8]), rel=1e-5)


def test_the_box_on_the_picture_is_the_receptive_field(opened: Opened) -> None:
    opened.show("panel=channel&layer=pool2&channel=0&y=3&x=3")
    seen = opened.post("layers/pool2/unit", channel=0, y=3, x=3).json()["receptive_field"]["clipped"]
    box = opened.panel.locator(".field.seen")
    corner = [number(box, name) for name in ("y", "x", "height", "width")]
    assert corner == [seen["top"], seen["left"], seen["bottom"] - seen["top"] + 1, seen["right"] - seen["left"] + 1]


def test_playing_slides_the_window_by_its_stride_until_it_is_paused(opened: Opened) -> None:
    opened.show("panel=channel&layer=pool1&channel=3&y=2&x=0")
    opened.panel.get_by_role("button", name="Slide the window").click()
    expect(opened.panel.locator(".cursor")).to_have_attribute("x", "2")
    opened.panel.get_by_role("button", name="Pause").click()
    opened.settled()
    column = number(opened.panel.locator(".cursor"), "x")
    window = {number(each, "x") for each in opened.panel.locator(".window").all()}
    assert window == {2 * column, 2 * column + 1}  # a window of 2 with a stride of 2


def test_the_window_stands_in_the_padding_where_the_first_value_is(opened: Opened) -> None:
    opened.show("panel=channel&layer=conv1&channel=0&y=0&x=0")
    corners = [(number(each, "y"), number(each, "x")) for each in opened.panel.locator(".window").all()]
    assert len(corners) == 25
    assert min(corners) == (-2.0, -2.0)
    frame = opened.panel.locator(".framed", has=opened.page.locator(".window"))
    cells = width(frame) / width(frame.locator("canvas")) * 28
    assert cells == pytest.approx(28 + 2 + 2, abs=0.01)  # the padding is drawn, as wide as it is


@pytest.mark.parametrize(
    ("layer", "where", "asked"),
    [
        ("pool1", "&y=5&x=5", {"y": 5, "x": 5}),
        ("bn1", "&y=5&x=5", {"y": 5, "x": 5}),
        ("relu1", "&y=5&x=5", {"y": 5, "x": 5}),
        ("dense", "", {}),
    ],
)
def test_every_kind_of_layer_is_re_derived(opened: Opened, layer: str, where: str, asked: dict[str, int]) -> None:
    opened.show(f"panel=channel&layer={layer}&channel=3{where}")
    unit = opened.post(f"layers/{layer}/unit", channel=3, **asked).json()
    assert opened.data(".verdict .ours data") == pytest.approx(unit["value"], rel=1e-12, abs=1e-12)


def test_a_layer_that_cannot_be_re_derived_says_which_can(refused: Opened) -> None:
    refused.show("panel=channel&layer=flatten&channel=3")
    expect(refused.panel.get_by_role("alert")).to_contain_text("a flatten is not re-derived; these are: add")


def test_a_finger_that_begins_on_the_map_scrolls_the_page(browser: Browser, service: httpx.Client) -> None:
    with browser.new_context(
        base_url=str(service.base_url), viewport={"width": 390, "height": 844}, has_touch=True, locale="en-GB"
    ) as phone:
        opened = Opened(phone.new_page(), service).show("panel=channel&layer=conv2&channel=3&y=0&x=0")
        place = opened.panel.get_by_role("application")
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        assert box
        before = opened.page.evaluate("scrollY")
        drag(opened.page, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, down=200)
        opened.page.wait_for_function("before => scrollY < before", arg=before)


def drag(page: Page, x: float, y: float, down: float) -> None:
    """A finger set down, moved and lifted: what becomes of it is the browser's."""
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 11):
        at = {"x": x, "y": y + down * step / 10}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


# --- a layer: its maps, its row, its filters


def test_every_channel_has_a_tile_and_a_tile_opens_its_channel(opened: Opened) -> None:
    opened.show("panel=layer&layer=conv2")
    tiles = opened.panel.locator(".tile")
    expect(tiles).to_have_count(48)
    tiles.nth(17).click()
    opened.written_in_url("channel", 17)
    opened.written_in_url("panel", "channel")


def test_the_keyboard_moves_through_the_tiles(opened: Opened) -> None:
    opened.show("panel=layer&layer=conv2")
    opened.panel.locator(".tile").first.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        opened.page.keyboard.press(key)
    opened.written_in_url("channel", 8)  # seven in a row


@pytest.mark.parametrize("scale", ["layer", "channel"])
def test_a_tile_has_the_colours_of_the_services_own_picture(opened: Opened, scale: str) -> None:
    opened.show(f"panel=layer&layer=relu1&scale={scale}")
    answer = opened.post("feature-maps", layers="relu1", format="png", scale=scale)
    legend = json.loads(answer.headers["x-legend"])
    picture = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))
    down, across = divmod(legend["channels"].index(3), legend["columns"])
    top, left = down * (legend["cell_height"] + 1), across * (legend["cell_width"] + 1)
    one = legend["magnification"]
    theirs = picture[top : top + legend["cell_height"] : one, left : left + legend["cell_width"] : one]
    assert np.array_equal(_pixels(opened, '[data-channel="3"] canvas'), theirs)


def _pixels(opened: Opened, selector: str) -> np.ndarray:
    read = """canvas => {
      const { height, width } = canvas
      return [height, width, [...canvas.getContext('2d').getImageData(0, 0, width, height).data]]
    }"""
    height, width, values = opened.panel.locator(selector).evaluate(read)
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def test_a_value_is_a_square_of_whole_pixels(opened: Opened) -> None:
    opened.show("panel=layer&layer=pool2")
    canvas = opened.panel.locator(".tile canvas").first
    assert (canvas.get_attribute("width"), canvas.get_attribute("height")) == ("7", "7")
    assert width(canvas) % 7 == pytest.approx(0)


def test_the_scale_stays_in_the_url_and_repaints_the_maps(opened: Opened) -> None:
    opened.show("panel=layer&layer=conv2")
    before = _pixels(opened, '[data-channel="3"] canvas')
    opened.panel.get_by_role("radio", name="shared").check()
    opened.written_in_url("scale", "shared")
    expect(opened.panel.get_by_text("One range for all layers of the network.")).to_be_visible()
    assert (before != _pixels(opened, '[data-channel="3"] canvas')).any()


def test_the_statistics_and_the_clipping_are_those_of_the_service(opened: Opened) -> None:
    opened.show("panel=layer&layer=conv2")
    told = opened.post("feature-maps", layers="conv2").json()["results"][0]["layers"][0]["statistics"]
    shown = opened.all_data(".statistics data")
    assert shown == pytest.approx(
        [told[key] for key in ("min", "mean", "max", "std", "zeros")] + [len(told["dead_channels"])]
    )
    legend = json.loads(opened.post("feature-maps", layers="conv2", format="png").headers["x-legend"])
    assert opened.all_data(".maps .legend data") == pytest.approx([legend["low"], 0, legend["high"]], rel=1e-6)
    expect(opened.panel.locator(".maps .legend")).to_contain_text(f"{100 * legend['clipped']:.3g} % of the values")


def test_dead_channels_are_hatched(opened: Opened) -> None:
    opened.show("panel=layer&layer=pool3")
    told = opened.post("feature-maps", layers="pool3").json()["results"][0]["layers"][0]["statistics"]
    assert told["dead_channels"], "this seven leaves a channel of pool3 at zero"
    tiles = opened.panel.locator(".tile.dead")
    assert [number(tile, "data-channel") for tile in tiles.all()] == told["dead_channels"]
    expect(tiles.first).to_have_attribute("aria-label", re.compile("dead, all zeros"))
    expect(tiles.first.locator("canvas")).to_have_css("background-image", re.compile("repeating-linear-gradient"))


def test_channels_that_do_not_fit_are_on_the_next_pages_and_none_is_missing(opened: Opened) -> None:
    opened.show("panel=layer&layer=flatten")
    seen: list[int] = []
    for page in range(1, 8):
        expect(opened.panel.get_by_text(f"page {page} of 7")).to_be_visible()
        seen += [int(word(tile, "data-channel")) for tile in opened.panel.locator(".tile").all()]
        if page < 7:
            opened.panel.get_by_role("button", name="Next").click()
    assert seen == list(range(864))
    expect(opened.panel.get_by_role("button", name="Next")).to_be_disabled()


def test_who_turns_pages_by_keys_stays_at_the_button(opened: Opened) -> None:
    opened.show("panel=layer&layer=flatten")
    after, before = (opened.panel.get_by_role("button", name=name, exact=True) for name in ("Next", "Previous"))
    after.focus()
    for page in range(2, 7):
        opened.page.keyboard.press("Enter")
        expect(opened.panel.get_by_text(f"page {page} of 7")).to_be_visible()
        expect(after).to_be_focused()
    opened.page.keyboard.press("Enter")
    expect(before).to_be_focused()  # the last page has no next


def test_who_opens_a_tile_by_keys_goes_on_from_the_title(opened: Opened) -> None:
    opened.show("panel=layer&layer=conv2")
    opened.panel.locator(".tile").first.focus()
    opened.page.keyboard.press("Enter")
    opened.written_in_url("panel", "channel")
    expect(opened.panel.locator("h2")).to_be_focused()
    opened.page.keyboard.press("Tab")
    expect(opened.panel.get_by_role("button", name="All channels")).to_be_focused()


def test_the_row_of_the_table_stands_with_its_formulas(opened: Opened) -> None:
    opened.show("panel=layer&layer=conv2")
    facts = opened.panel.locator(".facts")
    for words in ("floor((14 + 2*2 - 5)/1) + 1 = 14", "48*16*5*5 + 48 = 19,248", "14 × 14 pixels, 2 × 2 from one unit"):
        expect(facts).to_contain_text(words)


def test_the_slider_uncovers_the_filters_before_training(opened: Opened) -> None:
    opened.show("panel=layer&layer=conv1")
    before, after = _pixels(opened, ".wiped .above"), _pixels(opened, ".wiped .sheet:not(.above)")
    assert before.shape == after.shape
    assert (before != after).any()
    slider = opened.panel.get_by_role("slider", name="Before (version 0")
    slider.fill("25")
    expect(opened.panel.locator(".wiped .above")).to_have_css("clip-path", "inset(0px 75% 0px 0px)")
    expect(slider).to_have_attribute("aria-valuetext", "25 % before")
    told = opened.service.get(f"{MNIST}/layers/conv1/filters", params={"with_version": "0"}, timeout=None).json()
    change = told["change"]["relative_change"]
    expect(opened.panel).to_contain_text(f"moved the weights by {100 * change:.3g} % of their length")


# --- compare, shift, class activation, depth


def test_two_versions_are_compared_in_their_answers_and_in_every_layer(opened: Opened) -> None:
    opened.show("panel=compare&other=version:0&layer=pool1")
    told = opened.post("compare", with_version=0).json()
    network = {layer["id"]: layer["difference"]["relative"] for layer in told["layers"]}
    a, b = (told["answers"][side][0]["label"] for side in "ab")
    expect(opened.panel.locator(".verdict")).to_contain_text(f"This one answers {a} ")
    expect(opened.panel.locator(".verdict")).to_contain_text(f"the other {b} ")
    row = opened.panel.locator("li", has=opened.page.get_by_role("button", name="conv2", exact=True))
    assert number(row.locator("data"), "value") == pytest.approx(network["conv2"], rel=1e-6)
    expect(opened.panel.locator(".side").nth(2).locator(".tile")).to_have_count(16)
    row.get_by_role("button").click()
    opened.written_in_url("layer", "conv2")
    expect(opened.panel.locator(".side").nth(2).locator(".tile")).to_have_count(48)


def test_two_pictures_are_compared_on_one_scale(opened: Opened) -> None:
    opened.show("panel=compare&other=sample:three&layer=conv1")
    expect(opened.panel.locator(".verdict")).to_contain_text("This one answers 7")
    expect(opened.panel.locator(".verdict")).to_contain_text("the other 3")
    own, other = ("nth=0", "nth=1")
    same = [_pixels(opened, f".side >> {side} >> [data-channel='0'] canvas")[0, 0].tolist() for side in (own, other)]
    assert same[0] == same[1]  # the corner is black in both pictures: one value, one colour


def test_of_two_choices_the_newer_one_is_compared_however_late_the_older_picture_comes(opened: Opened) -> None:
    opened.show("panel=compare&other=version:0&layer=conv1")
    opened.page.route("**/samples/three.png", hold)
    choice = opened.panel.get_by_role("combobox", name="Compare with")
    with opened.page.expect_request("**/samples/three.png"):
        choice.select_option("sample:three")
    choice.select_option("version:2")
    opened.page.unroute("**/samples/three.png")
    opened.page.evaluate("fetch('page/samples/three.png').then((answer) => answer.blob())")
    opened.settled()
    expect(opened.panel.locator(".answers h4").nth(1)).to_have_text("version 2")


def test_a_picture_to_compare_with_that_cannot_be_had_is_an_error_to_try_again(refused: Opened) -> None:
    refused.show("panel=compare&other=version:0&layer=conv1")
    refused.page.route("**/samples/three.png", lambda route: route.abort())
    refused.panel.get_by_role("combobox", name="Compare with").select_option("sample:three")
    expect(refused.panel.get_by_role("alert")).to_contain_text("The service does not answer")
    refused.page.unroute("**/samples/three.png")
    refused.panel.get_by_role("button", name="Try again").click()
    expect(refused.panel.locator(".verdict")).to_contain_text("the other 3")


def test_a_small_picture_is_moved_as_far_as_it_is_large(opened: Opened) -> None:
    opened.page.goto("#model=digits&picture=sample:seven&panel=shift&dx=16&dy=-16")
    opened.settled()
    expect(opened.panel).to_contain_text("of these 7 shifts")
    expect(opened.panel).to_contain_text("for 1 to 7 pixels to the right")
    for name, moved in {"To the right": "7", "Downwards": "-7"}.items():
        expect(opened.panel.get_by_role("slider", name=name)).to_have_value(moved)
        expect(opened.panel.get_by_role("slider", name=name)).to_have_attribute("max", "7")


def test_moving_the_slider_moves_the_picture_and_says_how_little_is_noticed(opened: Opened) -> None:
    opened.show("panel=shift&dx=1")
    _says_what_moved(opened, dx=1, dy=0)
    opened.panel.get_by_role("slider", name="Downwards").fill("2")
    opened.written_in_url("dy", 2)
    opened.settled()
    _says_what_moved(opened, dx=1, dy=2)


def _says_what_moved(opened: Opened, dx: int, dy: int) -> None:
    told = opened.post("shift", dx=dx, dy=dy).json()
    relative = {layer["id"]: layer["changes"][0]["relative"] for layer in told["layers"]}
    moved = told["shifts"][0]["input"]["relative"]
    words = opened.panel.locator(".words").first
    expect(words).to_contain_text(f"the input changed by {100 * moved:.3g} % of its length")
    expect(words).to_contain_text(f"Layer pool3, the last pooling, changed by {100 * relative['pool3']:.3g} %")
    shown = opened.all_data(".amounts data")
    assert shown[0] == pytest.approx(moved, rel=1e-9)
    assert shown[-1] == pytest.approx(relative["dense"], rel=1e-9)


def test_the_curve_counts_the_shifts_that_keep_the_answer(opened: Opened) -> None:
    opened.show("panel=shift&dx=1")
    told = opened.post("shift", dx=",".join(map(str, range(1, 17)))).json()
    kept = sum(each["answer"]["same_class"] for each in told["shifts"])
    expect(opened.panel).to_contain_text(f"stays the same for {kept} of these 16 shifts")
    expect(opened.panel.locator(".curve")).to_have_count(5)  # the input, three poolings, the answer


def test_the_evidence_lies_where_the_layer_looked_under_a_slider_of_opacity(opened: Opened) -> None:
    opened.show("panel=activation")
    told = opened.post("class-activation").json()
    expect(opened.panel.locator(".words")).to_contain_text("Grad-CAM of relu3")
    expect(opened.panel.locator(".words")).to_contain_text(told["formula"])
    evidence, picture = opened.panel.locator(".evidence"), opened.panel.locator(".overlaid canvas").first
    laid, below = evidence.bounding_box(), picture.bounding_box()
    assert laid
    assert below
    pixel = below["width"] / 28
    (_, centre), (_, jump) = told["on_picture"]["centre"], told["on_picture"]["jump"]
    assert laid["x"] - below["x"] == pytest.approx((centre - jump / 2 + 0.5) * pixel, abs=0.5)
    assert laid["width"] == pytest.approx(7 * jump * pixel, abs=0.5)
    opened.panel.get_by_role("slider", name="Opacity").fill("20")
    expect(evidence).to_have_css("opacity", "0.2")


def test_the_evidence_lies_within_a_narrow_phone(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 320, "height": 640})
    opened.show("panel=activation")
    evidence, room = opened.panel.locator(".overlaid").bounding_box(), opened.panel.bounding_box()
    assert evidence
    assert room
    assert evidence["x"] + evidence["width"] < room["x"] + room["width"]


def test_another_class_has_other_evidence_and_the_url_says_which(opened: Opened) -> None:
    opened.show("panel=activation")
    before = _pixels(opened, ".evidence")
    opened.panel.get_by_role("combobox", name="Class").select_option("3")
    opened.written_in_url("klass", 3)
    expect(opened.panel.locator(".words")).to_contain_text("For 3 (")
    opened.panel.get_by_role("combobox", name="Method").select_option("occlusion")
    opened.written_in_url("method", "occlusion")
    assert (before != _pixels(opened, ".evidence")).any()


def test_a_method_that_does_not_fit_says_which_does(refused: Opened) -> None:
    refused.show("panel=activation")
    refused.panel.get_by_role("combobox", name="Method").select_option("cam")
    expect(refused.panel.get_by_role("alert")).to_contain_text("ask for method=grad-cam")


def test_the_depth_goes_from_the_first_layer_to_the_last(opened: Opened) -> None:
    opened.show("panel=depth")
    columns = opened.panel.locator(".columns > li")
    names = [column.locator(".name").inner_text() for column in columns.all()]
    assert names == ["conv1", "pool1", "conv2", "pool2", "conv3", "pool3", "dense"]
    expect(columns.nth(2)).to_contain_text("48 × 14 × 14")
    expect(columns.nth(2)).to_contain_text("9,408")
    maps = opened.maps("pool2")
    strongest = sorted(np.argsort(-maps.max(axis=(1, 2)), kind="stable")[:5].tolist())
    shown = [tile.get_attribute("title") for tile in columns.nth(3).locator(".tile").all()]
    assert shown == [f"pool2, channel {channel}" for channel in strongest]


# --- what holds for all of them


def test_a_long_job_can_be_cancelled_and_tried_again(refused: Opened) -> None:
    refused.page.route("**/class-activation*", lambda _: None)  # an answer that never comes
    refused.go("panel=activation")
    expect(refused.panel.get_by_role("progressbar")).to_be_visible()
    refused.panel.get_by_role("button", name="Cancel").click()
    expect(refused.panel).to_contain_text("Cancelled.")
    refused.page.unroute("**/class-activation*")
    refused.panel.get_by_role("button", name="Try again").click()
    expect(refused.panel.locator(".words")).to_contain_text("Grad-CAM")


def test_an_error_says_what_to_do_in_the_services_words(refused: Opened) -> None:
    words = {"status": 504, "code": "deadline_exceeded", "detail": "no answer within 10 s", "remedy": "try again later"}
    problem = json.dumps(words)
    refused.page.route(
        "**/v1/**/shift*",
        lambda route: route.fulfill(status=504, content_type="application/problem+json", body=problem),
    )
    refused.go("panel=shift&dx=1")
    alert = refused.panel.get_by_role("alert").first
    expect(alert).to_contain_text("no answer within 10 s")
    expect(alert).to_contain_text("try again later")


PANELS = {
    "layer": "panel=layer&layer=conv2",
    "channel": "panel=channel&layer=conv2&channel=3&y=0&x=5",
    "compare": "panel=compare&other=version:0&layer=conv1",
    "shift": "panel=shift&dx=2",
    "activation": "panel=activation",
    "depth": "panel=depth",
}


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("state", PANELS.values(), ids=PANELS)
def test_every_word_has_a_text_and_a_phone_is_wide_enough(opened: Opened, state: str, language: str) -> None:
    opened.page.set_viewport_size({"width": 390, "height": 844})
    opened.show(state, language)
    assert not re.findall(r"\bpanel\.\w+|\{\w+\}", opened.panel.inner_text())
    assert opened.page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0


@pytest.mark.parametrize("state", PANELS.values(), ids=PANELS)
def test_no_panel_has_a_serious_fault_of_accessibility(opened: Opened, state: str) -> None:
    opened.show(state)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        opened.page.emulate_media(color_scheme=scheme)
        assert serious_faults(opened.page) == []


@pytest.mark.parametrize("state", PANELS.values(), ids=PANELS)
def test_every_panel_offers_a_picture_and_the_command_that_makes_it(
    opened: Opened, state: str, tmp_path: Path, curl: Callable[[str, Path], bytes]
) -> None:
    """The command is run as it stands, where the picture lies under the name that the command says."""
    opened.show(state)
    buttons = opened.panel.locator(".downloads").first
    with opened.page.expect_download() as download:
        buttons.get_by_role("button", name="PNG").click()
    saved = Path(download.value.path()).read_bytes()
    shutil.copy(SAMPLES / "seven.png", tmp_path)
    made = curl(word(buttons.get_by_role("button", name="curl"), "title"), tmp_path)
    assert np.array_equal(_decoded(saved), _decoded(made))


def _decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.fixture
def curl() -> Callable[[str, Path], bytes]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")

    def run(command: str, folder: Path) -> bytes:
        subprocess.run([*shlex.split(command), "--silent", "--fail"], cwd=folder, check=True)  # noqa: S603
        return (folder / "answer.png").read_bytes()

    return run
