"""The OpenAPI texts that routes share: bodies with images, and the errors each status stands for."""

from typing import Any

from fastapi import FastAPI

from service.api.schemas import Problem
from service.api.uploads import EncodedImages

_BINARY = {"type": "string", "format": "binary"}

_MEANING = {
    400: "the body cannot be read: not the JSON or the multipart that it says it is",
    401: "the token is missing or wrong",
    404: "unknown model, version or layer",
    413: "the body or the answer is too large",
    414: "the URL is too long",
    415: "not an image of a supported format",
    422: "a parameter, a value in the body or an image cannot be used",
    429: "more requests than the client's quota; see Retry-After",
    503: "overloaded, or the model is not ready; see Retry-After",
    504: "no answer in time",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: each status as problem+json with its meaning."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _MEANING[status], "content": content} for status in statuses}


def _multipart(items: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": {"file": items}, "required": ["file"]}}


def _body(multipart: dict[str, Any]) -> dict[str, Any]:
    content = {
        "multipart/form-data": multipart,
        "application/octet-stream": {"schema": _BINARY},
        "image/*": {"schema": _BINARY},
        "application/json": {"schema": EncodedImages.model_json_schema()},
    }
    return {"requestBody": {"required": True, "content": content}}


IMAGE_BODY = _body(_multipart(_BINARY))
IMAGES_BODY = _body(_multipart({"type": "array", "items": _BINARY}))


def describe_problems(app: FastAPI) -> None:
    """Adds what no route states: `Problem` among the schemas, since FastAPI only knows those of application/json, and
    the answer to a URL too long where there is a query to make it so.
    """
    described = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described()
        schema["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        for operations in schema["paths"].values():
            for operation in operations.values():
                if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
                    operation["responses"] |= {"414": problems(414)[414]}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way
