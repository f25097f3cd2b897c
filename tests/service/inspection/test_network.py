from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.engine import model_file
from service.errors import GraphTooLargeError
from service.inspection import stopping
from service.inspection.graph.graph_size import MAX_NODES
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions
from service.inspection.shapes.layer_shapes import layer_shapes
from tests.networks import Values, chain, network, plain
from tests.tiny_models import classifier, slow_on_white


def looked_into(model: onnx.ModelProto) -> Network:
    def no_session(_: bytes) -> None:
        raise AssertionError("a table runs nothing")

    return Network(model_file.from_bytes(model.SerializeToString()), PrefixSessions(no_session, 0))


def test_a_table_is_worked_out_once_for_each_size() -> None:
    network = looked_into(classifier(side="side"))
    first = network.table(batch=2)
    assert network.table(batch=2) is first
    assert network.table(batch=3) is not first
    assert network.table(batch=2, height=16).layers[0].output_shape != first.layers[0].output_shape


def test_a_few_tables_are_kept_and_the_oldest_goes_first() -> None:
    network = looked_into(classifier())
    first = network.table(batch=1)
    for batch in range(2, 9):
        network.table(batch=batch)
    assert network.table(batch=1) is first
    network.table(batch=9)
    assert network.table(batch=1) is first
    assert network.table(batch=3) is network.table(batch=3)
    for batch in range(10, 18):
        network.table(batch=batch)
    assert network.table(batch=1) is not first


def long_chain(nodes: int) -> onnx.ModelProto:
    return chain([plain("Relu", f"relu{number}") for number in range(nodes)], ("batch", 3, 4, 4))


def test_a_graph_of_too_many_nodes_is_refused_with_the_number_and_the_remedy() -> None:
    with pytest.raises(GraphTooLargeError, match=r"at least 20,001 nodes, .* simplify it to at most 20,000 nodes"):
        layer_shapes(long_chain(MAX_NODES + 1))


def test_the_nodes_of_subgraphs_and_the_tensors_that_are_read_count_too() -> None:
    body = helper.make_graph([helper.make_node("Relu", ["x"], [f"y{n}"]) for n in range(MAX_NODES)], "body", [], [])
    branches = helper.make_node("If", ["condition"], ["out"], then_branch=body, else_branch=body)
    with pytest.raises(GraphTooLargeError, match="at least 20,001 nodes"):
        layer_shapes(network([branches], {"x": (1, 3, 4, 4)}, ["out"], values={"condition": np.array(True)}))
    wide = [helper.make_node("Concat", ["x"] * 60_000, [f"out{n}"], axis=1) for n in range(2)]
    with pytest.raises(GraphTooLargeError, match=r"read 120,000 tensors, .* at most 100,000"):
        layer_shapes(network(wide, {"x": (1, 3, 4, 4)}, ["out1"]))


def test_work_that_nobody_waits_for_ends_between_rows() -> None:
    stop = stopping.Stop()
    token = stopping.current.set(stop)
    stop()
    try:
        with pytest.raises(stopping.StoppedError):
            layer_shapes(long_chain(2))
    finally:
        stopping.current.reset(token)


def test_no_weight_is_copied_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = numpy_helper.from_array(np.zeros((1000, 1000), np.float32), "w")
    model = network([helper.make_node("Gemm", ["x", "w"], ["y"])], {"x": ("batch", 1000)}, ["y"])
    model.graph.initializer.append(weight)
    seen = []
    infer = onnx.shape_inference.infer_shapes

    def measured(bare: onnx.ModelProto, **options: bool) -> onnx.ModelProto:
        seen.append(bare.ByteSize())
        return infer(bare, **options)

    monkeypatch.setattr("service.inspection.shapes.tensor_types.infer_shapes", measured)
    assert layer_shapes(model).totals.parameters == 10**6
    assert seen
    assert max(seen) < 1000


def quantized() -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("QLinearConv", ["q", "s", "z", "w", "s", "z", "s", "z"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["y"]),
    ]
    values: Values = {"s": np.array(0.1, np.float32), "z": np.array(0, np.uint8), "w": np.zeros((4, 3, 3, 3), np.uint8)}
    return network(nodes, {"x": (1, 3, 8, 8)}, ["y"], values=values)


def custom() -> onnx.ModelProto:
    nodes = [helper.make_node("Blur", ["x"], ["b"], domain="our.lab"), helper.make_node("Relu", ["b"], ["y"])]
    return network(nodes, {"x": (1, 3, 8, 8)}, ["y"], opsets={"our.lab": 1})


def dynamic() -> onnx.ModelProto:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Resize", ["x", "", "scales"], ["large"]),
        helper.make_node("Slice", ["x", "starts", "ends"], ["part"]),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    model = network(nodes, {"x": ("batch", 3, "height", "width")}, ["places", "large", "part", "y"])
    for name, element in (("scales", TensorProto.FLOAT), ("starts", 7), ("ends", 7), ("shape", 7)):
        model.graph.input.append(helper.make_tensor_value_info(name, element, ["n"]))
    return model


@pytest.mark.parametrize(
    ("made", "reasons"),
    [(quantized, False), (custom, True), (slow_on_white, True), (dynamic, True)],
    ids=["quantised", "custom", "control flow", "dynamic"],
)
def test_what_cannot_be_known_is_said_and_the_rest_stands(made: Callable[[], onnx.ModelProto], reasons: bool) -> None:
    table = layer_shapes(made())
    assert any(row.output_shape and None not in row.output_shape for row in table.layers) or reasons
    unknown = [row for row in table.layers if row.output_shape is None or None in row.output_shape]
    assert bool(unknown) == reasons
    assert all(row.reason for row in unknown)
