"""Feature maps in every form: the numbers against each other, the pictures against the numbers, the limits followed."""

import io
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image

from service.errors import AnswerTooLargeError, FoveaError, InvalidParameterError
from service.images.decoding import ImageLimits
from service.inspection.forms import Reply
from service.inspection.maps import map_limits
from service.inspection.maps.feature_maps import feature_maps
from service.inspection.maps.map_limits import Address
from service.inspection.maps.map_query import FeatureMapsQuery
from service.inspection.maps.map_reading import SentImage
from service.inspection.network import Network
from tests.inspected import network as opened
from tests.networks import chain, conv, dense, plain, pool
from tests.networks import network as graph

SIDE = 16
MEBIBYTE = 2**20


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


ONE: list[SentImage] = [("first.png", png(0))]
TWO: list[SentImage] = [*ONE, ("second.png", png(1))]


def classifier() -> onnx.ModelProto:
    stages = [
        conv("conv1", 6, 3, 3, pads=[1] * 4),
        plain("Relu", "relu1"),
        pool("pool1", 2, 2),
        conv("conv2", 4, 6, 3),
        plain("Relu", "relu2"),
        plain("GlobalAveragePool", "pooled"),
        plain("Flatten", "flatten"),
        dense("fc", 4, 3),
    ]
    return chain(stages, ("batch", 3, SIDE, SIDE))


@dataclass(frozen=True)
class Asker:
    network: Network = field(default_factory=lambda: opened(classifier()))

    def __call__(self, images: list[SentImage] | None = None, *, max_bytes: int = MEBIBYTE, **query: Any) -> Reply:
        asked = FeatureMapsQuery.model_validate_strings({name: str(value) for name, value in query.items()})
        return feature_maps(self.network, images or ONE, asked, ImageLimits(), max_bytes, Address("tiny", 3, "/v"))

    def json(self, images: list[SentImage] | None = None, **query: Any) -> dict[str, Any]:
        return dict(json.loads(self(images, **query).body))

    def npz(self, images: list[SentImage] | None = None, **query: Any) -> dict[str, np.ndarray]:
        return dict(np.load(io.BytesIO(self(images, format="npz", **query).body)))

    def npy(self, images: list[SentImage] | None = None, **query: Any) -> np.ndarray:
        return np.asarray(np.load(io.BytesIO(self(images, format="npy", **query).body)))

    def legend(self, images: list[SentImage] | None = None, **query: Any) -> dict[str, Any]:
        return dict(json.loads(self(images, format="png", **query).legend or ""))


ask = Asker()


def pixels(reply: Reply) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(reply.body)).convert("RGB"))


# --- before and after activation


def test_behind_the_activation_is_what_relu_leaves_and_each_entry_says_which_it_is() -> None:
    found = ask.npz(layers="conv1", activation="both")
    assert np.array_equal(found["conv1+relu_1"], np.maximum(found["conv1"], 0))
    before, after = ask.json(layers="conv1", activation="both")["results"][0]["layers"]
    assert [(one["id"], one["activation"], one["tensor"]) for one in (before, after)] == [
        ("conv1", "before", "conv1"),
        ("conv1", "after", "relu1"),
    ]
    assert before["statistics"]["min"] < 0
    assert after["statistics"]["min"] == 0


def test_a_layer_without_activation_stays_among_the_layers_behind_theirs() -> None:
    assert list(ask.npz(layers="conv*,fc", activation="after")) == ["conv1+relu_1", "conv2+relu_2", "fc"]


# --- several images


def test_each_image_has_its_own_result_and_all_of_them_one_together() -> None:
    answer = ask.json(TWO, layers="conv1,conv2")
    alone = [ask.json([image], layers="conv1,conv2")["results"][0] for image in TWO]
    assert answer["results"] == alone
    assert [result["image"] for result in answer["results"]] == ["first.png", "second.png"]
    values = ask.npy(TWO, layers="conv2").astype(np.float64)
    statistics = answer["together"][1]["statistics"]
    assert answer["together"][1]["id"] == "conv2"
    assert (statistics["images"], statistics["min"], statistics["max"]) == (2, values.min(), values.max())
    assert statistics["mean"] == pytest.approx(values.mean())
    assert statistics["std"] == pytest.approx(values.std())


def test_one_image_has_no_together() -> None:
    assert "together" not in ask.json(layers="conv1")


def test_a_bad_image_among_good_ones_is_its_own_error_in_json_and_named_elsewhere() -> None:
    sent = [*ONE, ("bad.png", b"<html>"), *ONE]
    answer = ask.json(sent, layers="conv1")
    good, bad, _ = answer["results"]
    assert bad["error"]["code"] == "image_format_unsupported"
    assert "layers" not in bad
    assert good["layers"][0]["id"] == "conv1"
    assert answer["together"][0]["statistics"]["images"] == 2
    for form in ("npz", "npy", "png"):
        with pytest.raises(FoveaError) as refused:
            ask(sent, layers="conv1", format=form)
        assert refused.value.detail.startswith("image 1: the bytes are")


def test_a_single_bad_image_is_the_answer() -> None:
    with pytest.raises(FoveaError, match="the bytes are"):
        ask([(None, b"<html>")], layers="conv1")


def test_numbers_of_several_images_are_named_by_image_or_stacked() -> None:
    named = ask.npz(TWO, layers="conv1,fc")
    assert list(named) == ["0.conv1", "0.fc", "1.conv1", "1.fc"]
    assert np.array_equal(ask.npy(TWO, layers="conv1"), np.concatenate([named["0.conv1"], named["1.conv1"]]))


# --- channels


def test_named_channels_are_those_of_the_whole_layer_in_every_form() -> None:
    whole = ask.npy(layers="conv1")
    assert np.array_equal(ask.npy(layers="conv1", channel="4,0"), whole[:, [4, 0]])
    assert np.array_equal(ask.npz(layers="conv1", channel="4")["conv1"], whole[:, [4]])
    (layer,) = ask.json(layers="conv1", channel="4,0", values=True, channels=True)["results"][0]["layers"]
    assert np.array(layer["values"]) == pytest.approx(whole[:, [4, 0]])
    assert [one["channel"] for one in layer["channels"]] == [4, 0]
    assert layer["statistics"]["max"] == whole.max()


def test_the_mean_of_the_channels_is_one_map() -> None:
    mean = ask.npy(layers="conv1").mean(axis=1, keepdims=True)
    assert ask.npy(layers="conv1", channel="mean") == pytest.approx(mean, abs=1e-6)
    assert ask.legend(layers="conv1", channel="mean")["title"] == "tiny 3: conv1, mean of 6 channels"


@pytest.mark.parametrize("form", ["npz", "npy", "png"])
def test_a_channel_that_is_not_there_is_refused_with_those_that_are(form: str) -> None:
    with pytest.raises(InvalidParameterError, match="channel=6 cannot be used; layer conv1 has channels 0 to 5"):
        ask(layers="conv1", channel="6", format=form)


@pytest.mark.parametrize("text", ["", "a", "1,", "-1", "1;2", "99999999999"])
def test_a_channel_is_a_number(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="name channels by number"):
        ask(layers="conv1", channel=text)


def channels_last() -> Asker:
    """transpose_1 is what conv_1 found, with its channels last."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"], kernel_shape=[3, 5]),
        helper.make_node("Transpose", ["conv"], ["nhwc"], perm=[0, 2, 3, 1]),
        helper.make_node("Relu", ["nhwc"], ["relu"]),
    ]
    return Asker(opened(graph(nodes, {"image": (1, 3, SIDE, SIDE)}, ["relu"], weights={"w": (2, 3, 3, 5)})))


@pytest.mark.parametrize("query", [{}, {"channel": "1"}, {"channel": "mean"}])
def test_numbers_are_sent_channels_first_however_the_file_has_them(query: dict[str, Any]) -> None:
    last = channels_last()
    found = last.npz(layers="conv_1,transpose_1", **query)
    assert np.array_equal(found["transpose_1"], found["conv_1"])
    assert np.array_equal(last.npy(TWO, layers="transpose_1", **query), last.npy(TWO, layers="conv_1", **query))
    one, other = last.json(layers="conv_1,transpose_1", values=True, **query)["results"][0]["layers"]
    assert other["values"] == one["values"]


def test_channels_of_a_map_with_channels_last_are_found_by_the_picture() -> None:
    last = channels_last()
    one, other = last.json(layers="conv_1,transpose_1", channels=True)["results"][0]["layers"]
    for mine, same in zip(one["channels"], other["channels"], strict=True):
        assert mine.pop("counts") == same.pop("counts")
        assert mine == pytest.approx(same)
    pictures = [last(layers=layer, format="png") for layer in ("conv_1", "transpose_1")]
    assert np.array_equal(pixels(pictures[0]), pixels(pictures[1]))


# --- pictures


def test_one_channel_is_the_same_colours_enlarged_as_among_the_others() -> None:
    alone, among = ask.legend(layers="conv1", channel=2), ask.legend(layers="conv1")
    assert alone["channels"] == [2]
    assert alone["magnification"] > among["magnification"]
    assert (alone["low"], alone["high"]) == (among["low"], among["high"])


def test_channels_are_sorted_by_their_mean_or_their_maximum() -> None:
    maps = ask.npy(layers="conv1")[0]
    assert ask.legend(layers="conv1", sort="mean")["channels"] == np.argsort(-maps.mean(axis=(1, 2))).tolist()
    assert ask.legend(layers="conv1", sort="max")["channels"] == np.argsort(-maps.max(axis=(1, 2))).tolist()


def test_on_the_shared_scale_what_relu_leaves_has_the_colours_it_had_before() -> None:
    before = ask(layers="conv1", activation="before", scale="shared", format="png")
    after = ask(layers="conv1", activation="after", scale="shared", format="png")
    of_relu = ask(layers="relu_1", scale="shared", format="png")
    assert np.array_equal(pixels(after), pixels(of_relu))
    assert json.loads(after.legend or "")["colormap"] == "diverging"
    assert json.loads(after.legend or "")["mode"] == "shared"
    values, same = ask.npy(layers="conv1")[0, 0], pixels(before) == pixels(after)
    step = json.loads(after.legend or "")["magnification"]
    kept = same[: SIDE * step : step, : SIDE * step : step].all(axis=-1)
    assert np.array_equal(kept[values > 0.01], np.ones((values > 0.01).sum(), bool))
    assert not kept[values < -0.1].any()


def test_a_range_of_ones_own_is_the_same_for_every_picture() -> None:
    legends = [ask.legend(layers=layer, low=-1, high=1) for layer in ("conv1", "relu_1")]
    assert [(one["low"], one["high"], one["mode"], one["colormap"]) for one in legends] == [
        (-1, 1, "fixed", "diverging")
    ] * 2


def test_several_layers_are_rows_of_one_picture_each_with_its_range() -> None:
    legend = ask.legend(layers="conv1,relu_1,fc")
    assert [row["title"] for row in legend["rows"]] == [f"tiny 3: {name}" for name in ("conv1", "relu_1", "fc")]
    assert [row["colormap"] for row in legend["rows"][:2]] == ["diverging", "sequential"]
    shared = ask.legend(layers="conv1,relu_1", scale="shared")["rows"]
    assert (shared[0]["low"], shared[0]["high"]) == (shared[1]["low"], shared[1]["high"])


def test_two_images_are_rows_with_the_same_channels() -> None:
    rows = ask.legend(TWO, layers="conv1", sort="max")["rows"]
    assert [row["title"] for row in rows] == ["tiny 3: conv1, image 0", "tiny 3: conv1, image 1"]
    assert rows[0]["channels"] == rows[1]["channels"]
    assert [row["channels"] for row in ask.legend(TWO, layers="conv1", channel="5,1")["rows"]] == [[5, 1]] * 2


def test_an_overlay_lies_where_the_layer_looks() -> None:
    legend = ask.legend(layers="conv2", channel=1, overlay=True)
    step = legend["magnification"]
    assert (legend["cell_height"] / step, legend["top"] / step) == (2, 2)  # centre 2.5, jump 2: from pixel 2 on
    assert (legend["rows"], legend["columns"]) == (6, 6)
    assert legend["title"] == "tiny 3: conv2, channel 1"
    assert legend["high"] == ask.legend(layers="conv2")["high"]
    assert ask.legend(layers="conv2", channel="mean", overlay=True, smooth=True)["smooth"] is True


@pytest.mark.parametrize(
    ("images", "query", "sentence"),
    [
        (ONE, {"layers": "conv1"}, "say which map: channel=0 for one channel, or channel=mean"),
        (ONE, {"layers": "conv1", "channel": "0,1"}, "say which map"),
        (ONE, {"layers": "conv1,conv2", "channel": "0"}, "an overlay shows one layer and this means 2"),
        (TWO, {"layers": "conv1", "channel": "0"}, "an overlay shows one image, and these are 2"),
        (ONE, {"layers": "fc", "channel": "0"}, "it has no place on the picture"),
        (ONE, {"layers": "conv1", "channel": "9"}, "layer conv1 has channels 0 to 5"),
        (ONE, {"layers": "conv1", "channel": "0", "format": "json"}, "it is a picture: ask for format=png"),
    ],
)
def test_an_overlay_of_what_has_none_is_refused(images: list[SentImage], query: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParameterError, match=sentence):
        ask(images, **{"overlay": True, "format": "png", **query})


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"low": 1}, "low=1.0 cannot be used; a range has two ends"),
        ({"high": 1}, "high=1.0 cannot be used; a range has two ends"),
        ({"low": 2, "high": 1}, "give two finite numbers, the lower one first"),
        ({"low": "nan", "high": 1}, "give two finite numbers, the lower one first"),
        ({"low": 0, "high": "inf"}, "give two finite numbers, the lower one first"),
        ({"layers": "conv1,conv2", "page": 2}, "these layers have pages 1 to 1"),
    ],
)
def test_a_range_or_page_that_is_none_is_refused(query: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParameterError, match=sentence):
        ask(**{"layers": "conv1", "format": "png", **query})


# --- tensors of other ranks


def tokens() -> Asker:
    """[1, 256, 3] tokens, their [1, 1, 256, 256] attention, and a [1, 1, 16, 16, 3] tensor."""
    nodes = [
        helper.make_node("Reshape", ["image", "flat"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["tokens", "columns"], ["attention"]),
        helper.make_node("Reshape", ["tokens", "five"], ["volume"]),
        helper.make_node("ReduceMax", ["tokens"], ["largest"], keepdims=0),
    ]
    values = {"flat": np.array([1, 3, 256]), "five": np.array([1, 1, SIDE, SIDE, 3])}
    outputs = ["attention", "volume", "largest"]
    return Asker(opened(graph(nodes, {"image": (1, 3, SIDE, SIDE)}, outputs, values=values)))


def test_tokens_have_numbers_statistics_and_one_map_but_no_channels() -> None:
    asked = tokens()
    assert asked.npy(layers="transpose_1").shape == (1, 256, 3)
    (layer,) = asked.json(layers="transpose_1", channels=True, values=True)["results"][0]["layers"]
    assert (layer["statistics"]["dead_channels"], layer["channels"]) == (None, [])
    assert np.shape(layer["values"]) == (1, 256, 3)
    legend = asked.legend(layers="transpose_1")
    assert (legend["cell_height"], legend["cell_width"]) == (256 * legend["magnification"], 3 * legend["magnification"])
    with pytest.raises(InvalidParameterError, match="transpose_1 of shape 1x256x3 has no channels: leave it out"):
        asked(layers="transpose_1", channel="0", format="npz")


def test_a_tensor_that_is_no_set_of_maps_says_where_its_numbers_are() -> None:
    asked = tokens()
    assert asked.npz(layers="*")["reshape_2"].shape == (1, 1, SIDE, SIDE, 3)
    assert asked.npy(TWO, layers="reduce_max_1").shape == (2,)
    with pytest.raises(InvalidParameterError, match="its shape 1x1x16x16x3 is no set of maps; ask for format=npz"):
        asked(layers="reshape_2", format="png")


# --- limits


def followed(refusal: pytest.ExceptionInfo[AnswerTooLargeError], images: list[SentImage], max_bytes: int) -> Reply:
    """What the URL in the remedy answers."""
    url = next(word for word in refusal.value.remedy.split() if word.startswith("/v/")).rstrip(",")
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    return ask(images, max_bytes=max_bytes, **query)


def test_too_many_numbers_for_json_are_sent_to_an_npz_of_the_same_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_limits, "MAX_JSON_NUMBERS", 100)
    query: dict[str, Any] = {"layers": "conv*", "activation": "both", "channel": "2,1"}
    with pytest.raises(AnswerTooLargeError, match="2,336 numbers are too many for JSON, which may hold 100") as refusal:
        ask(TWO, values=True, channels=True, **query)
    found = dict(np.load(io.BytesIO(followed(refusal, TWO, MEBIBYTE).body)))
    expected = ask.npz(TWO, **query)
    assert all(np.array_equal(found[name], expected[name]) for name in expected | found)


@pytest.mark.parametrize(
    ("form", "layers"), [("npz", "*"), ("json", "*"), ("png", "*"), ("npz", "conv1"), ("npy", "conv1")]
)
@pytest.mark.parametrize("max_bytes", [2 * 1024, 10_000])
def test_too_many_bytes_name_a_url_that_is_answered(
    form: str, layers: str, max_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_limits, "MAX_JSON_NUMBERS", 100)
    query: dict[str, Any] = {"layers": layers, "format": form, "values": form == "json"}
    images = ONE if form == "png" else TWO  # of several images a picture has no part to ask for
    with pytest.raises(AnswerTooLargeError) as refusal:
        ask(images, max_bytes=max_bytes, **query)
    assert followed(refusal, images, max_bytes).body


def test_pictures_of_many_images_are_made_of_no_more_than_an_answer_may_hold() -> None:
    """Of one image a layer has pages; of many all values are held at once."""
    assert ask(ONE, max_bytes=1_000, layers="conv1", format="png").body
    with pytest.raises(AnswerTooLargeError, match="behind these pictures; at most 1,000 are read") as refusal:
        ask(TWO, max_bytes=1_000, layers="conv1", format="png")
    assert refusal.value.remedy == "send fewer images, or name fewer layers"


def test_where_nothing_fits_fewer_images_are_the_remedy() -> None:
    with pytest.raises(AnswerTooLargeError, match="send fewer images"):
        ask(TWO, max_bytes=100, layers="conv1", format="npy")


def test_statistics_of_too_many_channels_and_images_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_limits, "MAX_JSON_STATISTICS", 600)
    assert ask.json(TWO, layers="conv1", channels=True)["results"]
    with pytest.raises(AnswerTooLargeError, match="statistics are too many for JSON") as refusal:
        ask(TWO, layers="*", channels=True)
    assert followed(refusal, TWO, MEBIBYTE).body


def test_an_npy_of_several_layers_names_the_url_of_one() -> None:
    with pytest.raises(
        InvalidParameterError, match=r"an npy shows one layer and this means 2 \(conv1, conv2\): POST to"
    ):
        ask(layers="conv*", format="npy")


# --- time


def test_decoding_inference_and_packing_are_told() -> None:
    for form in ("json", "npz", "npy", "png"):
        took = ask(layers="conv1", format=form).took
        assert took is not None
        assert list(took) == ["decode", "inference", "packing"]
        assert all(milliseconds > 0 for milliseconds in took.values())


def test_a_links_question_is_about_the_same_place() -> None:
    _, after = ask.json(layers="conv1", activation="both")["results"][0]["layers"]
    assert after["links"]["npz"] == "/v/feature-maps?layers=conv1&activation=after&format=npz"
    assert after["links"]["png"] == "/v/feature-maps?layers=conv1&activation=after&format=png"
