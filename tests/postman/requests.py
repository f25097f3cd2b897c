"""An example as a request: the same for Postman, which reads the variables in it, and for us, who put them in."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.postman.example import SEVEN, Body, Example
from tests.postman.interface import Operation

_PLACES: dict[str, object] = {"model": "mnist", "version": 1, "layer": "conv1"}


@dataclass(frozen=True)
class Asked:
    """An example of an operation, with a value for each place in its path."""

    operation: Operation
    example: Example

    @property
    def places(self) -> dict[str, str]:
        named = [part[1:-1] for part in self.operation.path.split("/") if part.startswith("{")]
        return {name: str((_PLACES | dict(self.example.path))[name]) for name in named}

    def sent(self, client: httpx.Client, token: str) -> httpx.Response:
        variables = {"{{seven}}": seven(), "{{management_token}}": token}
        bearer = _filled(self.example.token, variables) if self.operation.protected else ""
        headers, content = _body(self.example.body, variables)
        return client.request(
            self.operation.method,
            self.operation.path.format(**self.places),
            params={name: str(value) for name, value in self.example.query.items()},
            headers=headers | ({"Authorization": f"Bearer {bearer}"} if bearer else {}),
            **content,
        )


def seven() -> str:
    """The picture as JSON carries it."""
    return base64.b64encode(Path(SEVEN).read_bytes()).decode()


def _filled(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(name, value)
    return text


def _body(body: Body | None, variables: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Its headers, and itself as httpx takes it."""
    if body is None:
        return {}, {}
    if body.kind == "multipart":
        return {}, {"files": {"file": (Path(body.file).name, Path(body.file).read_bytes())}}
    content = Path(body.file).read_bytes() if body.kind == "raw" else _filled(body.text, variables).encode()
    return {"Content-Type": body.content_type}, {"content": content}
