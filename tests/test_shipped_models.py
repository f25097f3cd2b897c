"""The models that ship, served from a process of their own and asked over HTTP: every answer equals PyTorch's."""

import io
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from service.engine.model_metadata import graph_sha256
from service.engine.parted import Parted
from tests.service.api.conftest import until
from training.datasets import Examples, load
from training.files.weights import load_weights, network_for
from training.graphs.runtime import onnx_logits
from training.networks import NETWORKS
from training.recipes import recipe_named

MODELS = Path("models")
DATA = Path(os.environ.get("FOVEA_DATA", "../shared/data"))
FOLDERS = {"digits": "", "mnist": "mnist", "fashion_mnist": "fashion-mnist", "cifar10": "cifar10-jpeg"}
VERSIONS = [(name, version) for name in FOLDERS for version in (0, 1)]
IN_8_BITS = [(name, 2) for name in ("mnist", "fashion_mnist", "cifar10")]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "service", "serve", "--port", str(port)])  # noqa: S603
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            until(lambda: answers(client))
            yield client
    finally:
        process.terminate()
    assert process.wait() == 0


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False


def examples(name: str, count: int) -> Examples:
    folder = DATA / FOLDERS[name] if FOLDERS[name] else None
    if folder is not None and not folder.is_dir():
        pytest.skip(f"needs the files of {name} in {folder} (FOVEA_DATA names the folder above)")
    test = held_out(name, folder)
    every = max(1, len(test) // count)
    return Examples(test.images[::every][:count], test.labels[::every][:count])


@cache
def held_out(name: str, folder: Path | None) -> Examples:
    recipe = recipe_named(name)
    return load(recipe.dataset, folder, NETWORKS[recipe.network].input_shape).test


def served_logits(client: httpx.Client, name: str, version: int, images: np.ndarray) -> np.ndarray:
    """The logits of each image in the order of the classes, asked fifty at a time as PNG files."""
    rows: list[list[float]] = []
    url = f"/v1/models/{name}/versions/{version}/classify?top=10"
    for start in range(0, len(images), 50):
        files = [("file", png(image)) for image in images[start : start + 50]]
        for result in client.post(url, files=files).json()["results"]:
            ranked = sorted(result["predictions"], key=lambda prediction: prediction["index"])
            rows.append([prediction["logit"] for prediction in ranked])
    return np.array(rows)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_every_answer_over_http_equals_pytorchs(client: httpx.Client, name: str, version: int) -> None:
    network = network_for(name)
    weights = load_weights(MODELS / name / str(version) / "model.onnx")
    missing = network.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys
    assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys)
    asked = examples(name, 500)
    with torch.inference_mode():
        expected = network(asked.images).numpy()
    served = served_logits(client, name, version, asked.images.numpy())
    assert np.abs(served - expected).max() < 1e-4
    assert np.array_equal(served.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize(
    ("name", "least"), [("digits", 0.985), ("mnist", 0.99), ("fashion_mnist", 0.92), ("cifar10", 0.87)]
)
def test_the_trained_version_is_nearly_always_right(client: httpx.Client, name: str, least: float) -> None:
    asked = examples(name, 500)
    answers = served_logits(client, name, 1, asked.images.numpy()).argmax(axis=1)
    assert (answers == asked.labels.numpy()).mean() >= least


def test_the_stated_accuracy_of_digits_is_the_one_over_http_to_the_image(client: httpx.Client) -> None:
    asked = examples("digits", 10_000)
    (stated,) = [v["metrics"] for v in client.get("/v1/models/digits").json()["versions"] if v["version"] == 1]
    answers = served_logits(client, "digits", 1, asked.images.numpy()).argmax(axis=1)
    right = int((answers == asked.labels.numpy()).sum())
    assert (right, len(asked)) == (round(stated["accuracy"] * stated["images"]), stated["images"])


@pytest.mark.parametrize("name", FOLDERS)
def test_version_0_is_what_the_training_of_version_1_began_with(client: httpx.Client, name: str) -> None:
    versions = {version["version"]: version for version in client.get(f"/v1/models/{name}").json()["versions"]}
    assert versions[1]["default"]
    assert versions[0]["provenance"]["stage"] == "untrained"
    for key in ("recipe", "seed"):
        assert versions[0]["provenance"][key] == versions[1]["provenance"][key]
    assert versions[0]["metrics"]["accuracy"] < 0.3 < versions[1]["metrics"]["accuracy"]


@pytest.mark.parametrize(("name", "version"), IN_8_BITS)
def test_the_version_in_8_bits_answers_over_http_as_onnx_runtime_alone_and_hardly_differs_from_float32(
    client: httpx.Client, name: str, version: int
) -> None:
    asked = examples(name, 500)
    expected = onnx_logits(onnx.load(MODELS / name / str(version) / "model.onnx"), asked.images).numpy()
    served = served_logits(client, name, version, asked.images.numpy())
    assert np.abs(served - expected).max() < 1e-4
    full = served_logits(client, name, 1, asked.images.numpy())
    assert (served.argmax(axis=1) != full.argmax(axis=1)).sum() <= 10
    assert 0 < np.abs(served - full).mean() < 0.05


@pytest.mark.parametrize(("name", "version"), IN_8_BITS)
def test_the_version_in_8_bits_is_no_default_and_states_its_own_accuracy(
    client: httpx.Client, name: str, version: int
) -> None:
    versions = {found["version"]: found for found in client.get(f"/v1/models/{name}").json()["versions"]}
    small = versions[version]
    assert (small["default"], small["provenance"]["stage"]) == (False, "quantized")
    lost = 100 * (versions[1]["metrics"]["accuracy"] - small["metrics"]["accuracy"])
    assert lost <= 0.3
    made_from = graph_sha256(Parted(onnx.load(MODELS / name / "1" / "model.onnx")))
    assert made_from in small["provenance"]["note"]
    assert f"{versions[1]['metrics']['accuracy']:.2%}" in small["provenance"]["note"]


def test_the_layers_of_the_version_in_8_bits_have_shapes_and_values(client: httpx.Client) -> None:
    url = "/v1/models/mnist/versions/2"
    table = client.get(f"{url}/layer-shapes").json()["layers"]
    assert all(row["output_shape"] and row["reason"] is None for row in table)
    asked = ",".join(row["id"] for row in table)
    files = {"file": png(examples("mnist", 1).images[0].numpy())}
    seen = client.post(f"{url}/feature-maps?layers={asked}", files=files).json()["results"][0]["layers"]
    assert [layer["id"] for layer in seen] == [row["id"] for row in table]
    assert all(layer["statistics"]["nan"] == 0 for layer in seen)


def test_the_table_of_models_has_the_checksum_and_the_accuracy_of_every_file(client: httpx.Client) -> None:
    table = (MODELS / "README.md").read_text()
    for name, version in VERSIONS + IN_8_BITS:
        digest = sha256((MODELS / name / str(version) / "model.onnx").read_bytes()).hexdigest()
        (row,) = [line for line in table.splitlines() if digest in line]
        stated = next(v for v in client.get(f"/v1/models/{name}").json()["versions"] if v["version"] == version)
        assert f"{100 * stated['metrics']['accuracy']:.2f} %" in row
        assert re.search(rf"\b{name}\b.*\b{version}\b", row)
