"""What a pattern's formula cannot say: which constants are one number per channel, which axes are meant, ...

Each condition looks at one match; knows no layer names but through the `scope` it is given.
"""

from collections.abc import Callable, Mapping
from math import prod

import onnx

from service.inspection.graph.constants import count_of, dims_of, integers_of, numbers_of
from service.inspection.graph.matching import Graph, Match
from service.inspection.graph.patterns import Condition

Scope = Callable[[onnx.NodeProto], str | None]
Rule = Callable[[Match, Graph, Scope], bool]

# Behind these a scale and a shift belong to what was computed before, not to a batch normalisation.
_NORMALIZING = frozenset(
    {"Div", "Mul", "Sub", "Reshape", "InstanceNormalization", "LayerNormalization", "GroupNormalization"}
    | {"RMSNormalization", "MeanVarianceNormalization", "LpNormalization"}
)
# Height and width of NCHW and NHWC; depth, height and width of NCDHW.
_SPACES = frozenset({frozenset(axes) for axes in ((2, 3), (-2, -1), (1, 2), (-3, -2), (2, 3, 4), (-3, -2, -1))})


def holds(match: Match, graph: Graph, scope: Scope) -> bool:
    """Whether all conditions of the match's pattern are true."""
    return all(_RULES[condition](match, graph, scope) for condition in match.pattern.when)


def axes_of(match: Match, graph: Graph) -> frozenset[int] | None:
    """The axes that the match's means, maxima and sums run over; None where they differ or are not known.

    Within a formula the axes have to stay, one long: else the numbers behind would meet others.
    """
    reductions = [node for node in match.nodes.values() if node.op_type.startswith("Reduce")]
    dropped = len(match.nodes) > 1 and any(graph.settings(node).get("keepdims") == 0 for node in reductions)
    axes = {node_axes(node, graph) for node in reductions}
    return next(iter(axes)) if len(axes) == 1 and not dropped else None


def node_axes(node: onnx.NodeProto, graph: Graph) -> frozenset[int] | None:
    axes = graph.settings(node).get("axes")
    if isinstance(axes, int):
        return frozenset({axes})
    integers = integers_of(axes)
    return None if integers is None else frozenset(integers)


def _per_channel(match: Match, graph: Graph, _scope: Scope) -> bool:
    counts = {count_of(name, graph.constants) for word, name in match.bound.items() if word != "x"}
    shapes = [dims_of(name, graph.constants) for word, name in match.bound.items() if word != "x"]
    maker = graph.maker(match.bound["x"])
    one_axis = all(shape is None or sum(size > 1 for size in shape) == 1 for shape in shapes)
    normalized = maker is None or maker.op_type in _NORMALIZING
    return one_axis and not normalized and len(counts) == 1 and next(iter(counts)) not in (None, 1)


def _bias_of_conv(match: Match, graph: Graph, _scope: Scope) -> bool:
    """One number per output channel, broadcast over the space behind it."""
    (conv,) = (node for node in match.nodes.values() if node.op_type in ("Conv", "ConvTranspose"))
    weight, bias = (dims_of(match.bound[word], graph.constants) for word in ("weight", "bias"))
    count = count_of(match.bound["bias"], graph.constants)
    if len([name for name in conv.input if name]) > 2 or count is None:
        return False
    if weight is not None and conv.op_type == "Conv" and weight[0] != count:
        return False
    return bias is None or (len(bias) >= 3 and bias[1 - len(bias) :].count(1) >= 2 and prod(bias[-2:]) == 1)


def _bias_of_dense(match: Match, graph: Graph, _scope: Scope) -> bool:
    """One number per output, not one for all of several."""
    weight, count = dims_of(match.bound["weight"], graph.constants), count_of(match.bound["bias"], graph.constants)
    (product,) = (node for node in match.nodes.values() if node.op_type in ("MatMul", "Gemm"))
    if len(product.input) > 2 or weight is None or count is None:
        return len(product.input) <= 2
    return count in weight[-2:]


def _same_scope(match: Match, _graph: Graph, scope: Scope) -> bool:
    scopes = {scope(node) for node in match.nodes.values()}
    return len(scopes) == 1 and None not in scopes


def _odd_window(match: Match, graph: Graph, _scope: Scope) -> bool:
    """An even window lies one channel off ONNX's; whether zeros were padded evenly says the same."""
    (pool,), (pad,) = match.of_type("AveragePool"), match.of_type("Pad")
    settings, padding = graph.settings(pool), graph.settings(pad)
    wide = [size for size in integers_of(settings.get("kernel_shape")) or () if size != 1]
    moves = {settings.get(name) for name in ("pads", "strides", "dilations")}
    stays = all(not isinstance(move, tuple) or set(move) in ({0}, {1}) for move in moves)
    added = padding.get("pads")
    even = not isinstance(added, tuple) or sorted(added)[-2:] == [wide[0] // 2] * 2 if wide else False
    return stays and len(wide) == 1 and wide[0] % 2 == 1 and even and padding.get("mode", "constant") == "constant"


def _over_space(match: Match, graph: Graph, _scope: Scope) -> bool:
    return axes_of(match, graph) in _SPACES


def _over_features(match: Match, graph: Graph, _scope: Scope) -> bool:
    """One axis (the channels), or the last ones."""
    axes = axes_of(match, graph)
    return axes is not None and (len(axes) == 1 or (axes == set(range(-len(axes), 0)) and len(axes) > 2))


def _one_axis(match: Match, graph: Graph, _scope: Scope) -> bool:
    axes = axes_of(match, graph)
    return axes is not None and len(axes) == 1


def _only_groups(match: Match, graph: Graph, _scope: Scope) -> bool:
    """The inner normalisation has no scale and shift of its own that would be lost."""
    (norm,) = match.of_type("InstanceNormalization")
    scale, shift = (numbers_of(name, graph.constants) for name in norm.input[1:3])
    return (scale is None or set(scale) == {1}) and (shift is None or set(shift) == {0})


def _over_groups(match: Match, graph: Graph, _scope: Scope) -> bool:
    """Several axes, one of which is a part of the channels."""
    axes = axes_of(match, graph)
    return axes is not None and len(axes) > 1


def _keeps_space(match: Match, graph: Graph, _scope: Scope) -> bool:
    """Height and width are the same before and behind, as far as the file states them."""
    shapes = [graph.settings(node).get("shape") for node in match.of_type("Reshape")]
    stated = {shape[-2:] for shape in shapes if isinstance(shape, tuple)}
    return len(stated) <= 1


def _says_batch_norm(match: Match, _graph: Graph, _scope: Scope) -> bool:
    """TensorFlow calls the arithmetic of a batch normalisation so."""
    return all("/batchnorm/" in node.name for node in match.nodes.values())


_RULES: Mapping[Condition, Rule] = {
    "per_channel": _per_channel,
    "bias_of_conv": _bias_of_conv,
    "bias_of_dense": _bias_of_dense,
    "same_scope": _same_scope,
    "odd_window": _odd_window,
    "over_space": _over_space,
    "over_features": _over_features,
    "says_batch_norm": _says_batch_norm,
    "one_axis": _one_axis,
    "only_groups": _only_groups,
    "over_groups": _over_groups,
    "keeps_space": _keeps_space,
}
