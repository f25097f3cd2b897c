"""What ONNX Runtime is handed beside the graph gives the same answers as what it reads out of the file."""

import gc
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.engine import classifier as classifiers
from service.engine import deserialization, model_file
from service.engine.deserialization import parted
from service.engine.devices import RUNTIME_ERRORS, Device
from service.engine.parted import Parted
from service.engine.providers import Provider, session_on
from service.engine.runner import Runner
from service.engine.session_model import SessionModel, apart, whole
from tests import tiny_models
from tests.service.inspection.shapes.zoo_runs import NAMES, image_of
from tests.zoo import feeds, network

LARGE = (600, 500)


def dense(dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """image -> product with a large weight -> sums of its parts."""
    values = np.random.default_rng(0).integers(-5, 5, LARGE).astype(helper.tensor_dtype_to_np_dtype(dtype))
    nodes = [
        helper.make_node("Cast", ["weight"], ["weight.float"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["image", "weight.float"], ["y"]),
    ]
    model = tiny_models.model(nodes, {}, ("image", TensorProto.FLOAT, [1, 600]), ("y", TensorProto.FLOAT, [1, 500]))
    model.graph.initializer.append(numpy_helper.from_array(values, "weight"))
    return model


def read(model: onnx.ModelProto) -> Parted:
    """As out of a file."""
    return parted(model.SerializeToString())


@pytest.mark.parametrize(
    ("dtype", "handed_over"),
    [
        (TensorProto.FLOAT, True),
        (TensorProto.FLOAT16, True),
        (TensorProto.INT8, True),
        (TensorProto.INT64, True),
        (TensorProto.BFLOAT16, False),
        (TensorProto.FLOAT8E4M3FN, False),
    ],
)
def test_large_weights_lie_beside_the_graph_and_count_as_if_they_were_in_it(dtype: int, handed_over: bool) -> None:
    model = dense(dtype)
    divided = apart(read(model))
    assert list(divided.weights) == (["weight"] if handed_over else [])
    assert (len(divided.graph) < 1000) == handed_over
    feed = {"image": np.random.default_rng(1).random((1, 600), dtype=np.float32)}
    (given,) = session_on(divided, "cpu", 1).run(None, feed)
    (expected,) = session_on(whole(Parted(model)), "cpu", 1).run(None, feed)
    assert np.array_equal(given, expected)
    assert np.ptp(given) > 0


@pytest.mark.parametrize("name", NAMES)
def test_so_do_those_of_networks_of_every_exporter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deserialization, "_LARGE_BYTES", 1000)
    model, image = network(name), image_of(name)
    divided = apart(read(model))
    assert divided.weights
    answers = []
    for each in (divided, whole(Parted(model))):
        session = session_on(each, "cpu", 1)
        answers.append(session.run(None, feeds(session, image)))
    for given, expected in zip(*answers, strict=True):
        assert np.array_equal(given, expected, equal_nan=True)


def test_no_array_is_needed_once_the_session_is_there() -> None:
    model = dense()
    session = session_on(apart(read(model)), "cpu", 1)
    gc.collect()
    zeros = [np.zeros(LARGE, np.float32) for _ in range(20)]  # where they were
    feed = {"image": np.ones((1, 600), np.float32)}
    expected = numpy_helper.to_array(model.graph.initializer[0]).sum(0)
    assert session.run(None, feed)[0] == pytest.approx(expected[None], abs=1e-3)
    assert not np.any(zeros)


def unread() -> onnx.ModelProto:
    """A classifier and a large weight that no node reads, as leftover heads are."""
    model = tiny_models.classifier()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(LARGE, np.float32), "left"))
    return model


def unread_and_listed() -> onnx.ModelProto:
    model = unread()
    model.ir_version = 3
    model.graph.input.extend(
        helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims) for weight in model.graph.initializer
    )
    return model


def put_out() -> onnx.ModelProto:
    model = unread()
    model.graph.output.append(helper.make_tensor_value_info("left", TensorProto.FLOAT, LARGE))
    return model


def read_inside() -> onnx.ModelProto:
    """By the body of an If alone."""
    model = dense()
    body = [helper.make_graph([model.graph.node[index]], "body", [], []) for index in (0, 0)]
    for each in body:
        each.output.append(helper.make_tensor_value_info("weight.float", TensorProto.FLOAT, LARGE))
    model.graph.node[0].CopyFrom(
        helper.make_node("If", ["yes"], ["weight.float"], then_branch=body[0], else_branch=body[1])
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return model


@pytest.mark.parametrize(("made", "handed_over"), [(unread, 0), (unread_and_listed, 0), (put_out, 1), (read_inside, 1)])
def test_weights_are_handed_over_where_something_reads_them(
    made: Callable[[], onnx.ModelProto], handed_over: int
) -> None:
    divided = apart(read(made()))
    assert len(divided.weights) == handed_over
    sessions = [session_on(each, "cpu", 1) for each in (divided, whole(Parted(made())))]
    (name, shape) = ("image", (1, 600)) if made is read_inside else ("image", (1, 3, 8, 8))
    feed = {name: np.random.default_rng(0).random(shape, dtype=np.float32)}
    for given, expected in zip(*(session.run(None, feed) for session in sessions), strict=True):
        assert np.array_equal(given, expected)


def of_another_size() -> onnx.ModelProto:
    model = dense()
    model.graph.initializer[0].raw_data = bytes(8)
    return model


def of_negative_sizes() -> onnx.ModelProto:
    model = dense()
    model.graph.initializer[0].dims[:] = [-600, -500]
    return model


@pytest.mark.parametrize("made", [of_another_size, of_negative_sizes])
def test_a_weight_that_has_not_what_it_says_is_left_for_onnx_runtime_to_refuse(
    made: Callable[[], onnx.ModelProto],
) -> None:
    divided = apart(read(made()))
    assert not divided.weights
    with pytest.raises(RUNTIME_ERRORS):
        session_on(divided, "cpu", 1)


def test_a_weight_of_more_axes_than_arrays_have_is_no_array() -> None:
    model = dense()
    model.graph.initializer[0].dims[:] = [1] * 64 + list(LARGE)
    assert not apart(read(model)).weights


def test_a_model_with_functions_stays_whole() -> None:
    model = dense()
    model.functions.append(onnx.FunctionProto(name="own", domain="somebody's"))
    assert apart(read(model)).graph == model.SerializeToString(deterministic=True)


@pytest.mark.parametrize(("provider", "names"), [("cpu", ["weight"]), ("openvino", [])])
def test_on_cpus_a_model_is_loaded_so(provider: Provider, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def opened(model: SessionModel, _device: Device) -> tuple[Runner, ...]:
        seen.append(model)
        return (Runner(model, Device("cpu", 1, "a test")),)

    monkeypatch.setattr(classifiers, "runners", opened)
    file = model_file.from_bytes(as_classifier().SerializeToString())
    classifiers.load("dense", 1, file, Device(provider, 1, "a test"))
    assert "model" not in vars(file)  # all in one message, which would be one more copy
    assert [list(model.weights) for model in seen] == [names]


def as_classifier() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["y"]),
    ]
    weights = {"weight": np.random.default_rng(0).random((600, 500))}
    float32 = int(TensorProto.FLOAT)
    return tiny_models.model(nodes, weights, ("image", float32, [1, 1, 20, 30]), ("y", float32, [1, 500]))
