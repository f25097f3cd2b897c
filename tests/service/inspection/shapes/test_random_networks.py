"""Random networks: the table's shapes and receptive fields against what ONNX Runtime computes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from service.inspection.shapes.layer_shapes import layer_shapes
from service.inspection.shapes.layer_table import LayerRow
from tests.service.inspection.shapes.formulas import evaluated, stated

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]

_REFUSED = (Fail, InvalidArgument, RuntimeException)


@dataclass
class Sketch:
    """A network under construction: nodes, weights, and the tensors that the next node may read, with their shapes."""

    size: Shape
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    tensors: list[tuple[str, Shape]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tensors.append(("image", (1, 3, *self.size)))

    def add(self, op_type: str, inputs: Sequence[str], weights: dict[str, Array], **attributes: Any) -> bool:
        """Whether ONNX Runtime takes the longer network too; if not, it stays as it was."""
        name = f"{op_type.lower()}_{len(self.nodes)}"
        named = {f"{name}.{key}": value for key, value in weights.items()}
        self.nodes.append(helper.make_node(op_type, [*inputs, *named], [name], **attributes))
        self.weights |= named
        try:
            (result,) = self.run([name], self.image())
        except _REFUSED:
            self.nodes.pop()
            return False
        if result.size == 0 or result.size > 200_000:
            self.nodes.pop()
            return False
        self.tensors.append((name, result.shape))
        return True

    def image(self) -> Array:
        return np.random.default_rng(0).standard_normal((1, 3, *self.size), np.float32)

    def model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        read = {name for node in self.nodes for name in node.input}
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, *self.size))],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(value, name) for name, value in self.weights.items() if name in read],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)

    def run(self, outputs: Sequence[str], image: Array) -> list[Array]:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(
            self.model(outputs).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return [np.asarray(each) for each in session.run(list(outputs), {"image": image})]


@st.composite
def networks(draw: st.DrawFn) -> Sketch:
    sketch = Sketch((draw(st.integers(7, 20)), draw(st.integers(7, 20))))
    for _ in range(draw(st.integers(1, 6))):
        maps = [tensor for tensor in sketch.tensors if len(tensor[1]) == 4]
        tensor, shape = draw(st.sampled_from(maps[-3:]))
        draw(st.sampled_from(_STEPS))(draw, sketch, tensor, shape)
    if draw(st.booleans()):
        _head(draw, sketch, *sketch.tensors[-1])
    assume(sketch.nodes)
    return sketch


def _window(draw: st.DrawFn, *, dilated: bool = True) -> dict[str, Any]:
    kernel = [draw(st.integers(1, 4)), draw(st.integers(1, 4))]
    window: dict[str, Any] = {"kernel_shape": kernel, "strides": [draw(st.integers(1, 3)), draw(st.integers(1, 3))]}
    if dilated and draw(st.booleans()):
        window["dilations"] = [draw(st.integers(1, 2)), draw(st.integers(1, 2))]
    # ONNX Runtime crops where a step is wider than the window and the padding automatic; the operators' text does not.
    covers = all(k >= s for k, s in zip(kernel, window["strides"], strict=True))
    if covers and "dilations" not in window and draw(st.integers(0, 3)) == 0:
        window["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    else:
        window["pads"] = [draw(st.integers(0, size - 1)) for size in (*kernel, *kernel)]
    return window


def _weight(draw: st.DrawFn, *shape: int) -> Array:
    return np.random.default_rng(draw(st.integers(0, 9))).standard_normal(shape, np.float32)


def _conv(draw: st.DrawFn, sketch: Sketch, tensor: str, shape: Shape) -> None:
    group = draw(st.sampled_from([each for each in (1, 2, 3, 4) if shape[1] % each == 0]))
    window, out = _window(draw), group * draw(st.integers(1, 2))
    weight = _weight(draw, out, shape[1] // group, *window["kernel_shape"])
    sketch.add("Conv", [tensor], {"weight": weight, "bias": _weight(draw, out)}, group=group, **window)


def _pool(draw: st.DrawFn, sketch: Sketch, tensor: str, shape: Shape) -> None:
    op_type = draw(st.sampled_from(["MaxPool", "AveragePool"]))
    window = _window(draw, dilated=op_type == "MaxPool")
    # ONNX Runtime runs a pooling whose window does not fit at all, since its division rounds towards 0.
    pads, dilations = window.get("pads", [0] * 4), window.get("dilations", [1] * 2)
    spans = zip(shape[2:], pads[:2], pads[2:], window["kernel_shape"], dilations, strict=True)
    automatic = window.get("auto_pad", "").startswith("SAME")
    assume(automatic or all(size + begin + end > d * (k - 1) for size, begin, end, k, d in spans))
    if "auto_pad" not in window:
        window["ceil_mode"] = draw(st.integers(0, 1))
    if op_type == "AveragePool":
        window["count_include_pad"] = draw(st.integers(0, 1))
    sketch.add(op_type, [tensor], {}, **window)


def _transposed(draw: st.DrawFn, sketch: Sketch, tensor: str, shape: Shape) -> None:
    group = draw(st.sampled_from([each for each in (1, 2, 3) if shape[1] % each == 0]))
    window = _window(draw)
    if draw(st.booleans()) and "auto_pad" not in window:
        window["output_padding"] = [draw(st.integers(0, stride - 1)) for stride in window["strides"]]
    elif draw(st.booleans()):
        window.pop("pads", None)
        window.pop("dilations", None)
        extent = [s * (n - 1) + k for s, n, k in zip(window["strides"], shape[2:], window["kernel_shape"], strict=True)]
        window["output_shape"] = [draw(st.integers(max(1, size - 2), size)) for size in extent]
    weight = _weight(draw, shape[1], draw(st.integers(1, 2)), *window["kernel_shape"])
    sketch.add("ConvTranspose", [tensor], {"weight": weight}, group=group, **window)


def _resize(draw: st.DrawFn, sketch: Sketch, tensor: str, shape: Shape) -> None:
    sizes = [1, shape[1], *(draw(st.integers(max(1, size // 2), 2 * size)) for size in shape[2:])]
    mode = draw(st.sampled_from(["nearest", "linear", "cubic"]))
    coordinates = draw(st.sampled_from(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]))
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        attributes["nearest_mode"] = draw(st.sampled_from(["floor", "ceil", "round_prefer_floor"]))
    sketch.add("Resize", [tensor, "", ""], {"sizes": np.array(sizes, np.int64)}, **attributes)


def _join(draw: st.DrawFn, sketch: Sketch, tensor: str, shape: Shape) -> None:
    """With another tensor of the same height and width."""
    others = [name for name, other in sketch.tensors if other[2:] == shape[2:] and len(other) == 4]
    sketch.add("Concat", [tensor, draw(st.sampled_from(others))], {}, axis=1)


def _sum(draw: st.DrawFn, sketch: Sketch, tensor: str, shape: Shape) -> None:
    sketch.add("Add", [tensor, draw(st.sampled_from([name for name, other in sketch.tensors if other == shape]))], {})


def _pad(draw: st.DrawFn, sketch: Sketch, tensor: str, shape: Shape) -> None:
    begin, end = ([0, 0, *(draw(st.integers(-1, 3)) for _ in shape[2:])] for _ in range(2))
    mode = draw(st.sampled_from(["constant", "reflect", "edge"]))
    if mode != "constant":
        begin, end = [max(0, each) for each in begin], [max(0, each) for each in end]
    sketch.add("Pad", [tensor], {"pads": np.array([*begin, *end], np.int64)}, mode=mode)


def _slice(draw: st.DrawFn, sketch: Sketch, tensor: str, shape: Shape) -> None:
    axis = draw(st.sampled_from([2, 3, -1, -2]))
    start, step = draw(st.integers(-4, 3)), draw(st.integers(1, 2))
    numbers = {"starts": start, "ends": draw(st.sampled_from([shape[axis], 2**31, -1])), "axes": axis, "steps": step}
    sketch.add("Slice", [tensor], {key: np.array([number], np.int64) for key, number in numbers.items()})


def _head(draw: st.DrawFn, sketch: Sketch, tensor: str, _shape: Shape) -> None:
    if draw(st.booleans()) and sketch.add("GlobalAveragePool", [tensor], {}):
        tensor = sketch.tensors[-1][0]
    if sketch.add("Flatten", [tensor], {}):
        flat, (_, features) = sketch.tensors[-1]
        sketch.add("Gemm", [flat], {"weight": _weight(draw, 5, features), "bias": _weight(draw, 5)}, transB=1)


_STEPS = (_conv, _conv, _pool, _pool, _transposed, _resize, _join, _sum, _pad, _slice)

random_networks = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@random_networks
@given(networks())
def test_shapes_and_formulas_of_random_networks_are_what_the_runtime_computes(sketch: Sketch) -> None:
    rows = layer_shapes(sketch.model([sketch.tensors[-1][0]])).layers
    names = [row.tensor for row in rows]
    shapes = {name: each.shape for name, each in zip(names, sketch.run(names, sketch.image()), strict=True)}
    assert {row.tensor: row.output_shape for row in rows} == shapes
    for row in rows:
        assert evaluated(row) == stated(row)
        if row.kernel and row.output_shape:
            assert tuple(stated(row)) in (row.output_shape[2:], tuple(dict.fromkeys(row.output_shape[2:])))


@random_networks
@given(networks(), st.integers(0, 1), st.integers(0, 19))
def test_no_unit_of_a_random_network_changes_with_a_pixel_it_does_not_see(sketch: Sketch, axis: int, at: int) -> None:
    pixel = at % sketch.size[axis]
    rows = [row for row in layer_shapes(sketch.model([sketch.tensors[-1][0]])).layers if row.receptive_field]
    names = [row.tensor for row in rows]
    assume(names)
    picture = sketch.image()
    other = picture.copy()
    np.moveaxis(other, 2 + axis, 0)[pixel] += 5
    before, after = sketch.run(names, picture), sketch.run(names, other)
    for row, one, two in zip(rows, before, after, strict=True):
        if one.ndim == 4 and row.receptive_field and row.receptive_field.jump:
            different = (one != two).any(axis=(0, 1, 3 - axis))
            for unit in np.flatnonzero(different).tolist():
                assert sees(row, axis, unit, pixel), (row.id, row.receptive_field, unit, pixel)


def sees(row: LayerRow, axis: int, unit: int, pixel: int) -> bool:
    field = row.receptive_field
    if field is None or field.centre is None or field.jump is None or (size := field.size[axis]) is None:
        return True
    distance = abs(pixel - (field.centre[axis] + unit * field.jump[axis]))
    return bool(distance <= size / 2)
