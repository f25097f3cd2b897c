"""The published interface, tests/golden/openapi.json, as far as a collection needs it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.golden.update import OPENAPI


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str
    description: str
    default: object = None


@dataclass(frozen=True)
class Operation:
    """`required`: fields that its JSON answer always has. `protected`: answers only who has the token."""

    method: str
    path: str
    folder: str
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    required: tuple[str, ...] = ()
    protected: bool = False

    @property
    def of_version(self) -> bool:
        return "{version}" in self.path


def operations() -> dict[str, Operation]:
    """By operationId, in the interface's order."""
    document = json.loads(OPENAPI.read_text())
    return {
        told["operationId"]: _operation(document, method, path, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    }


def _operation(document: Mapping[str, Any], method: str, path: str, told: Mapping[str, Any]) -> Operation:
    return Operation(
        method=method.upper(),
        path=path,
        folder=told["tags"][0],
        summary=told["summary"],
        description=told.get("description", ""),
        parameters=tuple(map(_parameter, told.get("parameters", []))),
        required=_required(document, told),
        protected="security" in told,
    )


def _parameter(told: Mapping[str, Any]) -> Parameter:
    return Parameter(told["name"], told["in"], told.get("description", ""), told["schema"].get("default"))


def _required(document: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, ...]:
    schema = told["responses"]["200"].get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return tuple(document["components"]["schemas"][name].get("required", ())) if name else ()
