"""docs/postman is what the service answers today, covers all there is, and passes when newman runs it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from service.api import inference_protocol, protocol_repository
from tests.postman import update
from tests.postman.environments import ADDRESSES, environment
from tests.postman.interface import operations
from tests.postman.protocol import OPERATIONS
from tests.postman.saved import steady
from tests.postman.update import FOLDER, INFERENCE_TOKEN, TOKEN, asked_now, folders, guarded, managed, plain

COLLECTION = FOLDER / "fovea.postman_collection.json"
SCORE = re.compile(r"(-?[0-9.]+)(:[0-9]+:.*)")  # of the protocol's classification: score, index and label in one text
NEWMAN = Path("tests/postman/node_modules/newman/bin/newman.js")
needs_newman = pytest.mark.skipif(
    not NEWMAN.exists() or shutil.which("node") is None,
    reason="newman is not there: install npm, then tests/postman/install.sh",
)


def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(COLLECTION.read_text())
    return found


def comparable(value: Any) -> Any:
    """With bodies of JSON read, so that their numbers can be compared as numbers."""
    if isinstance(value, dict):
        return {key: comparable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [comparable(one) for one in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return comparable(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, str) and (score := SCORE.fullmatch(value)):
        return [float(score[1]), score[2]]
    return value


def differences(found: Any, expected: Any, place: str = "") -> Iterator[str]:
    """Where they differ; the last digits of a number are the processor's own."""
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        for key in found:
            yield from differences(found[key], expected[key], f"{place}.{key}")
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for number, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f"{place}[{number}]")
    elif isinstance(found, float) and isinstance(expected, float):
        if found != pytest.approx(expected, rel=2e-3, abs=1e-4):
            yield f"{place}: {found} is not {expected}"
    elif found != expected:
        yield f"{place}: {str(found)[:200]} is not {str(expected)[:200]}"


def test_what_is_committed_is_what_the_service_answers() -> None:
    found = list(differences(comparable(asked_now()), comparable(committed())))
    assert not found, "make postman writes it anew:\n" + "\n".join(found[:20])


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_environments_are_what_make_postman_writes(name: str) -> None:
    assert json.loads((FOLDER / f"{name}.postman_environment.json").read_text()) == environment(name)


def test_every_operation_of_the_interface_has_a_request_and_a_saved_answer() -> None:
    known = operations() | OPERATIONS
    asked = [asked.operation for requests in folders().values() for asked, _ in requests]
    missing = [name for name, operation in known.items() if operation not in asked]
    assert not missing, "write an Example for each into tests/postman/examples.py"
    for folder in committed()["item"]:
        for item in folder["item"]:
            assert item["response"], item["name"]
            assert item["event"][0]["script"]["exec"], item["name"]


def test_every_route_of_the_other_protocol_is_one_of_its_operations() -> None:
    prefixed = [("", inference_protocol.router), (inference_protocol.router.prefix, protocol_repository.router)]
    routes = {
        (method, prefix + route.path)
        for prefix, router in prefixed
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert {(operation.method, operation.path) for operation in OPERATIONS.values()} == routes


def test_numbers_that_differ_from_run_to_run_are_made_the_same() -> None:
    answer = {
        "request_id": "abc",
        "model_stats": [{"queue": {"ns": 17}}],
        "logit": 4.183769702,
        "index": 7,
        "seconds": 0.4,
    }
    expected = {"request_id": "", "model_stats": [{"queue": {"ns": 0}}], "logit": 4.184, "index": 7, "seconds": 0.0}
    assert steady(answer) == expected


def newman(
    url: str, token: str, report: Path, collection: Path = COLLECTION, inference_token: str | None = None
) -> dict[str, Any]:
    """Its own report of one run."""
    environment_file = FOLDER / "local.postman_environment.json"
    command = ["node", str(NEWMAN), "run", str(collection), "--environment", str(environment_file)]
    command += ["--env-var", f"base_url={url}", "--env-var", f"management_token={token}"]
    command += ["--env-var", f"token={inference_token}"] if inference_token else []
    command += ["--working-dir", ".", "--reporters", "json", "--reporter-json-export", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)  # noqa: S603
    assert report.exists(), done.stdout + done.stderr
    told: dict[str, Any] = json.loads(report.read_text())["run"]
    assert bool(told["failures"]) == (done.returncode != 0)
    return told


def failures(run: dict[str, Any]) -> list[str]:
    return [f"{one['source']['name']}: {one['error']['message']}" for one in run["failures"]]


def statuses(run: dict[str, Any]) -> dict[str, int]:
    return {one["item"]["name"]: one["response"]["code"] for one in run["executions"]}


@needs_newman
def test_newman_passes_every_request_on_a_service_with_everything_on(tmp_path: Path) -> None:
    with managed() as client:
        run = newman(str(client.base_url), TOKEN, tmp_path / "report.json")
    assert failures(run) == []
    assert len(run["executions"]) == sum(len(folder["item"]) for folder in committed()["item"])
    assert run["stats"]["assertions"]["total"] > 2 * len(run["executions"])
    assert 403 not in statuses(run).values()  # nothing passed by being switched off


@needs_newman
@pytest.mark.parametrize("prefix", ["", "/fovea"])
def test_newman_passes_on_a_service_as_one_starts_it_also_under_a_proxys_prefix(prefix: str, tmp_path: Path) -> None:
    with plain(prefix) as client:
        run = newman(f"{str(client.base_url).rstrip('/')}{prefix}", "", tmp_path / "report.json")
    assert failures(run) == []
    assert statuses(run)["Unload digits 0"] == 403
    assert sent_tokens(run) == {"Bearer not the token"}  # which one of the errors is about; an empty one is not sent


@needs_newman
def test_newman_passes_on_a_service_that_wants_a_token(tmp_path: Path) -> None:
    with guarded() as client:
        run = newman(str(client.base_url), TOKEN, tmp_path / "report.json", inference_token=INFERENCE_TOKEN)
    assert failures(run) == []
    assert {f"Bearer {token}" for token in (TOKEN, INFERENCE_TOKEN)} <= sent_tokens(run)


def sent_tokens(run: dict[str, Any]) -> set[str]:
    headers = [header for one in run["executions"] for header in one["request"]["header"]]
    return {header["value"] for header in headers if header["key"].lower() == "authorization"}


@needs_newman
def test_newman_fails_where_an_answer_is_another(tmp_path: Path) -> None:
    text = COLLECTION.read_text()
    wrong = text.replace('predictions[0].label).to.eql(\\"7\\")', 'predictions[0].label).to.eql(\\"8\\")')
    assert wrong != text
    path = tmp_path / "wrong.json"
    path.write_text(wrong)
    with plain() as client:
        run = newman(str(client.base_url), "", tmp_path / "report.json", path)
    assert "One file as multipart: expected '7' to deeply equal '8'" in failures(run)


def test_the_generator_asks_for_a_picture_that_ships() -> None:
    for requests in folders().values():
        for asked, _ in requests:
            file = asked.example.body.file if asked.example.body else ""
            assert not file or Path(file).is_file()
    assert update.TOKEN not in COLLECTION.read_text()  # the saved requests hold the variable, not a token
