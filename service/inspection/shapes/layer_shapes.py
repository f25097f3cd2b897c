"""How the shapes flow through a network: one row per layer, with the size formula and its numbers filled in.

Nothing is run and no weight is evaluated; knows no HTTP. What the rows hold is `service.inspection.shapes.layer_table`.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import onnx

from service.engine.model_metadata import ManifestLayer
from service.errors import InvalidParameterError, shown
from service.inspection import stopping
from service.inspection.graph.graph_size import refuse_too_many_nodes
from service.inspection.graph.layers import Layer, layers
from service.inspection.shapes.cost_formulas import macs_formula, parameters_formula
from service.inspection.shapes.costs import macs, parameters
from service.inspection.shapes.fit import Misfit, misfit
from service.inspection.shapes.input_size import Dims, Picture, picture
from service.inspection.shapes.layer_table import LayerRow, LayerShapes, Number, ReceptiveFieldRow, Totals
from service.inspection.shapes.layer_windows import SizedWindow, sized_windows
from service.inspection.shapes.sight import Sight, views
from service.inspection.shapes.size_formulas import size_formulas
from service.inspection.shapes.tensor_types import UNKNOWN, TensorType, known_sizes, tensor_types

Types = Mapping[str, TensorType]

_BETWEEN_CHECKS = 1000  # rows, some 0.1 s


def layer_shapes(
    model: onnx.ModelProto,
    manifest: Sequence[ManifestLayer] = (),
    *,
    batch: int | None = None,
    height: int | None = None,
    width: int | None = None,
) -> LayerShapes:
    """The table of a model whose layers nobody has worked out yet; see `shapes_of`."""
    refuse_too_many_nodes(model.graph)
    return shapes_of(layers(model, manifest), model, batch=batch, height=height, width=width)


def shapes_of(
    found: Sequence[Layer],
    model: onnx.ModelProto,
    *,
    batch: int | None = None,
    height: int | None = None,
    width: int | None = None,
) -> LayerShapes:
    """The table for an input of this size; what is not asked stays as the file declares it, a free batch is 1.

    Raises InvalidParameterError for a size the file has fixed otherwise, or that makes a layer impossible. What the
    file's own size makes impossible, and what nobody can infer, is a row with a reason. Cost: linear in the nodes.
    """
    image = picture(model, found, batch, height, width)
    asked = {name: size for name, size in (("height", height), ("width", width), ("batch", batch)) if size is not None}
    inferred = tensor_types(model, image)
    stopping.check()
    faults = _faults(found, inferred, asked)
    types = {name: UNKNOWN if name in faults else known for name, known in inferred.items()}
    rows = tuple(_rows(found, types, faults, image))
    return LayerShapes(
        input=image.tensor if image else None,
        input_shape=image.dims if image else None,
        layers=rows,
        totals=_totals(found, rows),
    )


def _rows(found: Sequence[Layer], types: Types, faults: Mapping[str, str], image: Picture | None) -> Iterator[LayerRow]:
    makers = {tensor: layer.id for layer in found for tensor in layer.outputs}
    seen = views(found, types, image)
    fields: dict[int, ReceptiveFieldRow | None] = {}  # by the identity of a view: most layers share their input's
    for number, layer in enumerate(found):
        if number % _BETWEEN_CHECKS == 0:
            stopping.check()
        view = seen.get(layer.output)
        if id(view) not in fields:
            fields[id(view)] = _receptive_field(view, image)
        reason = faults.get(layer.output) or _reason(layer, types, image)
        yield _row(layer, types, makers, fields[id(view)], reason)


def _faults(found: Sequence[Layer], types: Types, asked: Mapping[str, int]) -> dict[str, str]:
    """Why the tensors that can never be computed cannot, by name. Raises where an asked size is to blame."""
    faults: dict[str, str] = {}
    for layer in found:
        if any(name in faults for name in layer.inputs):
            faults |= dict.fromkeys(layer.outputs, "a layer before it cannot run")
        elif (fault := misfit(layer, types)) is not None:
            if asked:
                raise _blamed(layer, fault, asked)
            faults |= dict.fromkeys(layer.outputs, fault.reason)
    return faults


def _blamed(layer: Layer, fault: Misfit, asked: Mapping[str, int]) -> InvalidParameterError:
    by_axis = {0: "height", 1: "width"}.get(-1 if fault.axis is None else fault.axis, "")
    name = by_axis if by_axis in asked else next(iter(asked))
    return InvalidParameterError(
        name, asked[name], f"ask for another size, layer {layer.id} rules it out: {fault.reason}"
    )


def _reason(layer: Layer, types: Types, image: Picture | None) -> str | None:
    """Why nobody knows the output's shape, None where it is known."""
    if types.get(layer.output, UNKNOWN).count is not None:
        return None
    if image is not None and None in image.size:
        return "the size of the input is free: ask for a height and a width"
    if any(types.get(name, UNKNOWN).count is None for name in layer.inputs):
        return "the shape of its input is not known"
    if not layer.is_standard:
        return f"{shown(layer.op_types[0])} is not a standard operator, and the file states no shape for it"
    return f"no shape can be inferred for {shown(layer.op_types[0])}"


def _row(
    layer: Layer, types: Types, makers: Mapping[str, str], field: ReceptiveFieldRow | None, reason: str | None
) -> LayerRow:
    before = types.get(layer.inputs[0], UNKNOWN).dims if layer.inputs else None
    after = types.get(layer.output, UNKNOWN)
    windows = _windows(layer, before)
    learned, products = parameters(layer, types), macs(layer, types)
    return LayerRow(
        id=layer.id,
        aliases=layer.aliases,
        kind=layer.kind,
        stage=layer.stage,
        op_types=layer.op_types,
        folded=layer.folded,
        tensor=layer.output,
        inputs=tuple(makers.get(name, name) for name in layer.inputs),
        kernel=layer.kernel,
        stride=layer.stride,
        padding=tuple(window.padding for window in windows) if windows else layer.padding,
        dilation=layer.dilation,
        groups=layer.groups if "conv" in layer.kind else None,
        input_shape=before,
        output_shape=after.dims,
        formula=size_formulas(layer, types, windows),
        parameters=learned,
        parameters_formula=parameters_formula(layer, types, learned),
        macs=products,
        macs_formula=macs_formula(layer, types, products),
        flops=None if products is None else 2 * products,
        activation_bytes=after.bytes,
        receptive_field=field,
        reason=reason,
    )


def _windows(layer: Layer, before: Dims | None) -> tuple[SizedWindow, ...] | None:
    sizes = None if before is None else known_sizes(before[2:])
    return None if sizes is None else sized_windows(layer, sizes)


def _receptive_field(view: tuple[Sight, ...] | None, image: Picture | None) -> ReceptiveFieldRow | None:
    if view is None or image is None:
        return None
    fields = [sight.field for sight in view]
    grid = [sight.field for sight in view if sight.field is not None and sight.axis is not None]
    on_grid = len(grid) == len(view)
    exact = all(field is None or field.exact for field in fields)
    return ReceptiveFieldRow(
        status="whole_image" if not any(fields) else "exact" if exact else "upper_bound",
        size=tuple(field.size if field else whole for field, whole in zip(fields, image.size, strict=True)),
        jump=tuple(_number(field.jump) for field in grid) if on_grid else None,
        centre=tuple(_number(field.centre) for field in grid) if on_grid else None,
    )


def _number(value: Fraction) -> Number:
    return int(value) if value.denominator == 1 else float(value)


def _totals(found: Sequence[Layer], rows: Sequence[LayerRow]) -> Totals:
    # Layers that share their weights have the same names of weights; the last one stands for all.
    owners = {layer.weights or (layer.id,): row for layer, row in zip(found, rows, strict=True)}
    learned = sum(row.parameters or 0 for row in owners.values())
    dense = sum(row.parameters or 0 for row in owners.values() if row.kind == "dense")
    products = sum(row.macs or 0 for row in rows)
    return Totals(
        parameters=learned,
        macs=products,
        flops=2 * products,
        activation_bytes=sum(row.activation_bytes or 0 for row in rows),
        dense_parameter_share=dense / learned if learned else 0.0,
        unknown_layers=sum(row.reason is not None for row in rows),
    )
