"""The images of a request, whichever way they came: multipart files, a raw body, or base64 in JSON.

Judged by content: a body that is neither multipart nor JSON is one image, whatever its Content-Type says (curl sends
`--data-binary` as a form). Knows no model.
"""

import base64
import binascii
from dataclasses import dataclass

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from service.errors import MalformedBodyError, MissingImageError, TooManyImagesError, shown


@dataclass(frozen=True)
class Upload:
    """One image as it was sent; `name` is the client's, cut to 128 characters, never used as a path."""

    data: bytes
    name: str | None = None


class EncodedImages(BaseModel):
    """The JSON form of a request: images in base64, a `data:` prefix allowed."""

    model_config = ConfigDict(extra="forbid")

    images: list[str] = Field(min_length=1)


async def uploads(request: Request, max_images: int) -> list[Upload]:
    """One to `max_images` images; raises MissingImageError, TooManyImagesError or MalformedBodyError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = await _multipart(request, max_images)
    elif kind == "application/json":
        found = _encoded(await request.body())
    else:
        body = await request.body()
        found = [Upload(body)] if body else []
    if not found:
        raise MissingImageError
    if len(found) > max_images:
        raise TooManyImagesError(len(found), max_images)
    return found


async def _multipart(request: Request, max_images: int) -> list[Upload]:
    try:
        async with request.form(max_files=max_images, max_fields=8) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            return [Upload(await file.read(), (file.filename or "")[:128] or None) for file in files]
    except HTTPException as error:
        raise MalformedBodyError(
            f"the multipart body cannot be read: {shown(error.detail, 120)}",
            f"send at most {max_images} files as `-F file=@picture.png`",
        ) from error


def _encoded(body: bytes) -> list[Upload]:
    try:
        images = EncodedImages.model_validate_json(body).images
        return [Upload(base64.b64decode(image.rpartition("base64,")[2], validate=True)) for image in images]
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    except binascii.Error as error:
        reason = str(error)
    raise MalformedBodyError(
        f"the JSON body cannot be read: {shown(reason, 120)}", 'send {"images": ["<base64>", ...]}'
    )
