"""What an infer request sent, as a batch for the network: its own input as a tensor, or images in a BYTES tensor.

Knows the model's input and the image rules; runs nothing.
"""

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.api.protocol_models import input_shape
from service.api.protocol_request import Body, InferRequest, SentTensor, array_of
from service.api.tensor_codec import datatype_of, from_binary
from service.arrays import InputBatch
from service.engine.classifier import Classifier
from service.engine.decoders import check_wanted
from service.errors import FoveaError, InvalidTensorError, TooManyImagesError, shown
from service.images.decoding import FORMATS, ImageLimits
from service.images.network_input import network_input
from service.images.preprocessing import MAX_SIDE
from service.images.signatures import image_format


@dataclass(frozen=True)
class Prepared:
    """`by_client` is True where the client made the network's input itself: then what it does to the network is too."""

    batch: InputBatch
    by_client: bool


def prepared(body: Body, classifier: Classifier, limits: ImageLimits, max_images: int) -> Prepared:
    """The batch; raises InvalidTensorError, MalformedBodyError or TooManyImagesError. Decodes images: milliseconds."""
    if body.request is None:
        return _raw(body.binary, classifier, limits)
    tensor = _only_input(body.request, classifier)
    if tensor.datatype != "BYTES":
        return Prepared(_checked(tensor, body, classifier), by_client=True)
    files = _files(tensor, body, max_images)
    return Prepared(_decoded(files, classifier, limits), by_client=False)


def _raw(body: memoryview, classifier: Classifier, limits: ImageLimits) -> Prepared:
    """A body without JSON: one image by its signature, else one network input by its length."""
    if image_format(bytes(body[:16])):
        return Prepared(_decoded([bytes(body)], classifier, limits), by_client=False)
    taken, preprocessing = classifier.file.input, classifier.file.metadata.preprocessing
    shape = input_shape(taken, 1, preprocessing.height, preprocessing.width)
    dtype = np.dtype(taken.dtype)
    if len(body) != (needed := math.prod(shape) * dtype.itemsize):
        raise InvalidTensorError(
            f"the body of {len(body):,} bytes is neither an image nor one {datatype_of(dtype)} input {shape}",
            f"send a {', '.join(FORMATS)} file or {needed:,} bytes, or state the length of the JSON part",
        )
    return Prepared(_finite(from_binary(body, datatype_of(dtype), shape)), by_client=True)


def _only_input(request: InferRequest, classifier: Classifier) -> SentTensor:
    known = classifier.file.input.name
    if len(request.inputs) != 1 or request.inputs[0].name != known:
        sent = ", ".join(shown(tensor.name) for tensor in request.inputs[:4])
        raise InvalidTensorError(f"the inputs are {sent}", f"send exactly one, named {known!r}")
    return request.inputs[0]


def _checked(tensor: SentTensor, body: Body, classifier: Classifier) -> InputBatch:
    """The network's own input, of its datatype and shape."""
    taken = classifier.file.input
    datatype, expected = datatype_of(np.dtype(taken.dtype)), input_shape(taken)
    if tensor.datatype != datatype:
        raise InvalidTensorError(
            f"input {shown(tensor.name)} has datatype {shown(tensor.datatype)}",
            f"send {datatype}, or images as BYTES with shape [N]",
        )
    if not _fits(tensor.shape, expected):
        raise InvalidTensorError(
            f"input {shown(tensor.name)} has shape {shown(tensor.shape)}",
            f"the model takes {expected}, where -1 is 1 or more and a side at most {MAX_SIDE:,}",
        )
    return _finite(array_of(tensor, body))


def _fits(shape: Sequence[int], expected: Sequence[int]) -> bool:
    if len(shape) != len(expected) or min(shape, default=0) < 1 or max(shape[1:]) > MAX_SIDE:
        return False
    return all(free in (-1, size) for size, free in zip(shape, expected, strict=True))


def _finite(batch: np.ndarray) -> InputBatch:
    if not np.isfinite(batch).all():
        raise InvalidTensorError("the input holds NaN or infinity", "send finite numbers")
    return batch


def _files(tensor: SentTensor, body: Body, max_images: int) -> list[bytes]:
    """The images of a BYTES tensor [N] or [N, 1]. JSON can carry them in base64 only, so no parameter need say so."""
    if not tensor.shape or not tensor.shape[0] or tensor.shape[1:] not in ([], [1]):
        raise InvalidTensorError(f"BYTES input has shape {shown(tensor.shape)}", "send N images as shape [N]")
    if tensor.shape[0] > max_images:
        raise TooManyImagesError(max_images)
    found: list[bytes] = array_of(tensor, body).ravel().tolist()
    given = body.request.parameters if body.request else {}
    content_type = {**given, **tensor.parameters}.get("content_type")
    return [_from_base64(text) for text in found] if tensor.data is not None or content_type == "base64" else found


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.rpartition(b"base64,")[2], validate=True)
    except binascii.Error as error:
        raise InvalidTensorError(
            f"an element of the BYTES input is not base64: {shown(str(error))}",
            "encode each image in base64, or send it as binary data",
        ) from error


def _decoded(files: Sequence[bytes], classifier: Classifier, limits: ImageLimits) -> InputBatch:
    """The images as `classify` prepares them. The protocol has no error per element: one bad image is the request's."""
    inputs = []
    for index, file in enumerate(files):
        check_wanted()
        try:
            inputs.append(network_input(file, limits, classifier.file.metadata.preprocessing))
        except FoveaError as error:
            raise InvalidTensorError(f"image {index}: {error.detail}", error.remedy) from error
    return np.stack(inputs)
