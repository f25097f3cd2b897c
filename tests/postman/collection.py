"""The collection, in Postman's format 2.1, of examples and what was answered to them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.postman.assertions import script
from tests.postman.example import Body
from tests.postman.requests import Asked, seven
from tests.postman.saved import Saved

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_ABOUT = """\
Every endpoint of Fovea with a request that works and the answer it gave.

Choose an environment; `token` is one of FOVEA_INFERENCE_TOKENS and `management_token` one of FOVEA_MANAGEMENT_TOKENS, \
if the service has any. The picture is in \
the variable `seven`; requests that send a file want Postman's working directory to be the repository's root.

Written by `make postman` from tests/golden/openapi.json and a running service: changes belong into tests/postman."""
_LANGUAGES = {"application/json": "json", "application/problem+json": "json"}

Answered = tuple[Asked, str, Sequence[Saved]]


def collection(folders: Mapping[str, Iterable[Answered]]) -> dict[str, Any]:
    """Each example with its name and the answers of a service that has everything on, and of one that has not."""
    return {
        "info": {"name": "Fovea", "description": _ABOUT, "schema": _SCHEMA},
        "auth": _bearer("{{token}}"),
        # An empty token is not sent; one that no environment names would be, as it stands here.
        "variable": [
            {"key": "seven", "value": seven(), "type": "string"},
            {"key": "token", "value": "", "type": "string"},
        ],
        "item": [{"name": name, "item": [_item(*one) for one in answered]} for name, answered in folders.items()],
    }


def _item(asked: Asked, name: str, answers: Sequence[Saved]) -> dict[str, Any]:
    request = _request(asked)
    return {
        "name": name,
        "event": [
            {"listen": "test", "script": {"type": "text/javascript", "exec": script(asked.operation, asked.example)}}
        ],
        "request": request,
        "response": [_response(name, request, answer) for answer in answers],
    }


def _request(asked: Asked) -> dict[str, Any]:
    operation, body = asked.operation, asked.example.body
    request: dict[str, Any] = {"method": operation.method, "url": _url(asked)}
    if about := "\n\n".join(filter(None, (operation.summary, operation.description))):
        request["description"] = about
    request["header"] = (
        [{"key": "Content-Type", "value": body.content_type}] if body and body.kind != "multipart" else []
    )
    if operation.protected:
        request["auth"] = _bearer(asked.example.token)
    if body:
        request["body"] = _body(body)
    return request


def _bearer(token: str) -> dict[str, Any]:
    return {"type": "bearer", "bearer": [{"key": "token", "value": token, "type": "string"}]}


def _url(asked: Asked) -> dict[str, Any]:
    path = [f":{part[1:-1]}" if part.startswith("{") else part for part in asked.operation.path.split("/")[1:]]
    query = _query(asked)
    shown = "&".join(f"{one['key']}={one['value']}" for one in query if not one.get("disabled"))
    return {
        "raw": "/".join(["{{base_url}}", *path]) + (f"?{shown}" if shown else ""),
        "host": ["{{base_url}}"],
        "path": path,
        "query": query,
        "variable": [{"key": name, "value": value} for name, value in asked.places.items()],
    }


def _query(asked: Asked) -> list[dict[str, Any]]:
    """What the example asks, and beside it, switched off, what else could be asked."""
    given = asked.example.query
    known = [one for one in asked.operation.parameters if one.place == "query"]
    return [
        {"key": one.name, "value": _written(given.get(one.name, one.default)), "description": one.description}
        | ({} if one.name in given else {"disabled": True})
        for one in sorted(known, key=lambda one: one.name not in given)
    ]


def _written(value: object) -> str:
    return "" if value is None else json.dumps(value) if isinstance(value, bool) else str(value)


def _body(body: Body) -> dict[str, Any]:
    if body.kind == "multipart":
        return {"mode": "formdata", "formdata": [{"key": "file", "type": "file", "src": body.file}]}
    if body.kind == "raw":
        return {"mode": "file", "file": {"src": body.file}}
    return {"mode": "raw", "raw": body.text, "options": {"raw": {"language": "json"}}}


def _response(name: str, request: Mapping[str, Any], answer: Saved) -> dict[str, Any]:
    return {
        "name": f"{name}: {answer.status}",
        "originalRequest": request,
        "status": answer.reason,
        "code": answer.status,
        "_postman_previewlanguage": _LANGUAGES.get(answer.content_type, "text"),
        "header": [{"key": key, "value": value} for key, value in answer.headers],
        "body": answer.body,
    }
