"""What products of matrices cost whichever way the file writes them, and what nobody can tell."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from service.inspection.shapes.layer_shapes import layer_shapes
from service.inspection.shapes.layer_table import LayerRow
from tests.networks import Shape, Values, network
from tests.service.inspection.shapes.formulas import evaluate


def row(
    op_type: str, inputs: list[str], shape: Shape, values: dict[str, Shape] | None = None, **attributes: Any
) -> LayerRow:
    node = helper.make_node(op_type, inputs, ["y"], **attributes)
    return row_of([node], shape, {name: np.ones(sizes, np.float32) for name, sizes in (values or {}).items()})


def row_of(nodes: list[onnx.NodeProto], shape: Shape, values: Values) -> LayerRow:
    domains = {node.domain: 1 for node in nodes if node.domain}
    (found,) = layer_shapes(network(nodes, {"x": shape}, ["y"], values=values, opsets=domains)).layers
    return found


def holds(formula: str | None, value: int | None) -> bool:
    """The product gives the number, and so does what stands behind its equals sign."""
    if formula is None or value is None:
        return False
    left, right = formula.split(" = ")
    return evaluate(left) == int(right.replace(",", "")) == value


def test_a_constant_in_front_of_the_image_is_summed_over_its_own_rows() -> None:
    found = row("MatMul", ["mix", "x"], (1, 49, 512), {"mix": (64, 49)})
    assert (found.kind, found.output_shape) == ("matmul", (1, 64, 512))
    assert (found.macs, found.parameters) == (64 * 49 * 512, 64 * 49)
    assert found.formula == ("64x49, 49x512 -> 64x512",)
    assert holds(found.macs_formula, found.macs)


@pytest.mark.parametrize(
    ("inputs", "values", "attributes", "shape", "terms"),
    [
        (["x", "x"], {}, {"transB": 1}, (16, 32), 32),
        (["x", "x"], {}, {"transA": 1}, (16, 32), 16),
        (["x", "x", "bias"], {"bias": (16,)}, {"transB": 1}, (16, 32), 32),
        (["mix", "x"], {"mix": (8, 16)}, {}, (16, 32), 16),
        (["mix", "x"], {"mix": (16, 8)}, {"transA": 1}, (16, 32), 16),
        (["mix", "x"], {"mix": (8, 32)}, {"transB": 1}, (16, 32), 32),
    ],
)
def test_a_gemm_of_two_tensors_of_the_image_or_behind_a_constant_multiplies(
    inputs: list[str], values: dict[str, Shape], attributes: dict[str, int], shape: tuple[int, int], terms: int
) -> None:
    found = row("Gemm", inputs, shape, values, **attributes)
    assert found.output_shape
    assert found.macs == found.output_shape[0] * found.output_shape[1] * terms  # type: ignore[operator]
    assert holds(found.macs_formula, found.macs)


def test_each_matrix_of_a_stack_has_weights_of_its_own() -> None:
    found = row("MatMul", ["x", "stack"], (8, 1, 64), {"stack": (8, 64, 32)})
    assert (found.parameters, found.macs) == (8 * 64 * 32, 8 * 64 * 32)
    assert holds(found.parameters_formula, found.parameters)
    assert holds(found.macs_formula, found.macs)


def test_a_vector_of_weights_gives_one_sum_for_each_row() -> None:
    found = row("MatMul", ["x", "vector"], (3, 10, 64), {"vector": (64,)})
    assert (found.output_shape, found.parameters, found.macs) == ((3, 10), 64, 3 * 10 * 64)


@pytest.mark.parametrize(("beta", "size", "added"), [(0.0, (1,), 0), (1.0, (24,), 24), (1.0, (1, 24), 24)])
def test_of_a_bias_those_numbers_count_that_are_added(beta: float, size: tuple[int, ...], added: int) -> None:
    """torch.mm is written as a Gemm with a bias of one number that is taken 0 times."""
    found = row("Gemm", ["x", "weight", "bias"], (1, 8), {"weight": (8, 24), "bias": size}, beta=beta)
    assert found.parameters == 8 * 24 + added
    assert holds(found.parameters_formula, found.parameters)


def test_of_a_quantised_product_behind_a_constant_the_constants_rows_count() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["codes"], to=onnx.TensorProto.UINT8),
        helper.make_node("MatMulInteger", ["mix", "codes"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["y"], to=onnx.TensorProto.FLOAT),
    ]
    model = network(nodes, {"x": (1, 49, 512)}, ["y"], values={"mix": np.ones((64, 49), np.uint8)})
    assert [each.macs for each in layer_shapes(model).layers] == [0, 64 * 49 * 512, 0]


def test_an_operator_that_only_has_a_standard_ones_name_costs_nobody_knows_what() -> None:
    node = helper.make_node("Attention", ["x", "w", "b"], ["y"], domain="com.microsoft", num_heads=2)
    values: Values = {"w": np.ones((8, 24), np.float32), "b": np.ones(24, np.float32)}
    assert row_of([node], (1, 5, 8), values).macs is None
    assert row("Softmax", ["x"], (1, 5, 8)).macs == 0
