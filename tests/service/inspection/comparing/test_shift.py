"""The shipped network and a handwritten seven that moves: translation invariance as a class would be shown it."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from service.images.decoding import ImageLimits
from service.inspection.comparing.shift import ShiftQuery, shift
from tests.inspected import network as opened

ROOT = Path(__file__).parents[4]
LIMITS = ImageLimits(max_pixels=10_000_000)


@pytest.fixture(scope="module")
def moved() -> Any:
    seven = (ROOT / "docs/samples/seven.png").read_bytes()
    network = opened(onnx.load(ROOT / "models/mnist/1/model.onnx"))
    return json.loads(shift(network, seven, ShiftQuery(dx="1,2,4"), LIMITS, None, "mnist", 1).body)


def test_a_seven_stays_a_seven(moved: Any) -> None:
    assert moved["original"][0]["label"] == "7"
    assert [point["answer"]["same_class"] for point in moved["shifts"]] == [True] * 3


def test_the_answer_changes_far_less_than_the_input(moved: Any) -> None:
    dense = next(layer for layer in moved["layers"] if layer["id"] == "dense")
    for point, change in zip(moved["shifts"], dense["changes"], strict=True):
        assert change["relative"] < 0.5 * point["input"]["relative"]


def test_a_pooling_makes_every_shift_matter_less_than_the_layer_before_it(moved: Any) -> None:
    changes = {layer["id"]: [c["relative"] for c in layer["changes"]] for layer in moved["layers"]}
    for number in (1, 2, 3):
        before, after = changes[f"relu{number}"], changes[f"pool{number}"]
        assert all(pooled < relu for pooled, relu in zip(after, before, strict=True))


def test_a_farther_shift_changes_the_first_layers_more(moved: Any) -> None:
    for name in ("normalize", "conv1", "pool1"):
        changes = next(layer for layer in moved["layers"] if layer["id"] == name)["changes"]
        sizes = [change["relative"] for change in changes]
        assert sizes == sorted(sizes)


def test_inside_the_picture_every_map_moves_along_exactly(moved: Any) -> None:
    found = [
        change["equivariance"]["interior"]
        for layer in moved["layers"]
        for change in layer["changes"]
        if change["equivariance"] and change["equivariance"]["interior_cells"]
    ]
    assert len(found) > 20
    assert max(found) < 1e-6
