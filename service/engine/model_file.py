"""The model file: bytes in, a checked network and what is known about it out.

Reads and judges; creates no session and knows no HTTP. What is stated comes from the file, what is not is assumed
from its shapes and listed in `metadata.assumed`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from service.engine.deserialization import parted
from service.engine.graph_names import names_read
from service.engine.model_metadata import ModelMetadata, graph_sha256, stated_metadata, stated_sha256, validated
from service.engine.network_interface import ClassOutput, ImageInput, class_output, image_input
from service.engine.parted import Parted, joined
from service.errors import (
    ChecksumMismatchError,
    CorruptModelError,
    ExternalDataError,
    InvalidMetadataError,
    ModelContractError,
    ModelFileError,
    UnsupportedModelError,
    shown,
)
from service.images.preprocessing import MAX_SIDE, Preprocessing

MAX_FILE_BYTES = 2**31 - 1  # protobuf's own limit for one message
_FREE_SIDE = {1: 28, 3: 224}  # what a network that takes any size is given: MNIST's side, ImageNet's side
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelFile:
    """One model file, checked. `output` is None where the network can be inspected but does not classify."""

    parted: Parted
    sha256: str
    size_bytes: int
    metadata: ModelMetadata
    input: ImageInput
    output: ClassOutput | None
    checksum_stated: bool
    path: Path | None = None  # where these bytes were read; by now others may lie there

    @property
    def graph(self) -> onnx.GraphProto:
        """Without the values of large weights."""
        return self.parted.message.graph

    @cached_property
    def model(self) -> onnx.ModelProto:
        """All of it in one message. The first call copies the large weights: not for a process that serves."""
        return joined(self.parted)


def read(path: Path) -> ModelFile:
    """The checked file at `path`; raises ModelFileError with the reason and the remedy. Reads the bytes once."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UnsupportedModelError(f"the file has {size:,} bytes", f"at most {MAX_FILE_BYTES:,} can be loaded")
        data = path.read_bytes()
    except OSError as error:
        raise CorruptModelError(f"the file cannot be read: {error.strerror}", "check its path and rights") from error
    return replace(from_bytes(data), path=path)


def from_bytes(data: bytes) -> ModelFile:
    """As `read`. Takes about as long as ONNX needs to parse and check the graph; runs nothing of it."""
    model = parsed(data)
    message = model.message
    stated = stated_sha256(message)
    if stated is not None and stated != (computed := graph_sha256(model)):
        raise ChecksumMismatchError(stated, computed)
    _forget_unread_inputs(message.graph)
    network_input = image_input(message)
    output = class_output(message)
    metadata = _metadata(message, network_input, output)
    digest = hashlib.sha256(data).hexdigest()
    return ModelFile(model, digest, len(data), metadata, network_input, output, stated is not None)


def parsed(data: bytes) -> Parted:
    """The bytes as a sound ONNX model without data outside the file."""
    if not data:
        raise CorruptModelError("the file has 0 bytes", "copy or export it again")
    try:
        model = parted(data)
    except DecodeError as error:
        raise CorruptModelError("the file is not ONNX or is cut short", "copy or export it again") from error
    if not model.message.graph.node:
        raise CorruptModelError("the file holds no graph", "copy or export it again")
    _refuse_external_data(model.message)
    try:
        onnx.checker.check_model(_complete(model))
    except (onnx.checker.ValidationError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelFileError(f"ONNX refuses the graph: {shown(reason, 200)}", "export the model again") from error
    return model


def _complete(model: Parted) -> onnx.ModelProto:
    """A copy of the message in which what lies apart says that it has no values, so that none are missing."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model.message)
    for place in model.weights:
        copy.graph.initializer[place].dims[:] = [0]
    return copy


def assumed_metadata(network_input: ImageInput, output: ClassOutput | None) -> ModelMetadata:
    """What a file that says nothing of itself most likely means, by the conventions of its layout.

    NCHW colour in float: torchvision's (RGB, 0..1, ImageNet mean and deviation). NHWC or grey in float: 0..1.
    uint8: pixels as decoded.
    """
    side = _FREE_SIDE[network_input.channels]
    height, width = network_input.height or side, network_input.width or side
    floating = network_input.dtype != "uint8"
    imagenet = floating and network_input.layout == "NCHW" and network_input.channels == 3
    preprocessing = Preprocessing(
        height=_bounded(height),
        width=_bounded(width),
        color="gray" if network_input.channels == 1 else "rgb",
        resize="stretch" if network_input.channels == 1 else "crop",
        layout=network_input.layout,
        dtype=network_input.dtype,
        scale=1 / 255 if floating else 1.0,
        mean=_IMAGENET_MEAN if imagenet else (0.0,),
        std=_IMAGENET_STD if imagenet else (1.0,),
    )
    names = tuple(f"class_{index}" for index in range(output.classes if output else 0))
    return ModelMetadata(class_names=names, preprocessing=preprocessing, assumed=("class_names", "preprocessing"))


def _metadata(model: onnx.ModelProto, network_input: ImageInput, output: ClassOutput | None) -> ModelMetadata:
    stated = stated_metadata(model)
    if stated is None:
        return assumed_metadata(network_input, output)
    metadata = validated(stated)
    _refuse_contradictions(metadata, network_input, output)
    return metadata


def _refuse_contradictions(metadata: ModelMetadata, network_input: ImageInput, output: ClassOutput | None) -> None:
    classes = output.classes if output else 0
    if len(metadata.class_names) != classes:
        raise InvalidMetadataError(
            f"{len(metadata.class_names)} class names for {classes} classes", "give one name per class, in order"
        )
    preprocessing = metadata.preprocessing
    for name in ("dtype", "layout", "channels", "height", "width"):
        stated, found = getattr(preprocessing, name), getattr(network_input, name)
        if found is not None and stated != found:
            raise InvalidMetadataError(
                f"the metadata prepares {name} {stated} and the graph takes {found}", "export or add the file again"
            )


def _forget_unread_inputs(graph: onnx.GraphProto) -> None:
    """ONNX Runtime wants to be fed what no node reads, and tf2onnx leaves such inputs behind (Keras' normalisation)."""
    # Files of IR version 3 must list their weights among the inputs.
    read = names_read(graph) | {value.name for value in graph.output} | {weight.name for weight in graph.initializer}
    kept = [value for value in graph.input if value.name in read]
    if kept and len(kept) < len(graph.input):
        del graph.input[:]
        graph.input.extend(kept)


def _refuse_external_data(model: onnx.ModelProto) -> None:
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise ExternalDataError(tensor.name)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of the file, also inside attributes, subgraphs and functions (iterative: nesting is untrusted)."""
    graphs, nodes = [model.graph], [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield from (attribute.t, *attribute.tensors)
            graphs.extend([attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs)


def _bounded(side: int) -> int:
    if side > MAX_SIDE:
        raise ModelContractError(f"the input has a side of {side:,}", f"at most {MAX_SIDE:,} can be served")
    return side
