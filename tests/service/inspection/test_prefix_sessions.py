"""Truncated models: the right tensors, and nothing computed beyond them. On real sessions of real graphs."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from service.errors import InvalidParameterError, UnknownLayerError, UnsupportedModelError
from service.inspection.prefix_sessions import PrefixSessions, prefix, take_any_rows

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
MEBIBYTE = 2**20


def session(serialized: bytes) -> InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return InferenceSession(serialized, options, providers=["CPUExecutionProvider"])


class CountedSessions:
    """A factory that remembers what it was asked to build."""

    def __init__(self) -> None:
        self.built: list[onnx.ModelProto] = []

    def __call__(self, serialized: bytes) -> InferenceSession:
        self.built.append(onnx.load_from_string(serialized))
        return session(serialized)


def network(*, ir_version: int = 10, dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """image 1x1x6x6 -> conv 2x4x4 -> relu -> flatten 32 -> dense 3 -> softmax. Weights beyond `relu`: 96."""
    floats = helper.tensor_dtype_to_np_dtype(dtype)
    rng = np.random.default_rng(0)
    weights = {"conv.weight": rng.normal(size=(2, 1, 3, 3)), "dense.weight": rng.normal(size=(32, 3))}
    initializers = [numpy_helper.from_array(value.astype(floats), name) for name, value in weights.items()]
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Flatten", ["relu"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense.weight"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    inputs = [helper.make_tensor_value_info("image", dtype, [1, 1, 6, 6])]
    if ir_version < 4:
        inputs += [helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in initializers]
    outputs = [helper.make_tensor_value_info("probabilities", dtype, [1, 3])]
    graph = helper.make_graph(nodes, "network", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=ir_version)


def image(dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(1, 1, 6, 6)).astype(dtype)


def exposed(model: onnx.ModelProto, tensors: Sequence[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The tensors from the whole model with those outputs added: the reference."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    present = {output.name for output in whole.graph.output}
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in present)
    return list(session(whole.SerializeToString()).run(list(tensors), feed))


def light(name: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    weights = {weight.name for weight in model.graph.initializer}
    given = next(value for value in model.graph.input if value.name not in weights)
    shape = [axis.dim_value for axis in given.type.tensor_type.shape.dim]
    return model, {given.name: np.random.default_rng(0).random(shape, np.float32)}


def test_exactly_the_asked_tensors_come_with_the_values_of_the_whole_model() -> None:
    model, feed = network(), {"image": image()}
    maps = PrefixSessions(session, MEBIBYTE).run("a", model, ["relu", "conv"], feed)
    assert list(maps) == ["relu", "conv"]
    for name, reference in zip(maps, exposed(model, ["relu", "conv"], feed), strict=True):
        assert np.allclose(maps[name], reference, atol=1e-6)
    assert maps["conv"].min() < 0 <= maps["relu"].min()


def test_nodes_and_weights_after_the_tensor_are_cut_off() -> None:
    cut = prefix(network(), ["relu"])
    assert [node.op_type for node in cut.graph.node] == ["Conv", "Relu"]
    assert [weight.name for weight in cut.graph.initializer] == ["conv.weight"]
    assert [value.name for value in cut.graph.input] == ["image"]
    assert [value.name for value in cut.graph.output] == ["relu"]


def test_the_model_itself_is_not_changed() -> None:
    model = network()
    before = model.SerializeToString(deterministic=True)
    PrefixSessions(session, MEBIBYTE).run("a", model, ["conv"], {"image": image()})
    assert model.SerializeToString(deterministic=True) == before


def test_the_final_output_and_the_input_itself_can_be_asked_for() -> None:
    feed = {"image": image()}
    maps = PrefixSessions(session, MEBIBYTE).run("a", network(), ["probabilities", "image"], feed)
    assert maps["probabilities"].sum() == pytest.approx(1)
    assert np.array_equal(maps["image"], feed["image"])


def test_the_input_alone_needs_no_session() -> None:
    factory = CountedSessions()
    PrefixSessions(factory, MEBIBYTE).run("a", network(), ["image"], {"image": image()})
    assert factory.built == []


def test_a_weight_can_be_asked_for_like_a_layer() -> None:
    model = network()
    maps = PrefixSessions(session, MEBIBYTE).run("a", model, ["conv.weight"], {"image": image()})
    assert np.array_equal(maps["conv.weight"], numpy_helper.to_array(model.graph.initializer[0]))


def test_half_precision_maps_come_as_float32() -> None:
    model = network(dtype=TensorProto.FLOAT16)
    maps = PrefixSessions(session, MEBIBYTE).run("a", model, ["relu", "image"], {"image": image(np.float16)})
    assert {values.dtype for values in maps.values()} == {np.dtype(np.float32)}


def test_old_files_that_list_their_weights_as_inputs_keep_only_the_needed_ones() -> None:
    cut = prefix(network(ir_version=3), ["conv"])
    assert [value.name for value in cut.graph.input] == ["image", "conv.weight"]
    assert session(cut.SerializeToString()).run(["conv"], {"image": image()})[0].shape == (1, 2, 4, 4)


@pytest.mark.parametrize(
    ("name", "tensor", "shape"),
    [
        ("squeezenet", "r13", (1, 64, 55, 55)),
        ("resnet50", "r10", (1, 256, 56, 56)),
        ("resnet50", "r0", (1, 64, 112, 112)),
    ],
)
def test_real_networks_whose_weights_are_nodes_are_cut_too(name: str, tensor: str, shape: tuple[int, ...]) -> None:
    model, feed = light(name)
    factory = CountedSessions()
    maps = PrefixSessions(factory, MEBIBYTE).run(name, model, [tensor], feed)
    assert maps[tensor].shape == shape
    assert len(factory.built[0].graph.node) < len(model.graph.node) / 3
    assert np.allclose(maps[tensor], exposed(model, [tensor], feed)[0], rtol=1e-4, atol=1e-5)


def test_what_a_branch_uses_from_outside_is_kept() -> None:
    body = helper.make_graph(
        [helper.make_node("Add", ["doubled", "image"], ["sum"])],
        "body",
        [],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [2])],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["image", "image"], ["doubled"]),
            helper.make_node("If", ["always"], ["chosen"], then_branch=body, else_branch=body),
            helper.make_node("Neg", ["chosen"], ["negated"]),
        ],
        "branches",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("negated", TensorProto.FLOAT, [2])],
        [numpy_helper.from_array(np.array(True), "always")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=10)
    feed = {"image": np.array([1, 2], np.float32)}
    assert PrefixSessions(session, MEBIBYTE).run("a", model, ["chosen"], feed)["chosen"].tolist() == [3, 6]


def test_a_second_request_uses_the_first_ones_session() -> None:
    factory = CountedSessions()
    sessions = PrefixSessions(factory, 100 * MEBIBYTE)
    for asked in (["conv", "relu"], ["relu", "conv"], ["conv", "conv", "relu"]):
        sessions.run("a", network(), asked, {"image": image()})
    sessions.run("another model", network(), ["conv", "relu"], {"image": image()})
    assert len(factory.built) == 2


def test_many_threads_that_ask_at_once_build_one_session() -> None:
    factory = CountedSessions()
    sessions = PrefixSessions(factory, MEBIBYTE * 100)
    start = Barrier(8)

    def ask(_: int) -> bytes:
        start.wait()
        return sessions.run("a", network(), ["relu"], {"image": image()})["relu"].tobytes()

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert len(factory.built) == len(answers) == 1


def test_the_least_recently_used_session_is_given_up_when_the_bytes_run_out() -> None:
    factory = CountedSessions()
    sessions = PrefixSessions(factory, 9 * MEBIBYTE)  # two of 4 MiB and a little
    for tensor in ("conv", "relu", "conv", "flat", "conv", "relu"):
        sessions.run("a", network(), [tensor], {"image": image()})
        assert sessions.kept_bytes <= 9 * MEBIBYTE
    assert [model.graph.output[0].name for model in factory.built] == ["conv", "relu", "flat", "relu"]


def test_a_session_larger_than_all_the_room_serves_and_is_not_kept() -> None:
    sessions = PrefixSessions(session, MEBIBYTE)
    assert sessions.run("a", network(), ["conv"], {"image": image()})["conv"].shape == (1, 2, 4, 4)
    assert sessions.kept_bytes == 0


def test_a_failed_build_is_not_remembered() -> None:
    failures = [RuntimeError("out of memory")]

    def create(serialized: bytes) -> InferenceSession:
        if failures:
            raise failures.pop()
        return session(serialized)

    sessions = PrefixSessions(create, 100 * MEBIBYTE)
    with pytest.raises(UnsupportedModelError, match=r"the graph up to 'conv' cannot run: 'out of memory'"):
        sessions.run("a", network(), ["conv"], {"image": image()})
    assert "conv" in sessions.run("a", network(), ["conv"], {"image": image()})


def test_an_unknown_tensor_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UnknownLayerError, match=r"no layer named 'conv1'; nearest names: conv"):
        PrefixSessions(session, MEBIBYTE).run("a", network(), ["conv1"], {"image": image()})


def test_a_feed_of_the_wrong_shape_is_the_models_error() -> None:
    with pytest.raises(UnsupportedModelError, match="the graph up to 'conv' cannot run"):
        PrefixSessions(session, MEBIBYTE).run("a", network(), ["conv"], {"image": np.zeros((1, 2, 6, 6), np.float32)})


def test_a_sequence_is_refused() -> None:
    model = network()
    model.graph.node.append(helper.make_node("SequenceConstruct", ["relu"], ["sequence"]))
    with pytest.raises(InvalidParameterError, match="it holds a sequence or a map"):
        PrefixSessions(session, MEBIBYTE).run("a", model, ["sequence"], {"image": image()})


def test_a_part_begins_at_the_tensors_that_are_given() -> None:
    model, feed = network(), {"image": image()}
    given = {"relu": np.full((1, 2, 4, 4), 0.5, np.float32)}
    part = PrefixSessions(session, MEBIBYTE).part("a", model, ["probabilities"], given)
    assert [value.name for value in part.session.get_inputs()] == ["relu"]
    several = part.run({"relu": np.concatenate([given["relu"]] * 3)})["probabilities"]
    assert several.shape[0] == 3
    true = PrefixSessions(session, MEBIBYTE).run("a", model, ["relu", "probabilities"], feed)
    assert np.allclose(part.run({"relu": true["relu"]})["probabilities"], true["probabilities"], atol=1e-6)


def test_nothing_before_a_given_tensor_is_in_the_part() -> None:
    given = helper.make_tensor_value_info("conv", TensorProto.FLOAT, [None, 2, 4, 4])
    cut = prefix(network(), ["relu"], [given])
    assert [node.op_type for node in cut.graph.node] == ["Relu"]
    assert [value.name for value in cut.graph.input] == ["conv"]
    assert not cut.graph.initializer


def test_a_part_is_built_once_for_each_shape_and_counted_like_a_prefix() -> None:
    factory = CountedSessions()
    sessions = PrefixSessions(factory, 100 * MEBIBYTE)
    for rows in (1, 1):
        sessions.part("a", network(), ["relu"], {"conv": np.zeros((rows, 2, 4, 4), np.float32)})
    sessions.part("a", network(), ["relu"], {"conv": np.zeros((1, 2, 6, 6), np.float32)})
    assert len(factory.built) == 2
    assert sessions.kept_bytes > 2 * 4 * MEBIBYTE


def test_a_part_too_large_to_be_kept_works_as_long_as_it_is_held() -> None:
    factory = CountedSessions()
    part = PrefixSessions(factory, 0).part("a", network(), ["relu"], {"conv": np.zeros((1, 2, 4, 4), np.float32)})
    for _ in range(3):
        part.run({"conv": np.ones((1, 2, 4, 4), np.float32)})
    assert len(factory.built) == 1


@pytest.mark.parametrize(
    "held",
    [
        {"value": numpy_helper.from_array(np.array([1, 18], np.int64))},
        {"value_ints": [1, 18]},
        {"value_ints": [1, -1]},
    ],
)
def test_a_reshape_to_one_row_takes_any_rows_in_whichever_form_its_target_is_held(held: dict[str, Any]) -> None:
    nodes = [
        helper.make_node("Constant", [], ["lone"], value_float=1.0),
        helper.make_node("Mul", ["image", "lone"], ["same"]),
        helper.make_node("Constant", [], ["target"], **held),
        helper.make_node("Reshape", ["same", "target"], ["flat"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 2, 3, 3])]
    outputs = [helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["n", 18])]
    graph = helper.make_graph(nodes, "flattening", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=10)
    take_any_rows(model.graph)
    (flat,) = session(model.SerializeToString()).run(None, {"image": np.zeros((4, 2, 3, 3), np.float32)})
    assert flat.shape == (4, 18)
