"""The table of a network's layers as data: what a row holds, and what its numbers mean.

These models are the schema of the HTTP answer too; how they are filled is `service.inspection.shapes.layer_shapes`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.inspection.graph.layers import Stage

Number = int | float

CONVENTIONS = tuple(
    """\
A MAC is one multiplication with its addition; flops = 2 * macs. Biases, activations, pooling and normalisation count 0.
A transposed convolution is counted before its padding is cut off.
MACs, flops and activation bytes are those of the whole batch; parameters do not depend on it.
Parameters are the numbers that training changes: of batch norm its scale and shift, not its running mean and variance.
With a batch norm folded into it, a layer's parameters are the file's: one shift in place of a scale and a shift.
Weights that several layers share are in the total once.
A window gives floor((input + padding - kernel)/stride) + 1 outputs; with a dilation d its kernel covers d*(k - 1) + 1.
The receptive field is in pixels of the input, padding included; the centre of unit t lies at centre + t * jump.
It is the theoretical one: what really counts lies mostly near its centre.""".splitlines()
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReceptiveFieldRow(_Frozen):
    """What one unit of a layer sees, along each spatial axis of the image."""

    status: Literal["exact", "upper_bound", "whole_image"] = Field(
        description="upper_bound: no unit sees more, but some see less; whole_image: every unit depends on all of it"
    )
    size: tuple[int | None, ...] = Field(description="pixels from the first to the last one seen, padding included")
    jump: tuple[Number, ...] | None = Field(
        description="pixels from one unit's centre to the next; null without a grid"
    )
    centre: tuple[Number, ...] | None = Field(description="position of unit 0's centre; pixel 0's own centre is 0")


class LayerRow(_Frozen):
    """One layer of the table."""

    id: str = Field(description="stable name, for the routes under /layers/")
    aliases: tuple[str, ...] = Field(description="other names it answers to, such as conv_1")
    kind: str = Field(description="conv, max_pool, dense, ...; an unknown operator's own name")
    stage: Stage = Field(
        description="preprocessing: arithmetic on the image before the first layer proper; layout: channels moved for "
        "an operator that wants them first or last; quantization: to or from integers"
    )
    op_types: tuple[str, ...] = Field(description="the ONNX operators it is written with")
    folded: tuple[str, ...] = Field(description="layers whose arithmetic is in its weights, such as a batch norm")
    tensor: str = Field(description="the name in the file of the tensor that holds its output")
    inputs: tuple[str, ...] = Field(description="ids of the layers it reads; names of graph inputs as they are")
    kernel: tuple[int, ...] | None = Field(description="per spatial axis; null without a window")
    stride: tuple[int, ...] | None = Field(description="per spatial axis")
    padding: tuple[tuple[int, int], ...] | None = Field(description="[begin, end] per spatial axis, auto_pad resolved")
    dilation: tuple[int, ...] | None = Field(description="per spatial axis")
    groups: int | None = Field(description="of a convolution: into how many groups its channels are divided")
    input_shape: tuple[int | None, ...] | None = Field(description="of its first input; null where unknown")
    output_shape: tuple[int | None, ...] | None = Field(description="null where unknown: `reason` says why")
    formula: tuple[str, ...] = Field(
        description="the size with its numbers, one per spatial axis, one if they are equal"
    )
    parameters: int | None = Field(description="trained numbers")
    parameters_formula: str | None = Field(
        description="weights + biases: outputs * inputs of a group * kernel + outputs; null without any"
    )
    macs: int | None = Field(description="multiply-accumulates for the whole batch")
    macs_formula: str | None = Field(description="positions * outputs * inputs of a group * kernel; null without any")
    flops: int | None = Field(description="2 * macs")
    activation_bytes: int | None = Field(description="memory of its output for the whole batch")
    receptive_field: ReceptiveFieldRow | None = Field(description="null where it is not known")
    reason: str | None = Field(description="why the output shape is not known")


class Totals(_Frozen):
    """Sums over the rows that are known."""

    parameters: int = Field(description="shared weights counted once")
    macs: int
    flops: int
    activation_bytes: int = Field(description="of all outputs together; a runtime reuses memory and needs less")
    dense_parameter_share: float = Field(description="share of the parameters in dense layers, 0..1")
    unknown_layers: int = Field(description="rows whose output shape is not known")


class LayerShapes(_Frozen):
    """The whole table for one input size."""

    input: str | None = Field(description="name of the image input; null where the network takes none")
    input_shape: tuple[int | None, ...] | None = Field(description="with the size and batch that were asked for")
    layers: tuple[LayerRow, ...] = Field(description="in the order they run")
    totals: Totals
    conventions: tuple[str, ...] = Field(default=CONVENTIONS, description="what is counted, and how")
