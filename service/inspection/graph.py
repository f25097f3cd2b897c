"""The layers of an ONNX graph as people count them: what computes from the image, not what prepares weights.

Reads the graph's structure only: no shapes are inferred, no weight is evaluated, no file is opened.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import onnx

from service.engine.model_metadata import ManifestLayer
from service.errors import UnknownLayerError
from service.inspection.constants import (
    Constants,
    Setting,
    constants_of,
    image_inputs,
    opset_of,
    read_tensors,
    settings_of,
    weight_names,
)
from service.inspection.kinds import kind_of
from service.inspection.layer_names import (
    name_from_path,
    name_from_scopes,
    name_from_weight,
    unique_aliases,
    unique_ids,
    url_safe,
)

Stage = Literal["preprocessing", "network", "layout", "quantization"]

_PREPROCESSING = frozenset(
    {"cast", "transpose", "mul", "add", "sub", "div", "identity", "reshape", "gather", "dequantize_linear"}
)


@dataclass(frozen=True)
class Layer:
    """One layer. `inputs` are the tensors that depend on the image, `weights` those that do not, each in call order.

    The tensors of `outputs` hold its values, the first one is what people mean. `settings` are the attributes by
    their ONNX names, `pads`, `axes`, ... also where the file has them as constant inputs.
    """

    id: str
    aliases: tuple[str, ...]
    kind: str
    stage: Stage
    op_types: tuple[str, ...]
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Setting]
    folded: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        return self.outputs[0]

    @cached_property
    def kernel(self) -> tuple[int, ...] | None:
        """Per spatial axis, None for a layer without a window."""
        return self.integers("kernel_shape")

    @cached_property
    def stride(self) -> tuple[int, ...] | None:
        return self._per_axis("strides", 1)

    @cached_property
    def dilation(self) -> tuple[int, ...] | None:
        return self._per_axis("dilations", 1)

    @cached_property
    def padding(self) -> tuple[tuple[int, int], ...] | None:
        """(begin, end) per spatial axis as the file states it; with `auto_pad` the input's size decides instead."""
        if self.kernel is None:
            return None
        axes = len(self.kernel)
        pads = self.integers("pads") or (0,) * (2 * axes)
        return tuple(zip(pads[:axes], pads[axes:], strict=True)) if len(pads) == 2 * axes else None

    @property
    def groups(self) -> int:
        group = self.settings.get("group", 1)
        return group if isinstance(group, int) and group > 0 else 1

    def integers(self, setting: str) -> tuple[int, ...] | None:
        """A setting that is a list of integers, None where it is absent or something else."""
        value = self.settings.get(setting)
        if not isinstance(value, tuple):
            return None
        return tuple(map(int, value)) if all(type(number) is int for number in value) else None

    def _per_axis(self, setting: str, default: int) -> tuple[int, ...] | None:
        if self.kernel is None:
            return None
        values = self.integers(setting) or (default,) * len(self.kernel)
        return values if len(values) == len(self.kernel) else None


@dataclass(frozen=True)
class _Step:
    """One or two nodes that make a layer which has no name yet."""

    nodes: tuple[onnx.NodeProto, ...]
    kind: str
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    outputs: tuple[str, ...]


def layers(model: onnx.ModelProto, manifest: Sequence[ManifestLayer] = ()) -> tuple[Layer, ...]:
    """The layers in the order they run. Cost: one pass over the nodes, weights are not touched.

    An id is the manifest's, else the weight's name, else the PyTorch scope, else the path in the node's name, else
    the kind with its number (`conv_1`). The others are aliases, as far as no other layer has them as its id.
    """
    constants = constants_of(model.graph)
    steps = list(_steps(model.graph, constants))
    names = _names(steps, constants, manifest)
    ids = unique_ids(names)
    stages = _stages(steps, model.graph)
    opset = opset_of(model)
    return tuple(
        Layer(
            id=layer_id,
            aliases=aliases,
            kind=step.kind,
            stage=stage,
            op_types=tuple(node.op_type for node in step.nodes),
            inputs=step.inputs,
            weights=step.weights,
            outputs=step.outputs,
            settings=_settings(step, constants, opset),
        )
        for step, layer_id, aliases, stage in zip(steps, ids, unique_aliases(ids, names), stages, strict=True)
    )


def layer_named(name: str, among: Sequence[Layer]) -> Layer:
    """The layer whose id, else whose alias, is `name`. Raises UnknownLayerError with the nearest names."""
    by_name = {alias: layer for layer in among for alias in layer.aliases} | {layer.id: layer for layer in among}
    if name not in by_name:
        raise UnknownLayerError(name, list(by_name))
    return by_name[name]


def _steps(graph: onnx.GraphProto, constants: Constants) -> Iterator[_Step]:
    nodes = [node for node in graph.node if any(node.output) and not _all_constant(node, constants)]
    bias_of = _bias_nodes(nodes, graph, constants)
    absorbed = {id(node) for node in bias_of.values()}
    for node in nodes:
        if id(node) not in absorbed:
            yield _step(node, bias_of.get(node.output[0]), constants)


def _all_constant(node: onnx.NodeProto, constants: Constants) -> bool:
    return all(name in constants for name in node.output if name)


def _bias_nodes(
    nodes: Sequence[onnx.NodeProto], graph: onnx.GraphProto, constants: Constants
) -> dict[str, onnx.NodeProto]:
    """The Add of a bias behind each MatMul by a weight, by the MatMul's output, where nothing else reads that."""
    readers = Counter(name for node in graph.node for name in read_tensors(node))
    readers.update(value.name for value in graph.output)
    products = {node.output[0] for node in nodes if node.op_type == "MatMul" and _has_weight(node, constants)}
    found = {}
    for node in nodes:
        if node.op_type == "Add" and len(node.input) == 2:
            for product, bias in (node.input, reversed(node.input)):
                if product in products and bias in constants and readers[product] == 1:
                    found[product] = node
    return found


def _has_weight(node: onnx.NodeProto, constants: Constants) -> bool:
    return len(node.input) > 1 and node.input[1] in constants


def _step(node: onnx.NodeProto, bias: onnx.NodeProto | None, constants: Constants) -> _Step:
    nodes = (node,) if bias is None else (node, bias)
    produced = set(node.output)
    read = list(dict.fromkeys(name for n in nodes for name in read_tensors(n) if n is node or name not in produced))
    dense = node.domain in ("", "ai.onnx") and node.op_type in ("Gemm", "MatMul") and _has_weight(node, constants)
    return _Step(
        nodes=nodes,
        kind="dense" if dense else kind_of(node.op_type, node.domain),
        inputs=tuple(name for name in read if name not in constants),
        weights=tuple(name for name in read if name in constants),
        outputs=tuple(filter(None, nodes[-1].output)),
    )


def _names(
    steps: Sequence[_Step], constants: Constants, manifest: Sequence[ManifestLayer]
) -> list[tuple[str | None, ...]]:
    stated = {layer.tensor: layer.id for layer in manifest}
    counts: Counter[str] = Counter()
    names = []
    for step in steps:
        counts[step.kind] += 1
        names.append((*_own_names(step, constants, stated), f"{step.kind}_{counts[step.kind]}"))
    return names


def _own_names(step: _Step, constants: Constants, stated: Mapping[str, str]) -> Iterator[str | None]:
    tensors = (*reversed(step.outputs), *step.nodes[0].output)
    manifest_id = next((stated[tensor] for tensor in tensors if tensor in stated), "")
    yield url_safe(manifest_id)
    made_from = (name for weight in step.weights for name in weight_names(weight, constants))
    yield next(filter(None, map(name_from_weight, made_from)), None)
    yield name_from_scopes(step.nodes[0])
    yield name_from_path(step.nodes[0])


def _stages(steps: Sequence[_Step], graph: onnx.GraphProto) -> list[Stage]:
    """Arithmetic on the image itself, before the first layer of any other kind, is preprocessing."""
    pixels = {value.name for value in image_inputs(graph)}
    stages: list[Stage] = []
    for step in steps:
        prepares = step.kind in _PREPROCESSING and pixels.issuperset(step.inputs)
        if prepares:
            pixels.update(step.outputs)
        stages.append("preprocessing" if prepares else "network")
    return stages


def _settings(step: _Step, constants: Constants, opset: int) -> dict[str, Setting]:
    """With the kernel's size taken from the weight where a convolution does not state it."""
    found = settings_of(step.nodes[0], constants, opset)
    if step.kind in ("conv", "transposed_conv") and "kernel_shape" not in found and step.weights:
        weight = constants.initializers.get(step.weights[0])
        if weight is not None:
            found["kernel_shape"] = tuple(weight.dims[2:])
    return found
