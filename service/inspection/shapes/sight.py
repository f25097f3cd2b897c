"""What a unit of each layer sees of the image: receptive fields carried along the graph.

Knows layers and shapes, no weights and no values. The interval arithmetic is in `receptive_field`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

import numpy as np

from service.inspection.graph.layers import Layer
from service.inspection.shapes.arithmetic import TransposedWindow
from service.inspection.shapes.input_size import Dims, Picture
from service.inspection.shapes.layer_windows import sized_windows
from service.inspection.shapes.receptive_field import (
    PIXEL,
    ReceptiveField,
    joined,
    through_padding,
    through_repetition,
    through_resize,
    through_transposed_window,
    through_window,
)
from service.inspection.shapes.tensor_types import UNKNOWN, TensorType, known_sizes

_LARGEST_SCALE = 65_536


@dataclass(frozen=True)
class Sight:
    """Along one axis of the image. `field` is None where all of the image is seen.

    `axis` is the tensor's axis that moves over the image, counted from the last (-1); None where no axis does any more,
    as behind a flatten.
    """

    field: ReceptiveField | None
    axis: int | None


# Per axis of the image. None: this module cannot tell.
View = tuple[Sight, ...] | None


def views(layers: Sequence[Layer], types: Mapping[str, TensorType], picture: Picture | None) -> dict[str, View]:
    """The view of every tensor that a layer puts out, by name. One pass in the layers' order."""
    if picture is None or not picture.axes:
        return {}
    rank = len(picture.dims)
    found: dict[str, View] = {picture.tensor: tuple(Sight(PIXEL, axis - rank) for axis in picture.axes)}
    for layer in layers:
        view = _through(layer, [found.get(name) for name in layer.inputs], types)
        found.update(dict.fromkeys(layer.outputs, view))
    return found


def _through(layer: Layer, inputs: Sequence[View], types: Mapping[str, TensorType]) -> View:
    known = [view for view in inputs if view is not None]
    rule = _RULES.get(layer.kind)
    if not known or len(known) < len(inputs) or rule is None:
        return None
    before, after = types.get(layer.inputs[0], UNKNOWN).dims, types.get(layer.output, UNKNOWN).dims
    if before is None or after is None:
        return None
    return rule(layer, _joined(known), before, after)


def _joined(seen: Sequence[tuple[Sight, ...]]) -> View:
    """Several paths into one layer: each axis must be moved over by the same axis of the tensors, at the same step."""
    if len(seen) == 1:
        return seen[0]
    axes = [_joined_axis(sights) for sights in zip(*seen, strict=True)]
    found = tuple(sight for sight in axes if sight is not None)
    return found if len(found) == len(axes) else None


def _joined_axis(sights: Sequence[Sight]) -> Sight | None:
    axes = {sight.axis for sight in sights if sight.axis is not None}
    if len(axes) > 1:
        return None
    axis = next(iter(axes), None)
    fields = [sight.field for sight in sights if sight.field is not None]
    if len(fields) < len(sights):
        return Sight(None, axis)
    field = joined(fields)
    return None if field is None else Sight(field, axis)


# --- one rule per kind: (layer, view of its inputs together, dims before, dims after) -> view

Rule = Callable[[Layer, View, Dims, Dims], View]


def _unchanged(_layer: Layer, view: View, _before: Dims, _after: Dims) -> View:
    return view


def _whole(_layer: Layer, view: View, _before: Dims, _after: Dims) -> View:
    return view and tuple(replace(sight, field=None) for sight in view)


def _windowed(layer: Layer, view: View, before: Dims, _after: Dims) -> View:
    sizes = known_sizes(before[2:])
    windows = None if sizes is None else sized_windows(layer, sizes)
    if view is None or windows is None:
        return None
    seen = []
    for sight in view:
        if sight.field is None:  # whoever sees all of the image still does
            seen.append(sight)
            continue
        if sight.axis is None or sight.axis < -len(windows):
            return None
        window = windows[sight.axis]
        through = through_transposed_window if isinstance(window.window, TransposedWindow) else through_window
        extent, stride = window.window.extent, window.window.stride
        seen.append(replace(sight, field=through(sight.field, extent, stride, window.padding[0])))
    return tuple(seen)


def _dense(_layer: Layer, view: View, _before: Dims, _after: Dims) -> View:
    """Sums over the last axis: whatever moved along it, or was flattened into it, is seen as a whole."""
    return view and tuple(Sight(None, None) if s.axis in (None, -1) else s for s in view)


def _normalized(layer: Layer, view: View, before: Dims, after: Dims) -> View:
    """Softmax and layer norm read a whole axis. Only told where that is the last one: the meaning of others changed."""
    if "axes" in layer.settings:
        return _normalized_over(layer, view, before)
    last = len(before) == 2 or layer.settings.get("axis", -1) == -1
    seen_whole = view is not None and all(sight.field is None for sight in view)
    return _dense(layer, view, before, after) if last or seen_whole else None


def _normalized_over(layer: Layer, view: View, before: Dims) -> View:
    """Only what moves along one of the `axes` is seen as a whole."""
    axes = {axis % len(before) - len(before) for axis in layer.integers("axes") or ()}
    return view and tuple(replace(s, field=None) if s.axis in axes else s for s in view)


def _normalized_over_maps(layer: Layer, view: View, before: Dims, _after: Dims) -> View:
    """Over what it is told to, by default each channel's whole map."""
    axes = {axis % len(before) - len(before) for axis in layer.integers("axes") or (0, 2, 3)}
    return view and tuple(replace(s, field=None) if s.axis in axes else s for s in view)


def _pooled_whole(layer: Layer, view: View, before: Dims, after: Dims) -> View:
    """The axes stay where they are, one long, unless a mean over height and width drops them."""
    return _whole(layer, view, before, after) if len(before) == len(after) else _reduced(layer, view, before, after)


def _shuffled_pixels(_layer: Layer, view: View, before: Dims, after: Dims) -> View:
    """Pixel shuffle enlarges as a nearest-neighbour resize does; its inverse is a window as wide as its stride."""
    if view is None or len(before) != len(after):
        return None
    seen = []
    for sight in view:
        was, becomes = (None, None) if sight.axis is None else (before[sight.axis], after[sight.axis])
        if sight.axis is None or sight.field is None:
            seen.append(sight)
        elif was and becomes and becomes % was == 0:
            field = through_resize(sight.field, Fraction(becomes, was), "nearest", "asymmetric", "floor")
            seen.append(replace(sight, field=field))
        elif was and becomes and was % becomes == 0:
            seen.append(replace(sight, field=through_window(sight.field, was // becomes, was // becomes, 0)))
        else:
            return None
    return tuple(seen)


def _transposed(layer: Layer, view: View, before: Dims, _after: Dims) -> View:
    rank = len(before)
    order = layer.integers("perm") or tuple(reversed(range(rank)))
    if view is None or sorted(order) != list(range(rank)):
        return None
    return tuple(s if s.axis is None else replace(s, axis=order.index(s.axis + rank) - rank) for s in view)


def _reshaped(_layer: Layer, view: View, before: Dims, after: Dims) -> View:
    """An axis stays an axis where as many elements lie before it, and it is as long, as in the output."""
    return view and tuple(s if s.axis is None else replace(s, axis=_kept(s.axis, before, after)) for s in view)


def _kept(axis: int, before: Dims, after: Dims) -> int | None:
    behind = before[len(before) + axis :]
    return next((-n for n in range(1, len(after) + 1) if _same_grid(behind, after[-n:])), None)


def _same_grid(before: Dims, after: Dims) -> bool:
    """The first axis of both is as long, and as many elements lie behind it."""
    was, becomes = known_sizes(before), known_sizes(after)
    if was is None or becomes is None:
        return before == after
    return was[0] == becomes[0] and prod(was) == prod(becomes)


def _reduced(layer: Layer, view: View, before: Dims, after: Dims) -> View:
    """An axis reduced over is seen as a whole; the others keep their place from the end, or move up."""
    rank = len(before)
    axes = {axis % rank for axis in layer.integers("axes") or range(rank)}
    dropped = rank != len(after)

    def moved(sight: Sight) -> Sight:
        if sight.axis is None:
            return sight
        if sight.axis + rank in axes:
            return Sight(None, None)
        behind = sum(axis > sight.axis + rank for axis in axes) if dropped else 0
        return replace(sight, axis=sight.axis + behind)

    return view and tuple(map(moved, view))


def _padded(layer: Layer, view: View, before: Dims, _after: Dims) -> View:
    pads = layer.integers("pads")
    if view is None or pads is None or len(pads) != 2 * len(before) or "axes" in layer.settings:
        return None
    mode = str(layer.settings.get("mode", "constant"))
    if mode not in _REPEATS:
        return None
    seen = []
    for sight in view:
        if sight.field is None or sight.axis is None:
            seen.append(sight)
            continue
        begin, end = pads[sight.axis + len(before)], pads[sight.axis]
        field = through_padding(sight.field, begin)
        seen.append(replace(sight, field=through_repetition(field, _REPEATS[mode] * begin, _REPEATS[mode] * end)))
    return tuple(seen)


def _resized(layer: Layer, view: View, before: Dims, after: Dims) -> View:
    settings = layer.settings
    mode = str(settings.get("mode", "nearest"))
    # Upsample, and Resize of opset 10, which takes no third input, know one way only.
    simple = layer.op_types != ("Resize",) or len(layer.operands) == 2
    coordinates = str(settings.get("coordinate_transformation_mode", "asymmetric" if simple else "half_pixel"))
    stated = _stated_scales(layer, len(before))
    if settings.get("antialias") or settings.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    seen = []
    for sight in view or ():
        if sight.axis is None or sight.field is None:
            seen.append(sight)
            continue
        scale = _scale(before[sight.axis], after[sight.axis], stated.get(sight.axis))
        if scale is None:
            return None
        nearest = ("ceil" if scale < 1 else "floor") if simple else settings.get("nearest_mode", "round_prefer_floor")
        field = through_resize(sight.field, scale, mode, coordinates, str(nearest))
        if field is None:
            return None
        seen.append(replace(sight, field=field))
    return tuple(seen) or None


def _stated_scales(layer: Layer, rank: int) -> dict[int, float]:
    """By axis, counted from the last; empty where the file states sizes."""
    stated = layer.settings.get("scales")
    axes = layer.integers("axes") or tuple(range(rank))
    if not isinstance(stated, tuple) or len(stated) != len(axes):
        return {}
    return {axis % rank - rank: float(scale) for axis, scale in zip(axes, stated, strict=True)}


def _scale(was: int | None, becomes: int | None, stated: float | None) -> Fraction | None:
    """What positions are divided by: the file's own number, which need not give a whole size; None where it cannot be.

    A stored scale of 1.39999998 means 7/5.
    """
    if not was or not becomes:
        return None
    if stated is None:
        return Fraction(becomes, was)
    if not 0 < stated < _LARGEST_SCALE:
        return None
    exact = Fraction(stated)
    simple = exact.limit_denominator(4096)
    scale = simple if np.float32(float(simple)) == np.float32(stated) else exact
    return scale if int(np.float32(was) * np.float32(stated)) == becomes else None  # as ONNX Runtime multiplies


def _selected(_layer: Layer, view: View, before: Dims, after: Dims) -> View:
    """Splits, gathers and concatenations of channels: axes that move over the image must stay as they are."""
    if view is None or len(before) != len(after):
        return None
    return view if all(before[s.axis] == after[s.axis] for s in view if s.axis is not None) else None


def _gathered(layer: Layer, view: View, before: Dims, after: Dims) -> View:
    """In any order, and the same several times: along the axis that is gathered from nobody can tell places."""
    axis = layer.settings.get("axis", 0)
    if view is None or not isinstance(axis, int) or len(before) != len(after):
        return None
    gathered = axis % len(before) - len(before)
    if any(sight.axis == gathered and sight.field is not None for sight in view):
        return None
    return _selected(layer, tuple(replace(s, axis=None) if s.axis == gathered else s for s in view), before, after)


def _sliced(layer: Layer, view: View, before: Dims, after: Dims) -> View:
    """A crop, or every n-th position: a window of one position."""
    starts, axes, steps = layer.integers("starts"), layer.integers("axes"), layer.integers("steps")
    if starts is None or view is None:
        return None if any(step < 0 for step in steps or ()) else _selected(layer, view, before, after)
    axes = axes or tuple(range(len(starts)))
    cuts = {
        axis % len(before) - len(before): cut
        for axis, *cut in zip(axes, starts, steps or (1,) * len(axes), strict=False)
    }
    seen = []
    for sight in view:
        if sight.field is None or sight.axis not in cuts:
            seen.append(sight)
            continue
        size, (start, step) = before[sight.axis], cuts[sight.axis]
        if size is None or step < 1:
            return None
        begin = min(max(start + size if start < 0 else start, 0), size)
        seen.append(replace(sight, field=through_window(sight.field, 1, step, -begin)))
    return tuple(seen)


# How many positions away a padding reads that does not hold zeros, per position that it is wide.
_REPEATS: Mapping[str, int] = {"constant": 0, "edge": 1, "reflect": 2}
_POINTWISE = (
    "relu leaky_relu prelu elu selu celu gelu mish sigmoid hard_sigmoid tanh softplus softsign hard_swish swish clip "
    "thresholded_relu erf exp log sqrt abs neg pow reciprocal floor ceil round sign min max mean identity cast dropout "
    "add sub mul div where batch_norm local_response_norm quantize_linear dequantize_linear "
    "q_linear_add q_linear_mul q_linear_sigmoid q_linear_leaky_relu "
    "silu quick_gelu relu6 log_sigmoid tanhshrink softshrink hardshrink channel_shuffle"
)
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_POINTWISE.split(), _unchanged),
    **dict.fromkeys(("conv", "transposed_conv", "max_pool", "average_pool", "lp_pool", "quantized_conv"), _windowed),
    "q_linear_average_pool": _windowed,
    **dict.fromkeys(("global_lp_pool", "q_linear_global_average_pool", "instance_norm", "group_norm"), _whole),
    **dict.fromkeys(("global_average_pool", "global_max_pool"), _pooled_whole),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), _shuffled_pixels),
    **dict.fromkeys(("reshape", "flatten"), _reshaped),
    **dict.fromkeys(("reduce_mean", "reduce_max", "reduce_sum", "reduce_l2", "reduce_min"), _reduced),
    **dict.fromkeys(("split", "concat", "glu"), _selected),
    "gather": _gathered,
    **dict.fromkeys(("softmax", "log_softmax", "layer_norm", "rms_norm", "softmin"), _normalized),
    "mean_variance_normalization": _normalized_over_maps,
    **dict.fromkeys(("dense", "q_gemm"), _dense),
    "transpose": _transposed,
    "pad": _padded,
    "slice": _sliced,
    "resize": _resized,
}
