"""The layers of an ONNX graph as people count them: what computes from the image, not what prepares weights.

Reads the graph's structure only: no shapes are inferred, no weight is evaluated, no file is opened.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import onnx
from onnx.defs import has

from service.engine.model_metadata import ManifestLayer
from service.errors import UnknownLayerError
from service.inspection.graph.constants import Setting, image_inputs, integers_of, weight_names
from service.inspection.graph.exporter_names import (
    first,
    inserted_by_tf2onnx,
    layer_of_weight,
    module_of,
    scope_of,
    telling_name,
)
from service.inspection.graph.grouping import Grouped, grouped
from service.inspection.graph.kinds import PIXEL_ARITHMETIC, STANDARD_DOMAINS
from service.inspection.graph.layer_names import unique_aliases, unique_ids, url_safe
from service.inspection.graph.steps import Step

Stage = Literal["preprocessing", "network", "layout", "quantization"]

_QUANTIZATION = frozenset({"quantize_linear", "dequantize_linear", "dynamic_quantize_linear"})
_MULTIPLYING = frozenset({"conv", "transposed_conv", "dense"})


@dataclass(frozen=True)
class Layer:
    """One layer. `inputs` are the tensors that depend on the image, `weights` those that do not, each in call order.

    The tensors of `outputs` hold its values, the first one is what people mean. `settings` are the attributes by
    their ONNX names, `pads`, `axes`, ... also where the file has them as constant inputs; a layer that the file writes
    as several nodes has those of the standard operator. `folded` are layers whose arithmetic is inside its weights.
    `domain` is that of its first operator. `operands` are what a layer of one operator reads as that has it: images
    and constants mixed, also the same twice, "" for what is left out; empty for a layer of several.
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
    domain: str = ""
    operands: tuple[str, ...] = ()

    @property
    def is_standard(self) -> bool:
        """Whether ONNX itself defines the (first) operator; another domain's may only have the same name."""
        return self.domain in STANDARD_DOMAINS and has(self.op_types[0])

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
        return integers_of(self.settings.get(setting))

    def _per_axis(self, setting: str, default: int) -> tuple[int, ...] | None:
        if self.kernel is None:
            return None
        values = self.integers(setting) or (default,) * len(self.kernel)
        return values if len(values) == len(self.kernel) else None


def layers(model: onnx.ModelProto, manifest: Sequence[ManifestLayer] = ()) -> tuple[Layer, ...]:
    """The layers in the order they run. Cost: a few passes over the nodes, weights are not touched.

    An id is the manifest's, else what the exporter noted of the author's names (module, Keras layer, weight, node or
    tensor), else the kind with its number (`conv_1`). The others are aliases, as far as no other layer has them as
    its id.
    """
    found = grouped(model)
    names = _names(found, manifest)
    ids = unique_ids(names, [step.kind for step in found.steps])
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
            settings=step.settings,
            folded=_folded(step, found),
            domain=step.nodes[0].domain,
            operands=step.operands,
        )
        for step, layer_id, aliases, stage in zip(
            found.steps, ids, unique_aliases(ids, names), _stages(found.steps, model), strict=True
        )
    )


def layer_named(name: str, among: Sequence[Layer]) -> Layer:
    """The layer whose id, else whose alias, is `name`. Raises UnknownLayerError with the nearest names."""
    by_name = {alias: layer for layer in among for alias in layer.aliases} | {layer.id: layer for layer in among}
    if name not in by_name:
        raise UnknownLayerError(name, list(by_name))
    return by_name[name]


def _names(found: Grouped, manifest: Sequence[ManifestLayer]) -> list[tuple[str | None, ...]]:
    stated = {layer.tensor: layer.id for layer in manifest}
    counts: Counter[str] = Counter()
    names = []
    for step in found.steps:
        counted = []
        for kind in (step.kind, *step.also):
            counts[kind] += 1
            counted.append(f"{kind}_{counts[kind]}")
        last = step.nodes[-1]
        tensor = (None if last.name else _safe(telling_name(step.outputs[0], last.op_type)),)
        # Of a file in which no node has a name, nobody knows whether the tensors have those that the author gave.
        others = (*tensor, *counted) if found.named else (*counted, *tensor)
        names.append((*_own_names(step, found, stated), *_folded(step, found), *others))
    return names


def _own_names(step: Step, found: Grouped, stated: Mapping[str, str]) -> Iterator[str | None]:
    """In order of trust; None where there is none of a kind."""
    tensors = (*reversed(step.outputs), *(name for node in reversed(step.nodes) for name in node.output))
    yield url_safe(next((stated[tensor] for tensor in tensors if tensor in stated), ""))
    weight = first(_weight_names(step, found))
    scope = None if _is_inserted(step, found) else first(scope_of(node, found.names) for node in reversed(step.nodes))
    # A folded batch normalisation leaves its own scope at the convolution; a function called with a module's weight
    # has the scope of the module around it.
    within = weight is not None and scope is not None and weight.startswith(f"{scope}.")
    yield from map(_safe, (weight, scope) if within or _folded(step, found) else (scope, weight))
    yield _safe(first(_telling(step, found)))


def _is_inserted(step: Step, found: Grouped) -> bool:
    """Nodes that tf2onnx put there are called after a neighbour."""
    return found.names is not None and all(map(inserted_by_tf2onnx, step.nodes)) and not step.weights[1:]


def _weight_names(step: Step, found: Grouped) -> Iterator[str | None]:
    made_from = [name for weight in step.weights for name in weight_names(weight, found.constants)]
    yield from map(layer_of_weight, made_from)
    if found.names is not None:
        yield from map(found.names.layer, made_from)
    yield from (layer_of_weight(name, bias=True) for name in made_from)


def _telling(step: Step, found: Grouped) -> Iterator[str | None]:
    for node in reversed(step.nodes):
        if found.names is None or found.names.layer(node.name) is None:
            yield telling_name(node.name, node.op_type)


def _safe(name: str | None) -> str | None:
    return url_safe(name or "")


def _folded(step: Step, found: Grouped) -> tuple[str, ...]:
    """The batch normalisation whose scale and shift are in the weights of this layer, as its exporter noted."""
    if step.kind not in _MULTIPLYING:
        return ()
    modules = [module for node in step.nodes if (module := module_of(node)) is not None]
    folded = [module.path for module in modules if (module.class_name or "").startswith("BatchNorm")]
    if found.names is not None:
        written = (*(node.name for node in step.nodes), *step.weights)
        folded += [found.names.layer(name) or "" for name in written if "/batchnorm/" in name]
    return tuple(dict.fromkeys(filter(None, map(_safe, folded))))


def _stages(steps: Sequence[Step], model: onnx.ModelProto) -> list[Stage]:
    """Arithmetic on the image itself, before the first layer of any other kind, is preprocessing."""
    pixels = {value.name for value in image_inputs(model.graph)}
    stages: list[Stage] = []
    for step in steps:
        prepares = step.kind in PIXEL_ARITHMETIC and pixels.issuperset(step.inputs)
        if prepares:
            pixels.update(step.outputs)
        stages.append("preprocessing" if prepares else _stage(step, model.producer_name))
    return stages


def _stage(step: Step, producer: str) -> Stage:
    if step.kind in _QUANTIZATION:
        return "quantization"
    return "layout" if _changes_the_layout(step, producer) else "network"


def _changes_the_layout(step: Step, producer: str) -> bool:
    """Channels moved to the other end for an operator that wants them there; in PyTorch only people do that."""
    if producer == "tf2onnx" and step.kind in ("transpose", "reshape") and inserted_by_tf2onnx(step.nodes[0]):
        return True
    order = step.settings.get("perm")
    if step.kind != "transpose" or producer == "pytorch" or not isinstance(order, tuple) or len(order) < 4:
        return False
    space = range(1, len(order) - 1)
    return order in ((0, len(order) - 1, *space), (0, *(axis + 1 for axis in space), 1))
