"""What a unit is said to see holds all that can change it: pixel after pixel is changed, and ONNX Runtime asked."""

from math import ceil, floor
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from service.inspection.shapes.layer_table import ReceptiveFieldRow
from tests import inspected
from tests.networks import Values, network

SHAPE = (1, 3, 4, 21)


def model_of(op_type: str, inputs: list[str], values: Values, opset: int, **attributes: Any) -> onnx.ModelProto:
    node = helper.make_node(op_type, inputs, ["y"], **attributes)
    made = network([node], {"x": SHAPE}, ["y"], values=values, opsets={"": opset})
    made.ir_version = 10 if opset > 10 else 5
    return made


def field(model: onnx.ModelProto) -> ReceptiveFieldRow | None:
    return inspected.network(model).table().layers[-1].receptive_field


def overlooked(model: onnx.ModelProto) -> dict[int, list[int]]:
    """By output column the pixels' columns that change it and that it is not said to see."""
    views = inspected.network(model).sights["y"]
    assert views is not None
    seen = views[1].field
    if seen is None:
        return {}
    found = {}
    for column, pixels in enumerate(changing(model)):
        first, last = (edge + column * seen.jump for edge in (seen.low, seen.high))
        found[column] = [pixel for pixel in pixels if not ceil(first) <= pixel <= floor(last)]
    return {column: pixels for column, pixels in found.items() if pixels}


def changing(model: onnx.ModelProto) -> list[list[int]]:
    """By output column the columns of pixels that change it."""
    session = inspected.session(model.SerializeToString())
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    (before,) = session.run(None, {"x": image})
    found: list[list[int]] = [[] for _ in range(before.shape[-1])]
    for pixel in range(SHAPE[-1]):
        other = image.copy()
        other[..., pixel] += 1
        (after,) = session.run(None, {"x": other})
        for column in np.flatnonzero(np.abs(after - before).max(axis=(0, 1, 2)) > 1e-6):
            found[column].append(pixel)
    return found


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("scale", [0.3, 0.5, 0.6, 1.3, 1.5, 2.5])
def test_a_resize_by_a_stated_scale_moves_by_that_scale_and_not_by_the_sizes(mode: str, scale: float) -> None:
    model = model_of("Resize", ["x", "", "s"], {"s": np.array([1, 1, 1, scale], np.float32)}, 20, mode=mode)
    found = field(model)
    assert found
    assert found.jump
    assert list(found.jump) == pytest.approx([1, 1 / scale], abs=1e-9)
    assert overlooked(model) == {}


@pytest.mark.parametrize("opset", [9, 10])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scale", [0.3, 0.5, 2.0, 2.5, 3.0])
def test_resizes_of_earlier_opsets_begin_at_the_first_pixel(opset: int, mode: str, scale: float) -> None:
    if opset == 9 and scale < 1:
        return  # Upsample only makes larger
    operator = "Upsample" if opset == 9 else "Resize"
    model = model_of(operator, ["x", "s"], {"s": np.array([1, 1, 1, scale], np.float32)}, opset, mode=mode)
    assert overlooked(model) == {}


def test_a_resize_that_keeps_the_aspect_ratio_is_not_told() -> None:
    values = {"sizes": np.array([2, 20], np.int64)}
    attributes = {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}
    assert field(model_of("Resize", ["x", "", "", "sizes"], values, 20, **attributes)) is None


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("opset", [11, 13])
def test_a_softmax_without_an_axis_is_over_the_last_one_only_since_opset_13(operator: str, opset: int) -> None:
    """Before it was over all values of an image, and nothing here tells how far that sees."""
    found = field(model_of(operator, ["x"], {}, opset))
    assert (found and found.size) == (None if opset < 13 else (1, SHAPE[-1]))


def test_a_gather_along_the_image_is_in_an_order_that_nobody_follows() -> None:
    """A picture turned round is as large as before."""
    backwards = {"order": np.arange(SHAPE[-1])[::-1].copy()}
    assert field(model_of("Gather", ["x", "order"], backwards, 20, axis=3)) is None
    assert field(model_of("Gather", ["x", "order"], backwards, 20, axis=-1)) is None
    channels = model_of("Gather", ["x", "order"], {"order": np.array([2, 1, 0])}, 20, axis=1)
    assert (field(channels) or pytest.fail("no field")).status == "exact"
    assert overlooked(channels) == {}
