"""The size of a layer's output as a sum with its numbers: `floor((27 + 2*2 - 5)/1) + 1 = 27`, `64 + 64 = 128`.

Knows layers and shapes. It decides no shape: what it says is left out where it would not give the true one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from math import floor, prod

from service.inspection.graph.layers import Layer
from service.inspection.shapes.costs import dense_inputs
from service.inspection.shapes.layer_windows import SizedWindow
from service.inspection.shapes.tensor_types import UNKNOWN, TensorType, known_sizes

Types = Mapping[str, TensorType]
Sizes = tuple[int, ...]
Sums = Iterator[str]

_MAX_TERMS = 32  # more are no help to anybody
_LARGEST_SCALE = 65_536
_FEW_TERMS = 4  # written out; of more, equal neighbours are written as a product


def size_formulas(layer: Layer, types: Types, windows: Sequence[SizedWindow] | None) -> tuple[str, ...]:
    """One sum per axis whose size the layer changes, equal ones once; empty where it changes none, or by no rule.

    `a*b = n` and the like evaluate to n, with + - * / floor and ceil of integers; `a -> b` stands where a size is a
    choice (a dense layer's units), an order, or several sizes.
    """
    before, after = _sizes(layer.inputs[:1], types), _sizes(layer.outputs[:1], types)
    if not before or not after:
        return ()
    if windows and tuple(window.output for window in windows) == after[0][2:]:
        return tuple(dict.fromkeys(window.formula for window in windows))
    rule = _RULES.get(layer.kind)
    return () if rule is None else tuple(dict.fromkeys(rule(layer, types, before[0], after[0])))


def _sizes(names: Sequence[str], types: Types) -> list[Sizes]:
    """Of those tensors whose whole shape is known."""
    return [sizes for name in names if (sizes := known_sizes(types.get(name, UNKNOWN).dims)) is not None]


# --- one rule per kind: (layer, types, sizes before, sizes after) -> sums


def _regrouped(_layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    """Reshape: the factors that change; all of one image where it becomes flat."""
    if len(after) == 2 and len(before) > 2 and before[0] == after[0]:
        yield f"{_product(before[1:])} = {after[1]}"
        return
    start = _equal(before, after)
    end = _equal(before[start:][::-1], after[start:][::-1])
    was, becomes = before[start : len(before) - end], after[start : len(after) - end]
    if was and becomes and prod(was) == prod(becomes) != 1:
        yield f"{_product(was)} {'=' if len(becomes) == 1 else '->'} {_product(becomes)}"


def _equal(first: Sizes, second: Sizes) -> int:
    """How many entries at the beginning are the same."""
    differ = (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return next(differ, min(len(first), len(second)))


def _concatenated(layer: Layer, types: Types, _before: Sizes, after: Sizes) -> Sums:
    axis = _axis(layer.settings.get("axis", 1), after)
    parts = [sizes[axis] for sizes in _sizes((*layer.inputs, *layer.weights), types) if len(sizes) == len(after)]
    if sum(parts) == after[axis]:
        yield from _sum(parts)
    elif len(parts) == 1 and parts[0] and after[axis] % parts[0] == 0:  # the same tensor several times
        yield f"{after[axis] // parts[0]}*{parts[0]} = {after[axis]}"


def _sum(parts: Sequence[int]) -> Sums:
    runs = [(size, len(list(run))) for size, run in groupby(parts)]
    if len(parts) <= _FEW_TERMS:
        yield f"{' + '.join(map(str, parts))} = {sum(parts)}"
    elif len(runs) <= _MAX_TERMS:
        terms = (f"{count}*{size}" if count > 1 else f"{size}" for size, count in runs)
        yield f"{' + '.join(terms)} = {sum(parts)}"


def _broadcast(layer: Layer, types: Types, before: Sizes, after: Sizes) -> Sums:
    """Axes along which one operand is repeated to fit another: a gate of 1x1 on a map of 56x56."""
    names = layer.inputs if len(layer.inputs) > 1 or before == after else (*layer.inputs, *layer.weights)
    operands = [(1,) * (len(after) - len(sizes)) + sizes for sizes in _sizes(names, types)[:_MAX_TERMS]]
    for axis, size in enumerate(after):
        if size != 1 and {operand[axis] for operand in operands} == {1, size}:
            yield f"1*{size} = {size}"


def _global(_layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    return _over(range(2, len(before)), before, after)


def _reduced(layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    stated = layer.integers("axes") or _integer(layer, "axis")
    return _over(sorted({_axis(axis, before) for axis in stated or range(len(before))}), before, after)


def _over(axes: Sequence[int], before: Sizes, after: Sizes) -> Sums:
    """A window as large as the map leaves 1 entry of an axis; where the axis goes, one image's elements are counted."""
    if after == tuple(1 if axis in axes else size for axis, size in enumerate(before)):
        yield from (f"floor(({before[axis]} - {before[axis]})/1) + 1 = 1" for axis in axes)
    elif axes and 0 not in axes and after == tuple(size for axis, size in enumerate(before) if axis not in axes):
        yield f"{_product(before[1:])}/({_product([before[axis] for axis in axes])}) = {prod(after[1:])}"


def _padded(layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    pads = layer.integers("pads") or layer.integers("paddings") or ()
    axes = [_axis(axis, before) for axis in layer.integers("axes") or range(len(before))]
    if len(pads) != 2 * len(axes):
        return
    for axis, begin, end in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        if (begin, end) != (0, 0) and before[axis] + begin + end == after[axis]:
            added = "".join(f" {'+' if n > 0 else '-'} {abs(n)}" for n in (begin, end) if n)
            yield f"{before[axis]}{added} = {after[axis]}"


def _resized(layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    """With the scale where the file states one and it gives the true size, else from size to size."""
    axes = [_axis(axis, before) for axis in layer.integers("axes") or range(len(before))]
    stated = layer.settings.get("scales")
    scales = dict(zip(axes, stated, strict=False)) if isinstance(stated, tuple) else {}
    for axis, (was, becomes) in enumerate(zip(before, after, strict=True)):
        scale = float(scales.get(axis, 1))
        # A stored scale of 1.39999998 means 7/5.
        ratio = Fraction(scale).limit_denominator(4096) if 0 < scale < _LARGEST_SCALE else Fraction(1)
        if ratio != 1 and floor(was * ratio) == becomes:
            yield f"floor({was}*{ratio}) = {becomes}"
        elif was != becomes:
            yield f"{was} -> {becomes}"


def _sliced(layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    starts, ends = layer.integers("starts") or (), layer.integers("ends") or ()
    axes = layer.integers("axes") or tuple(range(len(starts)))
    steps = layer.integers("steps") or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        return
    for start, end, axis, step in zip(starts, ends, (_axis(a, before) for a in axes), steps, strict=True):
        # Python's slices clamp like ONNX's, but for the end of a backward one.
        first, last, _ = slice(start, end, step).indices(before[axis])
        if before[axis] != after[axis] == max(-(-(last - first) // step), 0):
            yield _slice(first, last, step, after[axis])


def _slice(first: int, last: int, step: int, size: int) -> str:
    return f"{last} - {first} = {size}" if step == 1 else f"ceil(({last} - {first})/{step}) = {size}"


def _split(layer: Layer, types: Types, before: Sizes, after: Sizes) -> Sums:
    """For the first part; the others have rows of no layer, only tensors."""
    axis = _axis(layer.settings.get("axis", 0), before)
    parts = [sizes[axis] for sizes in _sizes(layer.outputs, types) if len(sizes) == len(before)]
    if len(parts) < 2 or sum(parts) != before[axis] or len(parts) > _MAX_TERMS:
        return
    if len(set(parts)) == 1:
        yield f"{before[axis]}/{len(parts)} = {after[axis]}"
    else:
        yield f"{before[axis]} - {' - '.join(map(str, parts[1:]))} = {after[axis]}"


def _to_space(layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    for block in _integer(layer, "blocksize"):
        yield f"{before[1]}/({block}*{block}) = {after[1]}"
        yield from (f"{size}*{block} = {becomes}" for size, becomes in zip(before[2:], after[2:], strict=True))


def _to_depth(layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    for block in _integer(layer, "blocksize"):
        yield f"{before[1]}*{block}*{block} = {after[1]}"
        yield from (f"{size}/{block} = {becomes}" for size, becomes in zip(before[2:], after[2:], strict=True))


def _tiled(_layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    if len(before) == len(after) and all(before):
        repeated = ((was, becomes) for was, becomes in zip(before, after, strict=True) if was != becomes)
        yield from (f"{was}*{becomes // was} = {becomes}" for was, becomes in repeated)


def _turned(_layer: Layer, _types: Types, before: Sizes, after: Sizes) -> Sums:
    """The order of the axes; the batch, where it stays in front, is not said."""
    start = 1 if before[0] == after[0] else 0
    yield f"{_times(before[start:])} -> {_times(after[start:])}"


def _dense(layer: Layer, types: Types, _before: Sizes, _after: Sizes) -> Sums:
    for weight in _sizes(layer.weights[:1], types):
        if len(weight) > 1:
            inputs, outputs = dense_inputs(layer, weight)
            yield f"{inputs} -> {outputs}"


def _multiplied(layer: Layer, types: Types, _before: Sizes, after: Sizes) -> Sums:
    """Two tensors of which the second depends on the image, as in attention."""
    operands = _sizes(layer.operands, types)
    if len(layer.operands) == len(operands):
        yield f"{', '.join(_times(sizes[-2:]) for sizes in operands)} -> {_times(after[-2:])}"


# --- parts


def _axis(axis: object, sizes: Sizes) -> int:
    """Counted from the front; a senseless one is taken modulo the rank, and its sum then fails to be true."""
    return int(axis) % len(sizes) if isinstance(axis, int) and sizes else 0


def _integer(layer: Layer, setting: str) -> Sizes:
    """The setting as a list of one, empty where the layer does not have it."""
    value = layer.settings.get(setting)
    return (value,) if isinstance(value, int) else ()


def _product(sizes: Sequence[int]) -> str:
    return "*".join(map(str, sizes))


def _times(sizes: Sizes) -> str:
    return "x".join(map(str, sizes))


Rule = Callable[[Layer, Types, Sizes, Sizes], Sums]
_REDUCING = "mean max min sum prod l1 l2 log_sum log_sum_exp sum_square"
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("reshape", "flatten"), _regrouped),
    **dict.fromkeys(["add", "sub", "mul", "div", "max", "min", "pow", "mean", "where", "expand"], _broadcast),
    **dict.fromkeys(("global_average_pool", "global_max_pool", "global_lp_pool"), _global),
    **dict.fromkeys((*(f"reduce_{what}" for what in _REDUCING.split()), "arg_max", "arg_min"), _reduced),
    "concat": _concatenated,
    "pad": _padded,
    "resize": _resized,
    "slice": _sliced,
    "split": _split,
    **dict.fromkeys(("depth_to_space", "pixel_shuffle"), _to_space),
    **dict.fromkeys(("space_to_depth", "pixel_unshuffle"), _to_depth),
    "tile": _tiled,
    "transpose": _turned,
    "dense": _dense,
    "matmul": _multiplied,
}
