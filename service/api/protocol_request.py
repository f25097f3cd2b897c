"""An infer request of the Open Inference Protocol V2: what its JSON says and which bytes follow it.

Knows the protocol's fields, not the model: unknown fields are ignored, since clients add their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError

from service.api.json_numbers import Numbers, restored, set_apart
from service.api.tensor_codec import from_binary, from_json
from service.connections.bounds import LENGTH_DIGITS
from service.errors import InvalidTensorError, MalformedBodyError, shown

LENGTH_HEADER = "Inference-Header-Content-Length"
_MOST = 64  # fields in one list or object of the JSON; the models here have one input and one output
_MOST_VALUES = 1_000_000  # beside the tensors' numbers: while those are parsed, nobody else has a turn
_MOST_TENSORS = 1_000  # more than can be used: each costs microseconds before it is known what it is
_REMEDY = "see the Open Inference Protocol V2 for the form of an infer request"

# KServe and MLServer take null for what is left out.
Parameters = Annotated[
    dict[str, StrictBool | StrictInt | StrictFloat | StrictStr],
    Field(max_length=_MOST),
    BeforeValidator(lambda sent: {} if sent is None else sent),
]
Shape = Annotated[list[Annotated[int, Field(strict=True, ge=0, lt=2**63)]], Field(max_length=8)]


class SentTensor(BaseModel):
    name: str
    shape: Shape
    datatype: str
    parameters: Parameters = {}
    data: list[Any] | None = None


class AskedOutput(BaseModel):
    name: str
    parameters: Parameters = {}


class InferRequest(BaseModel):
    id: str | None = Field(default=None, max_length=1024)
    parameters: Parameters = {}
    inputs: list[SentTensor] = Field(min_length=1, max_length=_MOST)
    outputs: Annotated[
        list[AskedOutput], Field(max_length=_MOST), BeforeValidator(lambda sent: [] if sent is None else sent)
    ] = []


@dataclass(frozen=True)
class Body:
    """`request` is None where the whole body is one raw input (`Inference-Header-Content-Length: 0`). `numbers` were
    set apart from its JSON.
    """

    request: InferRequest | None
    binary: memoryview
    numbers: Sequence[Numbers] = ()


def parsed(body: bytes, header_length: str | None) -> Body:
    """The body cut at the length of its JSON part, all of it where none is stated; raises MalformedBodyError."""
    length = _json_length(header_length, len(body))
    if length == 0 and header_length is not None:
        return Body(None, memoryview(body))
    json = body[:length]
    if json.count(b'"data"') > _MOST_TENSORS:
        raise MalformedBodyError(f"the JSON holds more than {_MOST_TENSORS:,} tensors", _REMEDY)
    rest, numbers = set_apart(json, b"data")
    if rest.count(b",") > _MOST_VALUES:
        raise MalformedBodyError(f"the JSON holds more than {_MOST_VALUES:,} values", "send tensors as binary data")
    try:
        return Body(InferRequest.model_validate_json(rest), memoryview(body)[length:], numbers)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        # Two of the clients keep this header in the caller's dict and send it again with the next body.
        json_part = "the JSON" if header_length is None else f"the JSON of {length:,} bytes, as {LENGTH_HEADER} says,"
        place = shown(".".join(map(str, first["loc"])))[1:-1] or json_part
        raise MalformedBodyError(f"{place} cannot be read: {shown(first['msg'], 120)}", _REMEDY) from error


def array_of(tensor: SentTensor, body: Body) -> np.ndarray:
    """The tensor's values, from the JSON or from the binary part; raises InvalidTensorError unless from exactly one."""
    binary, size = body.binary, tensor.parameters.get("binary_data_size")
    if "shared_memory_region" in tensor.parameters:
        raise InvalidTensorError("shared memory is not read here", "send `data` or `binary_data_size`")
    if (tensor.data is None) == (size is None):
        raise InvalidTensorError(f"input {shown(tensor.name)} has no data, or has it twice", "send it once")
    if len(binary) != (size or 0) or isinstance(size, bool):
        raise InvalidTensorError(
            f"{len(binary):,} bytes follow the JSON and binary_data_size is {shown(size)}", "send as many as are stated"
        )
    if tensor.data is None:
        return from_binary(binary, tensor.datatype, tensor.shape)
    return from_json(restored(tensor.data, body.numbers), tensor.datatype, tensor.shape)


def _json_length(stated: str | None, available: int) -> int:
    if stated is None:
        return available
    if not stated.isdecimal() or len(stated) > LENGTH_DIGITS or int(stated) > available:
        raise MalformedBodyError(
            f"{LENGTH_HEADER} {shown(stated)} with a body of {available:,} bytes",
            "state the bytes of the JSON part, before compression",
        )
    return int(stated)
