"""What the layers hold in production: off unless switched on, from every door, never in the way, drift where it is."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
import torch

from service.app import create_app
from service.engine.model_file import from_bytes
from service.engine.model_metadata import with_metadata
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, ready, served, until
from training.files.layer_statistics import training_report

URL = "/v1/models/reported/live-statistics"


def grey(seed: int = 0) -> onnx.ModelProto:
    return named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1, seed=seed))


def dark(count: int, seed: int = 0) -> np.ndarray:
    """Grey images as training has them: dark, each with its own brightness."""
    random = np.random.default_rng(seed)
    brightness = random.integers(20, 120, (count, 1, 1))
    return random.integers(0, brightness, (count, 8, 8)).astype(np.uint8)


def reported(images: np.ndarray) -> onnx.ModelProto:
    """The grey network with what its layers hold for these images."""
    file = from_bytes(grey().SerializeToString())
    report = training_report(file, torch.from_numpy(images)[..., None], "dark images")
    return with_metadata(file.model, file.metadata.model_copy(update={"layer_statistics": report}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    model = reported(dark(500))
    for name in ("untouched", "reported", "figured", "watched"):
        put(folder, name, model)
    put(folder, "grey", grey())
    put(folder, "upscaler", tiny_models.upscaler())
    return folder


@pytest.fixture(scope="module")
def sampled(folder: Path) -> Iterator[httpx.Client]:
    """Every image is sampled."""
    with ready(Settings(models=folder, provider="cpu", live_share=1)) as client:
        yield client


def statistics(client: httpx.Client, url: str = URL) -> dict[str, Any]:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def classify(client: httpx.Client, images: np.ndarray, model: str = "reported") -> None:
    """In requests of eight, each after the one before was looked at. On a busy machine the sampler gives up a request's
    last images; those are sent again, so that every image counts once.
    """
    url = f"/v1/models/{model}/live-statistics"
    while len(images):
        before = statistics(client, url)
        part = images[:8]
        answer = client.post(f"/v1/models/{model}/classify", files=[("file", png(image)) for image in part])
        assert answer.status_code == 200, answer.text
        until(lambda: offered(statistics(client, url)) == offered(before) + len(part))  # noqa: B023 - runs at once
        after = statistics(client, url)
        assert after["failed"] == before["failed"], after["problem"]
        images = images[after["images"] - before["images"] :]


def offered(found: dict[str, Any]) -> int:
    """Images that the sampler took in hand, whatever became of them."""
    return int(found["images"] + found["dropped"] + found["failed"])


def test_it_is_off_unless_switched_on_and_says_how(client: httpx.Client) -> None:
    answer = client.get("/v1/models/grey/live-statistics")
    assert (answer.status_code, answer.json()["code"]) == (403, "live_statistics_off")
    assert "FOVEA_LIVE_SHARE=0.01" in answer.json()["remedy"]


def test_switched_off_there_is_nobody_to_offer_images_to(folder: Path) -> None:
    app = create_app(Settings(models=folder, provider="cpu"))
    with served(app):
        assert app.state.services.sampler is None


def test_before_the_first_image_there_is_nothing(sampled: httpx.Client) -> None:
    found = statistics(sampled, "/v1/models/untouched/live-statistics")
    assert (found["images"], found["dropped"], found["since"], found["layers"]) == (0, 0, None, [])
    assert (found["model"], found["version"], found["share"]) == ("untouched", 1, 1)
    assert (found["workers"], found["workers_asked"]) == (1, 1)


def test_the_figures_of_each_layer_are_those_of_all_images(sampled: httpx.Client) -> None:
    images = dark(20, seed=5)
    classify(sampled, images, "figured")
    layers = {
        layer["id"]: layer
        for layer in statistics(sampled, "/v1/models/figured/live-statistics?channels=true")["layers"]
    }
    seen = [
        sampled.post(f"/v1/models/figured/feature-maps?format=npz&layers={','.join(layers)}", content=png(image))
        for image in images
    ]
    maps = [dict(np.load(io.BytesIO(answer.content))) for answer in seen]
    for layer_id, found in layers.items():
        values = np.concatenate([of[layer_id] for of in maps]).astype(np.float64)
        assert (found["min"], found["max"]) == (values.min(), values.max())
        assert (found["mean"], found["std"]) == (pytest.approx(values.mean()), pytest.approx(values.std()))
        assert found["zeros"] == pytest.approx((values == 0).mean())
        assert found["channels"] == values.shape[1]
        assert found["of_channels"]["mean"] == pytest.approx(values.reshape(20, values.shape[1], -1).mean(axis=(0, 2)))
    assert {"conv", "relu_1", "dense"} <= set(layers)
    assert not {"flatten_1"} & set(layers)


def test_images_as_in_training_are_no_drift_and_inverted_ones_are_in_the_first_layers(sampled: httpx.Client) -> None:
    url = "/v1/models/watched/live-statistics"
    classify(sampled, dark(40, seed=1), "watched")
    early = statistics(sampled, url)
    assert (early["drifted"], early["images_needed"]) == (None, 250)
    assert early["verdict"] == "too few images: 40 of 250"
    classify(sampled, dark(216, seed=2), "watched")
    usual = statistics(sampled, url)
    assert (usual["drifted"], usual["verdict"]) == (False, "no layer has drifted")
    assert usual["training"] == {"dataset": "dark images", "images": 500}
    classify(sampled, 255 - dark(256, seed=3), "watched")
    inverted = statistics(sampled, url)
    assert inverted["drifted"]
    drifts = {layer["id"]: layer["drift"] for layer in inverted["layers"]}
    assert all(drifts[layer]["drifted"] and drifts[layer]["psi"] > 0.25 for layer in ("cast_1", "conv", "relu_1"))
    assert drifts["cast_1"]["mean_shift"] > 1
    assert drifts["cast_1"]["above_range"] > 1


def test_a_file_without_a_report_has_figures_and_says_how_to_get_a_comparison(sampled: httpx.Client) -> None:
    classify(sampled, dark(4), "grey")
    found = statistics(sampled, "/v1/models/grey/versions/1/live-statistics")
    assert (found["images"], found["training"], found["images_needed"], found["drifted"]) == (4, None, None, None)
    assert "python -m training describe" in found["verdict"]
    assert all(layer["drift"] is None for layer in found["layers"])


def through_the_route(client: httpx.Client, image: bytes) -> httpx.Response:
    return client.post("/v1/models/grey/classify", json={"images": [base64.b64encode(image).decode()]})


def raw(client: httpx.Client, image: bytes) -> httpx.Response:
    return client.post("/v1/models/grey/classify", content=image)


def as_bytes(client: httpx.Client, image: bytes) -> httpx.Response:
    data = [base64.b64encode(image).decode()]
    return _inferred(client, {"datatype": "BYTES", "shape": [1], "data": data})


def as_a_tensor(client: httpx.Client, _image: bytes) -> httpx.Response:
    return _inferred(client, {"datatype": "UINT8", "shape": [1, 8, 8, 1], "data": pixels().ravel().tolist()})


def _inferred(client: httpx.Client, tensor: dict[str, Any]) -> httpx.Response:
    return client.post("/v2/models/grey/infer", content=json.dumps({"inputs": [{"name": "image", **tensor}]}))


@pytest.mark.parametrize(
    ("ask", "express"),
    [(through_the_route, True), (raw, True), (raw, False), (as_bytes, True), (as_a_tensor, True)],
    ids=["route", "express door", "fast lane", "infer with images", "infer with a tensor"],
)
def test_every_door_to_a_classification_is_sampled(
    folder: Path, ask: Callable[[httpx.Client, bytes], httpx.Response], express: bool
) -> None:
    url = "/v1/models/grey/live-statistics"
    with ready(Settings(models=folder, provider="cpu", live_share=1), express=express) as client:
        assert ask(client, png(pixels())).status_code == 200
        until(lambda: statistics(client, url)["images"] == 1)
        first = statistics(client, url)["layers"][0]
        assert (first["min"], first["max"]) == (pixels().min(), pixels().max())


def test_an_image_that_was_not_classified_is_not_sampled(sampled: httpx.Client) -> None:
    before = statistics(sampled)["images"]
    files = [("file", b"no image"), ("file", png(dark(1)[0]))]
    assert sampled.post("/v1/models/reported/classify", files=files).status_code == 200
    assert sampled.post("/v1/models/reported/classify", content=b"no image").status_code == 415
    until(lambda: statistics(sampled)["images"] == before + 1)
    classify(sampled, dark(1))
    assert statistics(sampled)["images"] == before + 2


def test_a_share_of_the_images_is_sampled(folder: Path) -> None:
    def taken(client: httpx.Client) -> int:
        found = statistics(client)
        return int(found["images"] + found["dropped"])

    with ready(Settings(models=folder, provider="cpu", live_share=0.2)) as client:
        for image in dark(200):
            client.post("/v1/models/reported/classify", content=png(image))
        until(lambda: taken(client) >= 10)  # 40 are expected, so few once in 10^10
        assert taken(client) <= 90


def test_a_new_file_begins_anew(tmp_path: Path) -> None:
    put(tmp_path, "reported", grey(seed=0))
    with ready(Settings(models=tmp_path, provider="cpu", live_share=1, poll_seconds=0.05)) as client:
        classify(client, dark(8))
        before = client.get("/v1/models/reported").json()["versions"][0]["sha256"]
        path = tmp_path / "reported" / "1" / "model.onnx"
        draft = path.with_suffix(".new")
        draft.write_bytes(grey(seed=1).SerializeToString())
        draft.rename(path)
        until(lambda: client.get("/v1/models/reported").json()["versions"][0]["sha256"] != before)
        assert statistics(client)["images"] == 0
        classify(client, dark(3))
        assert statistics(client)["images"] == 3


def test_a_model_that_does_not_classify_has_no_production(sampled: httpx.Client) -> None:
    answer = sampled.get("/v1/models/upscaler/live-statistics")
    assert (answer.status_code, answer.json()["code"]) == (422, "model_not_a_classifier")


@pytest.mark.parametrize(("path", "status"), [("reported/live-statistics?top=3", 422), ("nope/live-statistics", 404)])
def test_what_cannot_be_asked_is_refused(sampled: httpx.Client, path: str, status: int) -> None:
    assert sampled.get(f"/v1/models/{path}").status_code == status


def test_metrics_say_what_was_sampled_and_which_layers_have_drifted(folder: Path) -> None:
    app = create_app(Settings(models=folder, provider="cpu", live_share=1, request_timeout_seconds=600))
    with served(app) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        found = app.state.services.scheduler.statistics
        classify(client, dark(256, seed=1), "watched")
        until(lambda: bool(found.drifted()))
        assert set(found.drifted().values()) == {0}
        classify(client, 255 - dark(256, seed=1), "watched")
        until(lambda: 1 in found.drifted().values())
        told = statistics(client, "/v1/models/watched/live-statistics")
        text = client.get("/metrics").text
    for name, count in (("seen", told["images"]), ("dropped", told["dropped"]), ("failed", told["failed"])):
        assert f'fovea_live_images_total{{model="watched",result="{name}",version="1"}} {float(count)}' in text
    for layer in told["layers"]:
        line = f'fovea_live_layer_drifted{{layer="{layer["id"]}",model="watched",version="1"}}'
        assert f"{line} {float(layer['drift']['drifted'])}" in text
