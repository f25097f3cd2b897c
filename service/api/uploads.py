"""The images of a request, whichever way they came: multipart files, a raw body, or base64 in JSON.

Judged by content: a body that is neither multipart nor JSON is one image, whatever its Content-Type says (curl sends
`--data-binary` as a form). Knows no model.
"""

import base64
from dataclasses import dataclass

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.api.form import form_files
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
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    body = await request.body()
    if kind == "multipart/form-data":
        found = [Upload(data, name[:128] or None) for name, data in form_files(content_type, body, max_images)]
    elif kind == "application/json":
        found = _encoded(body, max_images)
    else:
        found = [Upload(body)] if body else []
    if not found:
        raise MissingImageError
    return found


def _encoded(body: bytes, max_images: int) -> list[Upload]:
    # Base64 has no comma and a data: URI has one. Parsing a body full of them would take twenty times its memory.
    if body.count(b",") > 2 * max_images:
        raise TooManyImagesError(max_images)
    try:
        images = EncodedImages.model_validate_json(body).images
        if len(images) > max_images:
            raise TooManyImagesError(max_images)
        return [Upload(base64.b64decode(image.rpartition("base64,")[2], validate=True)) for image in images]
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    except ValueError as error:  # no base64; what is not even ASCII is no `binascii.Error`
        reason = str(error)
    raise MalformedBodyError(
        f"the JSON body cannot be read: {shown(reason, 120)}", 'send {"images": ["<base64>", ...]}'
    )
