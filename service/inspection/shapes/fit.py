"""Whether a layer can work on the input it gets, and if not, why: a sentence with the numbers.

ONNX shape inference lets several of these pass: windows that do not fit, channels that differ, a reshape to a
different number of elements. Knows layers and shapes only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service.inspection.graph.layers import Layer
from service.inspection.shapes.costs import dense_inputs
from service.inspection.shapes.layer_windows import WINDOWED, sized_windows
from service.inspection.shapes.tensor_types import UNKNOWN, TensorType, known_sizes

_MEET_ELEMENTWISE = frozenset({"add", "sub", "mul", "div", "concat", "max", "min", "pow", "mean"})


@dataclass(frozen=True)
class Misfit:
    """`axis` is the spatial axis that is to blame (0: height), None where it is not one alone."""

    reason: str
    axis: int | None = None


def misfit(layer: Layer, types: Mapping[str, TensorType]) -> Misfit | None:
    """Why the layer cannot run; None where it can, or where too little is known to tell."""
    return next(_misfits(layer, types), None)


def _misfits(layer: Layer, types: Mapping[str, TensorType]) -> Iterator[Misfit]:
    before = known_sizes(types.get(layer.inputs[0], UNKNOWN).dims) if layer.inputs else None
    weight = known_sizes(types.get(layer.weights[0], UNKNOWN).dims) if layer.weights else None
    after = types.get(layer.output, UNKNOWN)
    if not before:
        return
    if layer.kind in ("conv", "transposed_conv") and weight and len(weight) > 2 and len(before) > 1:
        yield from _channels(layer, weight, before)
    if layer.kernel is not None and layer.kind in WINDOWED:
        yield from _windows(layer, before)
    if layer.kind == "dense" and weight and len(weight) > 1:
        yield from _features(layer, weight, before)
    if layer.kind in ("reshape", "flatten"):
        yield from _elements(types[layer.inputs[0]], after)
    if layer.kind in _MEET_ELEMENTWISE and after.dims is None:
        yield from _together(layer, types)


def _channels(layer: Layer, weight: tuple[int, ...], before: tuple[int, ...]) -> Iterator[Misfit]:
    takes = weight[0] if layer.kind == "transposed_conv" else weight[1] * layer.groups
    if before[1] != takes:
        yield Misfit(f"it takes {takes} channels and gets {before[1]}")


def _windows(layer: Layer, before: tuple[int, ...]) -> Iterator[Misfit]:
    windows = sized_windows(layer, before[2:])
    if windows is None:
        yield Misfit(f"its window of {_times(layer.kernel or ())} makes no sense on an input of {_times(before)}")
    for axis, window in enumerate(windows or ()):
        if window.output < 1:
            yield Misfit(f"its window does not fit into its input: {window.formula}", axis)


def _features(layer: Layer, weight: tuple[int, ...], before: tuple[int, ...]) -> Iterator[Misfit]:
    takes, _ = dense_inputs(layer, weight)
    gets = before[0] if layer.settings.get("transA") == 1 else before[-1]
    if gets != takes:
        yield Misfit(f"it takes {takes} inputs and gets {gets}")


def _elements(before: TensorType, after: TensorType) -> Iterator[Misfit]:
    if before.dims and after.dims and None not in (before.count, after.count) and before.count != after.count:
        yield Misfit(f"{_times(before.dims)} elements are not {_times(after.dims)}")


def _together(layer: Layer, types: Mapping[str, TensorType]) -> Iterator[Misfit]:
    dims = [types.get(name, UNKNOWN).dims for name in (*layer.inputs, *layer.weights)]
    if all(known_sizes(each) for each in dims):
        yield Misfit(f"its inputs do not fit together: {' and '.join(_times(each or ()) for each in dims)}")


def _times(sizes: tuple[int | None, ...]) -> str:
    return "x".join("?" if size is None else str(size) for size in sizes)
