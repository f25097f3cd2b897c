"""Networks nobody here wrote, dropped into the folder as they are, asked all three questions over HTTP."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from PIL import Image

from service.settings import Settings
from tests import light_networks
from tests.service.api.conftest import png, ready

NAMES = ("inception_v1", "shufflenet", "squeezenet")


def photograph(seed: int) -> bytes:
    random = np.random.default_rng(seed)
    return png(np.kron(random.integers(0, 256, (8, 10, 3), np.uint8), np.ones((30, 30, 1), np.uint8)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    for name in NAMES:
        onnx.save_model(light_networks.network(name), folder / f"{name}.onnx")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with ready(Settings(models=folder, provider="cpu")) as client:
        yield client


@pytest.mark.parametrize("name", NAMES)
def test_it_classifies_and_different_pictures_get_different_answers(client: httpx.Client, name: str) -> None:
    files = [("file", photograph(1)), ("file", photograph(2)), ("file", photograph(1))]
    answer = client.post(f"/v1/models/{name}/classify?top=1000", files=files).json()
    assert answer["assumed"] == ["class_names", "preprocessing"]
    first, second, again = ([p["probability"] for p in result["predictions"]] for result in answer["results"])
    assert first == again != second
    assert sum(first) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_the_table_is_what_the_runtime_computes(client: httpx.Client, folder: Path, name: str) -> None:
    table = client.get(f"/v1/models/{name}/layer-shapes").json()["layers"]
    model = onnx.load_model(folder / f"{name}.onnx")
    computed = client.post(f"/v1/models/{name}/feature-maps", content=photograph(1)).json()["results"][0]["layers"]
    shapes = {layer["id"]: layer["statistics"]["shape"] for layer in computed}
    assert {row["id"]: row["output_shape"] for row in table} == shapes
    assert len(table) <= len(model.graph.node)


def test_a_map_is_the_runtimes_own_value(client: httpx.Client, folder: Path) -> None:
    answer = client.post("/v1/models/squeezenet/feature-maps?layers=conv_2&format=npz", content=photograph(1))
    (served,) = np.load(io.BytesIO(answer.content)).values()
    model = onnx.load_model(folder / "squeezenet.onnx")
    tensor = [node.output[0] for node in model.graph.node if node.op_type == "Conv"][1]
    model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    session = ort.InferenceSession(model.SerializeToString())
    whole = session.run([tensor], {"data_0": normalized(photograph(1))})[0]
    assert served == pytest.approx(np.asarray(whole), rel=1e-4, abs=1e-4)


def normalized(data: bytes) -> np.ndarray:
    """As torchvision's evaluation transform without its resize to 256: the centre square at 224, ImageNet's numbers."""
    image = Image.open(io.BytesIO(data))
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    square = image.resize((224, 224), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    values = (np.asarray(square, np.float32) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return values.transpose(2, 0, 1)[None].astype(np.float32)
