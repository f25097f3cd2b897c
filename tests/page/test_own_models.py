"""The page of somebody's own models: made elsewhere, with channels last, with tokens, and one that cannot be used."""

from collections.abc import Iterator

import httpx
import numpy as np
import onnx
import pytest
from onnx import helper
from playwright.sync_api import Locator, Page, expect

from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import put, ready


def channels_last() -> onnx.ModelProto:
    """A convolution, its map with the channels last, that as tokens, and classes."""
    random = np.random.default_rng(0)
    weights = {"filters": random.normal(size=(5, 3, 3, 3)), "weights": random.normal(size=(5, 4))}
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["conv"], kernel_shape=[3, 3]),
        helper.make_node("Transpose", ["conv"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Tanh", ["last"], ["tanh"]),
        helper.make_node("Reshape", ["tanh", "tokens.shape"], ["tokens"]),
        helper.make_node("Softmax", ["tokens"], ["attention"]),
        helper.make_node("ReduceMean", ["attention", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
    ]
    made = tiny_models.model(
        nodes, weights, ("image", tiny_models.FLOAT, ["batch", 3, 8, 10]), ("logits", tiny_models.FLOAT, ["batch", 4])
    )
    for name, values in {"tokens.shape": [0, 48, 5], "axes": [1]}.items():
        made.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
    return made


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    models = tmp_path_factory.mktemp("models")
    put(models, "foreign", tiny_models.classifier())
    put(models, "last", channels_last())
    put(models, "broken", onnx.ModelProto())
    with ready(Settings(models=models, provider="cpu", request_timeout_seconds=600)) as client:
        yield client


def show(page: Page, model: str, state: str) -> Locator:
    """The panel, once nothing in it is under way."""
    page.goto(f"#model={model}&picture=sample:seven&{state}")
    panel = page.locator("#panel")
    expect(panel.locator("h2")).to_be_visible()
    expect(page.locator("#panel[aria-busy], #panel [aria-busy]")).to_have_count(0)
    return panel


def colours(panel: Locator) -> list[list[int]]:
    read = "all => all.map((one) => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data])"
    found: list[list[int]] = panel.locator(".tile canvas").evaluate_all(read)
    return found


def test_a_model_made_elsewhere_says_so_in_words(page: Page) -> None:
    page.goto("#model=foreign&picture=sample:seven")
    expect(page.locator("#version option").last).to_have_text("1 · made elsewhere")


def test_a_model_that_cannot_be_used_says_why_and_another_can_be_chosen(page: Page, service: httpx.Client) -> None:
    (version,) = service.get("v1/models/broken").json()["versions"]
    page.goto("#model=broken&picture=sample:seven&panel=activation")
    expect(page.locator(".problem")).to_contain_text("Version 1 of broken cannot be used.")
    expect(page.locator(".problem")).to_contain_text(version["reason"])
    expect(page.locator("#model")).to_have_value("broken")  # so that the first of the others is a choice
    page.locator("#model").select_option("foreign")
    expect(page.locator(".bars .best")).to_have_count(1)


@pytest.mark.parametrize("scale", ["layer", "channel"])
def test_maps_with_their_channels_last_look_like_those_with_their_channels_first(page: Page, scale: str) -> None:
    first = colours(show(page, "last", f"panel=layer&layer=conv_1&scale={scale}"))
    last = colours(show(page, "last", f"panel=layer&layer=transpose_1&scale={scale}"))
    assert len(first) == 5
    assert last == first


def test_tokens_are_one_map_without_channels(page: Page) -> None:
    panel = show(page, "last", "panel=layer&layer=softmax_1")
    expect(panel.locator(".tile")).to_have_count(1)
    expect(panel.locator(".tile canvas")).to_have_attribute("height", "48")
    expect(panel.locator(".statistics dt").last).to_have_text("zeros")  # no channel, so none that is dead
    expect(panel.get_by_role("alert")).to_have_count(0)
