"""The panels' pure modules against the service's own arithmetic: arrays, colours, windows, layouts."""

import base64
import io
from typing import Any, get_args

import numpy as np
import pytest
from playwright.sync_api import Page

from service.engine.model_metadata import Provenance
from service.engine.registry import State
from service.images import colours
from service.images.preprocessing import Preprocessing
from service.inspection.comparing.compare import CompareQuery
from service.inspection.evidence.attribution import Method
from service.inspection.evidence.score import Quantity
from service.inspection.graph.layers import Stage
from service.inspection.maps.map_query import FeatureMapsQuery
from service.inspection.shapes.arithmetic import Window
from service.inspection.values.units.windows import reads
from tests.page.conftest import call

RANDOM = np.random.default_rng(7)


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


BYTES = "Uint8Array.from(atob(a), (letter) => letter.charCodeAt(0)).buffer"
TOLD = "{ shape: read.shape, data: [...read.data] }"


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", "<i4", "|i1", "|u1"])
@pytest.mark.parametrize("shape", [(1, 3, 2, 4), (1, 5), (7,), ()])
def test_an_npy_is_read_as_numpy_wrote_it(bare: Page, dtype: str, shape: tuple[int, ...]) -> None:
    array = (100 * RANDOM.random(shape)).astype(dtype)
    file = io.BytesIO()
    np.save(file, array)
    read = call(bare, "npy", f"((read) => ({TOLD}))(m.readNpy({BYTES}))", in_base64(file.getvalue()))
    assert tuple(read["shape"]) == shape
    assert read["data"] == array.astype(np.float64).ravel().tolist()


def test_halves_are_read_to_their_smallest_and_largest(bare: Page) -> None:
    array = np.array([65504, 6e-8, 6.1e-5, -0.0, np.inf, -np.inf], np.float16)
    file = io.BytesIO()
    np.save(file, array)
    read = call(bare, "npy", f"[...m.readNpy({BYTES}).data].map(String)", in_base64(file.getvalue()))
    assert [float(each.replace("Infinity", "inf")) for each in read] == array.astype(np.float64).tolist()


def test_an_npz_is_read_by_name(bare: Page) -> None:
    file = io.BytesIO()
    arrays = {"conv1": np.ones((1, 2), np.float32), "conv1+relu1": np.zeros((1, 3), np.float32)}
    np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options
    names = call(
        bare, "npy", f"[...m.readNpz({BYTES})].map(([name, array]) => [name, array.shape])", in_base64(file.getvalue())
    )
    assert names == [["conv1", [1, 2]], ["conv1+relu1", [1, 3]]]


@pytest.mark.parametrize("signed", [True, False])
def test_colours_are_the_services_to_the_last_level(bare: Page, signed: bool) -> None:
    low, high = (-2.0, 2.0) if signed else (0.0, 3.0)
    values = np.linspace(low - 0.5, high + 0.5, 1001)[None, :, None]
    bounds = np.full((1, 1, 1), low), np.full((1, 1, 1), high)
    indices = colours.palette_indices(values, *bounds)[0, :, 0]
    theirs = colours.palette("diverging" if signed else "sequential")[indices]
    asked = {"values": values.ravel().tolist(), "range": {"low": low, "high": high}}
    ours = call(bare, "colours", "a.values.map((value) => m.colourOf(value, a.range))", asked)
    assert np.array_equal(ours, theirs)


def test_zero_is_white_wherever_values_go_below_it(bare: Page) -> None:
    assert call(bare, "colours", "m.colourOf(0, { low: -3, high: 3 })") == [255, 255, 255]


@pytest.mark.parametrize(
    "spread", [lambda x: x, np.abs, np.zeros_like, lambda x: x**9], ids=["normal", "positive", "zero", "outliers"]
)
def test_a_layers_range_is_the_services(bare: Page, spread: Any) -> None:
    maps = spread(RANDOM.standard_normal((5, 9, 11)))
    _, lows, highs = colours.colour_range(maps, "layer")
    found = call(bare, "colours", "m.layerRange(a)", maps.ravel().tolist())
    if lows.min() < 0 or highs.max() > 0:
        assert (found["low"], found["high"]) == (lows.min(), highs.max())
    clipped = call(
        bare, "colours", "m.clippedShare(a.values, a.range)", {"values": maps.ravel().tolist(), "range": found}
    )
    assert clipped == pytest.approx(colours.clipped_share(maps, lows, highs))


@pytest.mark.parametrize("seed", range(12))
def test_the_window_stands_where_the_service_reads(bare: Page, seed: int) -> None:
    random = np.random.default_rng(seed)
    size, kernel, stride, dilation = 17, *(int(each) for each in random.integers(1, 4, 3))
    padding, y, x = (int(each) for each in random.integers(0, 3, 3))
    window = Window(kernel, stride, (padding, padding), dilation)
    expected = [
        {"y": row, "x": column}
        for row in reads(window, padding, size, y)
        for column in reads(window, padding, size, x)
        if row is not None and column is not None
    ]
    row = {"kernel": [kernel] * 2, "stride": [stride] * 2, "dilation": [dilation] * 2, "padding": [[padding] * 2] * 2}
    cells = call(bare, "window", f"m.windowCells(a, {y}, {x})", {**row, "kind": "conv"})
    assert len(cells) == kernel**2
    assert [cell for cell in cells if min(cell.values()) >= 0] == expected


def test_a_layer_without_a_window_reads_the_value_at_its_own_place(bare: Page) -> None:
    relu = {"kind": "relu", "kernel": None, "input_shape": [1, 8, 5, 5], "output_shape": [1, 8, 5, 5]}
    assert call(bare, "window", "m.windowCells(a, 3, 4)", relu) == [{"y": 3, "x": 4}]
    assert call(bare, "window", "m.windowCells(a, 0, 0)", {**relu, "output_shape": [1, 8, 1, 1]}) is None


@pytest.mark.parametrize(("count", "side"), [(1, 28), (16, 28), (96, 7), (128, 1), (64, 112), (100, 300)])
@pytest.mark.parametrize("room", [340, 680])
def test_a_grid_fits_its_room_in_whole_pixels_as_far_as_maps_are_small(
    bare: Page, count: int, side: int, room: int
) -> None:
    laid = call(
        bare,
        "grid",
        "m.layout({ height: a.side, width: a.side }, a.count, a.room)",
        {"count": count, "side": side, "room": room},
    )
    across = laid["columns"] * (side * laid["magnification"] + 1)
    assert across <= room + laid["columns"]
    assert laid["magnification"] < 1 or laid["magnification"] == int(laid["magnification"])
    assert laid["columns"] <= count


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.3283427, "−0.3283"),
        (12345678, "1.23·10⁷"),
        (-0.00001234, "−1.23·10⁻⁵"),
        (4.18377, "4.184"),
        (12544.4, "12544"),
        (None, "–"),
    ],
)
def test_a_number_is_written_for_people(bare: Page, value: float | None, text: str) -> None:
    assert call(bare, "numbers", "m.figure(a)", value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.000001, "< 0.01 %"), (0.49437, "49.4 %"), (0.99996, "99.996 %"), (1, "100 %")]
)
def test_a_share_does_not_claim_more_than_it_is(bare: Page, share: float, text: str) -> None:
    assert call(bare, "numbers", "m.percent(a)", share) == text


def test_of_many_questions_at_once_only_the_first_and_the_newest_are_asked(bare: Page) -> None:
    asked = call(
        bare,
        "latest",
        "await (async () => { const asked = []; const ask = m.latest(async (x) => { asked.push(x); await null });"
        " ask(1); ask(2); await ask(3); return asked })()",
    )
    assert asked == [1, 3]


def told(kind: object, *silent: str) -> list[str]:
    return [word for word in get_args(kind) if word not in silent]


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("stage", told(Provenance.model_fields["stage"].annotation)),
        ("received", told(Preprocessing.model_fields["color"].annotation)),
        ("models", told(State, "ready")),
        ("strip", told(Stage, "network")),
        ("panel.activation.method", told(Method)),
        ("panel.activation", told(Quantity)),
        ("panel.scale", told(FeatureMapsQuery.model_fields["scale"].annotation)),
        ("panel.compare.scale", told(CompareQuery.model_fields["scale"].annotation)),
    ],
)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_word_that_the_service_may_say_has_a_text(
    bare: Page, group: str, words: list[str], language: str
) -> None:
    texts = call(bare, f"i18n/{language}", f"m.{language}")
    assert [word for word in words if not texts.get(f"{group}.{word}")] == []


@pytest.mark.parametrize(
    ("shape", "maps"),
    [([1, 5, 3, 4], (5, 3, 4)), ([1, 10], (10, 1, 1)), ([1, 256, 3], (1, 256, 3)), ([2], (1, 1, 1))],
    ids=["maps", "units", "tokens are one map", "a number for each image"],
)
def test_an_array_is_as_many_maps_as_the_service_shows_of_it(
    bare: Page, shape: list[int], maps: tuple[int, int, int]
) -> None:
    found = call(bare, "maps", "m.toMaps({ shape: a, data: new Float32Array() })", shape)
    assert (found["count"], found["height"], found["width"]) == maps


# --- how far a picture is moved, and what is said of it


def shifted_version(height: int, width: int) -> dict[str, Any]:
    other = {"version": 0, "preprocessing": {"height": 99, "width": 99}}
    return {
        "model": {"versions": [other, {"version": 1, "preprocessing": {"height": height, "width": width}}]},
        "table": {"version": 1},
    }


@pytest.mark.parametrize(
    ("height", "width", "dx", "dy"), [(8, 8, 7, 7), (28, 8, 7, 16), (224, 224, 16, 16), (1, 1, 0, 0)]
)
def test_a_picture_is_moved_within_itself(bare: Page, height: int, width: int, dx: int, dy: int) -> None:
    assert call(bare, "panels/shift-steps", "m.reachOf(a)", shifted_version(height, width)) == {"dx": dx, "dy": dy}


@pytest.mark.parametrize(
    ("dx", "dy", "step"),
    [
        (None, None, {"dx": 2, "dy": 0}),
        (0, 0, {"dx": 0, "dy": 0}),
        (None, 3, {"dx": 0, "dy": 3}),
        (40, -40, {"dx": 7, "dy": -5}),
    ],
    ids=["none named", "not moved", "downwards alone", "further than it is large"],
)
def test_the_step_is_the_one_that_the_url_names(
    bare: Page, dx: int | None, dy: int | None, step: dict[str, int]
) -> None:
    asked = [{"dx": dx, "dy": dy}, {"dx": 7, "dy": 5}]
    assert call(bare, "panels/shift-steps", "m.startingStep(...a)", asked) == step


@pytest.mark.parametrize(
    ("moved", "pooled", "words"),
    [
        (0.5, 0.25, "panel.shift.pooled"),
        (0.5, 0.75, "panel.shift.pooled.more"),
        (0.5, 0, "panel.shift.pooled.none"),
        (0, 0, None),
        (0.5, None, None),
    ],
    ids=["less", "more", "unchanged", "not moved", "all zeros before"],
)
def test_a_pooling_is_set_against_the_input_where_both_have_changed(
    bare: Page, moved: float, pooled: float | None, words: str | None
) -> None:
    shift = {
        "layers": [{"id": "pool1", "kind": "max_pool", "changes": [{"relative": pooled}]}],
        "shifts": [{"input": {"relative": moved}, "answer": None}],
        "original": None,
    }
    lines = call(bare, "panels/shift", "m.inWords({ t: (key) => key }, a).map(({ textContent }) => textContent)", shift)
    assert lines == ["panel.shift.input", *([words] if words else [])]


# --- what stands under a picture


@pytest.mark.parametrize(
    ("method", "low", "words"),
    [
        ("grad-cam", 0, "panel.activation.legend"),
        ("occlusion", 0, "panel.activation.legend"),
        ("occlusion", -2, "panel.activation.legend.signed"),
        ("eigen", -2, "panel.activation.legend.eigen"),
    ],
)
def test_the_words_under_evidence_are_those_of_its_colours(bare: Page, method: str, low: float, words: str) -> None:
    assert call(bare, "panels/activation", "m.legendOf(...a)", [method, {"low": low, "high": 2}]) == words


@pytest.mark.parametrize(("channels", "kernel"), [(2048, (3, 3)), (16, (5, 5)), (7, (1,))])
def test_the_channels_that_are_not_listed_are_counted_too(bare: Page, channels: int, kernel: tuple[int, ...]) -> None:
    work = {"products_count": channels * int(np.prod(kernel)), "reads": [[None, *range(size - 1)] for size in kernel]}
    assert call(bare, "panels/unit-work", "m.channelsRead(a)", work) == channels


def test_a_refusal_without_words_says_its_status(bare: Page) -> None:
    said = call(
        bare,
        "client",
        "await (globalThis.fetch = async () => new Response('', { status: 502 }),"
        " m.json('v1/models').catch(({ message }) => message))",
    )
    assert said == "HTTP 502"


def test_a_second_finger_does_not_end_the_line_of_the_first(bare: Page) -> None:
    strokes = call(
        bare,
        "drawing",
        """(() => {
          const drawing = { strokes: [], chalk: false }
          const paper = m.drawingPaper({ drawing, digitSide: null, onStroke() {}, onEnd() {} })
          const canvas = paper.element.querySelector('canvas')
          canvas.setPointerCapture = () => {}
          const finger = (type, pointerId) => canvas.dispatchEvent(
            new PointerEvent(type, { pointerId, isPrimary: pointerId === 1, buttons: 1 }))
          for (const [type, id] of a) finger(type, id)
          return drawing.strokes.map(({ points }) => points.length)
        })()""",
        [["pointerdown", 1], ["pointerdown", 2], ["pointerup", 2], ["pointermove", 1], ["pointerup", 1]],
    )
    assert strokes == [2]
