"""Writes docs/postman anew: asks two running services, one with everything on; `make postman`."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.settings import Settings
from tests.postman.collection import Answered, collection
from tests.postman.environments import ADDRESSES, environment
from tests.postman.example import Example
from tests.postman.examples import ALL
from tests.postman.interface import Operation, operations
from tests.postman.protocol import EXAMPLES, OPERATIONS
from tests.postman.refusals import REFUSALS
from tests.postman.requests import Asked
from tests.postman.saved import saved
from tests.service.api.conftest import ready

FOLDER = Path("docs/postman")
TOKEN = "a-token-of-sixteen"  # noqa: S105 - of a test
INFERENCE_TOKEN = "another-of-sixteen"  # noqa: S105 - of a test
OF_VERSION = "_of_version"


@contextmanager
def managed() -> Iterator[httpx.Client]:
    """A service with everything switched on."""
    with ready(Settings(provider="cpu", management_tokens=TOKEN, live_share=1)) as client:
        yield client


@contextmanager
def guarded() -> Iterator[httpx.Client]:
    """A service that answers nobody without a token."""
    settings = {"provider": "cpu", "management_tokens": TOKEN, "inference_tokens": INFERENCE_TOKEN, "live_share": 1}
    with ready(Settings.model_validate(settings)) as client:
        yield client


@contextmanager
def plain(prefix: str = "") -> Iterator[httpx.Client]:
    """A service as one starts it, where a proxy serves it under the prefix."""
    with ready(Settings(provider="cpu", root_path=prefix)) as client:
        yield client


def folders() -> dict[str, list[tuple[Asked, str]]]:
    """The requests in the order they are sent, by folder; after an example the same of a named version."""
    known = operations() | OPERATIONS
    found: dict[str, list[tuple[Asked, str]]] = {}
    for example in (*ALL, *EXAMPLES):
        for operation, name in _with_version(example, known):
            found.setdefault(operation.folder, []).append((Asked(operation, example), name))
    found["errors"] = [(Asked(known[example.operation], example), example.name) for example in REFUSALS]
    return found


def _with_version(example: Example, known: dict[str, Operation]) -> Iterator[tuple[Operation, str]]:
    yield known[example.operation], example.name
    if example.operation + OF_VERSION in known:
        yield known[example.operation + OF_VERSION], f"{example.name}, of a named version"


def asked_now() -> dict[str, Any]:
    """The collection as the service answers today."""
    with ExitStack() as services:
        clients = [(services.enter_context(managed()), TOKEN), (services.enter_context(plain()), "")]
        answered = {name: [_answered(*one, clients) for one in asked] for name, asked in folders().items()}
        return collection(answered)


def _answered(asked: Asked, name: str, clients: list[tuple[httpx.Client, str]]) -> Answered:
    """What can be switched off is asked of both services."""
    of = clients if asked.example.off else clients[:1]
    return asked, name, [saved(asked.sent(client, token)) for client, token in of]


def written(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "fovea.postman_collection.json").write_text(written(asked_now()))
    for name in ADDRESSES:
        (FOLDER / f"{name}.postman_environment.json").write_text(written(environment(name)))


if __name__ == "__main__":
    main()
