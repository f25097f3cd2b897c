"""A layer's weights by their roles, however the file holds them: as the runtime sees them, without asking it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from service.errors import UnsupportedModelError
from service.inspection.graph.layers import layers
from service.inspection.values.weights import MAX_COMPUTED_ELEMENTS, evaluated, weights_by_role
from tests import inspected, networks

RANDOM = np.random.default_rng(0)


def made(nodes: list[onnx.NodeProto], values: networks.Values, output: str) -> onnx.ModelProto:
    return networks.network(nodes, {"image": (1, 3, 4, 4)}, [output], values=values)


PREPARED: dict[str, tuple[list[onnx.NodeProto], networks.Values]] = {
    "stored": ([], {"w": RANDOM.normal(size=(2, 3, 1, 1)).astype(np.float32)}),
    "transposed": (
        [helper.make_node("Transpose", ["hwio"], ["w"], perm=[3, 2, 0, 1])],
        {"hwio": RANDOM.normal(size=(1, 1, 3, 2)).astype(np.float32)},
    ),
    "constant of shape": (
        [helper.make_node("ConstantOfShape", ["shape"], ["w"], value=helper.make_tensor("v", 1, [1], [0.25]))],
        {"shape": np.array([2, 3, 1, 1], np.int64)},
    ),
    "reshaped": (
        [helper.make_node("Reshape", ["flat", "shape"], ["w"])],
        {"flat": RANDOM.normal(size=6).astype(np.float32), "shape": np.array([2, 3, 1, 1], np.int64)},
    ),
    "dequantised per channel": (
        [helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["w"], axis=0)],
        {
            "q": RANDOM.integers(-128, 128, (2, 3, 1, 1)).astype(np.int8),
            "scale": np.array([0.5, 0.01], np.float32),
            "zero": np.array([3, 0], np.int8),
        },
    ),
    "half precision, cast": (
        [helper.make_node("Cast", ["half"], ["w"], to=TensorProto.FLOAT)],
        {"half": RANDOM.normal(size=(2, 3, 1, 1)).astype(np.float16)},
    ),
    "standardised": (
        [
            helper.make_node("ReduceMean", ["raw", "axes"], ["mean"], keepdims=1),
            helper.make_node("Sub", ["raw", "mean"], ["centred"]),
            helper.make_node("ReduceL2", ["centred", "axes"], ["length"], keepdims=1),
            helper.make_node("Div", ["centred", "length"], ["w"]),
        ],
        {"raw": RANDOM.normal(size=(2, 3, 1, 1)).astype(np.float32), "axes": np.array([1, 2, 3], np.int64)},
    ),
    "scaled and shifted": (
        [helper.make_node("Mul", ["raw", "gain"], ["m"]), helper.make_node("Add", ["m", "raw"], ["w"])],
        {
            "raw": RANDOM.normal(size=(2, 3, 1, 1)).astype(np.float32),
            "gain": RANDOM.normal(size=(2, 1, 1, 1)).astype(np.float32),
        },
    ),
}


@pytest.mark.parametrize("name", PREPARED)
def test_a_weight_is_what_the_runtime_makes_of_it(name: str) -> None:
    nodes, values = PREPARED[name]
    model = made([*nodes, helper.make_node("Conv", ["image", "w"], ["conv"])], values, "conv")
    (layer,) = layers(model)
    observed = helper.make_model(
        helper.make_graph(
            [*nodes, helper.make_node("Identity", ["w"], ["seen"])],
            "seen",
            [],
            [helper.make_tensor_value_info("seen", TensorProto.FLOAT, None)],
            list(model.graph.initializer),
        ),
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
    )
    (seen,) = inspected.session(observed.SerializeToString()).run(None, {})
    assert weights_by_role(model, layer)["weight"] == pytest.approx(seen, rel=1e-6)


@pytest.mark.parametrize("turned", [0, 1])
def test_a_dense_weight_is_outputs_by_inputs_with_the_factors_of_gemm_in_it(turned: int) -> None:
    weight = RANDOM.normal(size=(5, 48)).astype(np.float32)
    values = {"w": weight if turned else np.ascontiguousarray(weight.T), "b": np.ones((1, 5), np.float32)}
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["out"], transB=turned, alpha=0.5, beta=3.0),
    ]
    model = made(nodes, values, "out")
    found = weights_by_role(model, layers(model)[-1])
    assert np.array_equal(found["weight"], weight * np.float32(0.5))
    assert found["bias"].tolist() == [3] * 5


def test_a_bias_added_behind_a_product_is_the_layers() -> None:
    values = {"w": RANDOM.normal(size=(48, 2)).astype(np.float32), "b": np.array([1, 2], np.float32)}
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["out"]),
    ]
    model = made(nodes, values, "out")
    found = weights_by_role(model, layers(model)[-1])
    assert found["weight"].shape == (2, 48)
    assert found["bias"].tolist() == [1, 2]


def test_more_elements_than_memory_holds_are_not_computed() -> None:
    side = 2**14
    assert side * side * 3 > MAX_COMPUTED_ELEMENTS
    values = {"shape": np.array([side, 3, 1, side], np.int64)}
    model = made([helper.make_node("ConstantOfShape", ["shape"], ["w"])], values, "w")
    with pytest.raises(UnsupportedModelError, match="it takes 805,306,368 elements; at most 268,435,456 are computed"):
        evaluated(model, ["w"])


def test_random_numbers_are_no_weights() -> None:
    model = made([helper.make_node("RandomNormalLike", ["raw"], ["w"])], {"raw": np.ones(3, np.float32)}, "w")
    with pytest.raises(UnsupportedModelError, match="RandomNormalLike stands between it and what is stored"):
        evaluated(model, ["w"])
