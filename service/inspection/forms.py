"""The forms an answer can take: JSON, NumPy's files, PNG; with the limits on their size. Knows no HTTP."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel

from service.errors import AnswerTooLargeError


@dataclass(frozen=True)
class Reply:
    """An answer ready to be sent. `filename`: to be saved as; `legend`: of a picture, as JSON; `took`: milliseconds of
    each phase of its making.
    """

    body: bytes
    media_type: str
    filename: str | None = None
    legend: str | None = None
    took: Mapping[str, float] | None = None


@runtime_checkable
class Illustration(Protocol):
    """A PNG with what is needed to read it, as a dataclass."""

    @property
    def png(self) -> bytes: ...

    @property
    def legend(self) -> Any: ...


def as_json(answer: BaseModel, *, only_set: bool = False) -> Reply:
    """`only_set` leaves out the fields that were not given."""
    return Reply(answer.model_dump_json(exclude_unset=only_set).encode(), "application/json")


def as_text(text: str, media_type: str = "text/plain") -> Reply:
    return Reply(text.encode(), f"{media_type}; charset=utf-8")


def as_png(picture: Illustration) -> Reply:
    """The legend stands in the PNG too, but a page can read it without looking into chunks."""
    return Reply(picture.png, "image/png", legend=json.dumps(asdict(picture.legend), separators=(",", ":")))


def as_npy(name: str, values: np.ndarray, max_bytes: int) -> Reply:
    """One array as a .npy file. Raises AnswerTooLargeError above `max_bytes`."""
    _refuse_too_many(values.nbytes, max_bytes)
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return Reply(file.getvalue(), "application/octet-stream", filename=f"{name}.npy")


def as_npz(name: str, arrays: Mapping[str, np.ndarray], max_bytes: int) -> Reply:
    """Several arrays by name as an .npz file, not compressed. Raises AnswerTooLargeError above `max_bytes`."""
    _refuse_too_many(sum(values.nbytes for values in arrays.values()), max_bytes)
    archive = io.BytesIO()
    np.savez(archive, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options
    return Reply(archive.getvalue(), "application/zip", filename=f"{name}.npz")


def _refuse_too_many(size: int, limit: int) -> None:
    if size > limit:
        raise AnswerTooLargeError(f"{size:,} bytes of numbers; at most {limit:,} are sent", "name fewer layers")
