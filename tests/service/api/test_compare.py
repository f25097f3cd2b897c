import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from PIL import Image

from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, ready

A, B = png(pixels(0)), png(pixels(1))
URL = "/v1/models/grey/compare"
TWO = [("file", ("a.png", A)), ("file", ("b.png", B))]


def grey(seed: int, **options: Any) -> onnx.ModelProto:
    return tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1, seed=seed, **options)


def renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """As if somebody had called the convolution `first`."""
    for node in model.graph.node:
        node.input[:] = [name.replace("conv.", "first.") for name in node.input]
    for weight in model.graph.initializer:
        weight.name = weight.name.replace("conv.", "first.")
    return model


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """grey: 0 has other weights than 1, 2 another name of a layer, 3 other classes, 4 a larger picture."""
    folder = tmp_path_factory.mktemp("versions")
    put(folder, "grey", named(grey(1)), 0)
    put(folder, "grey", named(grey(0)), 1)
    put(folder, "grey", named(renamed(grey(0))), 2)
    put(folder, "grey", grey(0, classes=6), 3)
    put(folder, "grey", named(grey(0, side=12)), 4)
    put(folder, "probable", tiny_models.classifier(ending="Softmax"))
    put(folder, "upscaler", tiny_models.upscaler(), 0)
    put(folder, "upscaler", tiny_models.upscaler(), 1)
    with ready(Settings(models=folder, provider="cpu")) as client:
        yield client


def seen(client: httpx.Client, version: int, layer: str, picture: bytes = A) -> np.ndarray:
    url = f"/v1/models/grey/versions/{version}/feature-maps"
    answer = client.post(url, params={"layers": layer, "format": "npz"}, content=picture)
    values: np.ndarray = np.load(io.BytesIO(answer.content))[layer]
    return values


def compared(client: httpx.Client, query: str, *pictures: bytes, version: int = 1) -> Any:
    files = [("file", ("one.png", picture)) for picture in pictures]
    answer = client.post(f"/v1/models/grey/versions/{version}/compare?{query}", files=files)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_two_images_are_compared_in_every_layer(versions: httpx.Client) -> None:
    answer = versions.post("/v1/models/grey/versions/1/compare", files=TWO).json()
    assert (answer["model"], answer["version"]) == ("grey", 1)
    assert (answer["a"], answer["b"]) == ({"image": "a.png", "version": 1}, {"image": "b.png", "version": 1})
    assert [layer["kinds"][0] for layer in answer["layers"][-4:]] == ["relu", "global_average_pool", "flatten", "dense"]
    assert answer["only_in_a"] == answer["only_in_b"] == []


def test_the_measures_are_those_of_the_feature_maps_of_both(versions: httpx.Client) -> None:
    (layer,) = compared(versions, "layers=conv", A, B)["layers"]
    a, b = (seen(versions, 1, "conv", picture).astype(float) for picture in (A, B))
    assert (layer["a"]["min"], layer["b"]["max"]) == (pytest.approx(a.min()), pytest.approx(b.max()))
    found = layer["difference"]
    assert found["relative"] == pytest.approx(np.linalg.norm(b - a) / np.linalg.norm(a), rel=1e-5)
    assert found["pearson"] == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], rel=1e-5)
    assert abs(b - a)[tuple(found["at"])] == abs(b - a).max()


def test_one_image_through_two_versions(versions: httpx.Client) -> None:
    answer = compared(versions, "layers=conv,dense&with_version=0", A)
    assert (answer["a"]["version"], answer["b"]["version"]) == (1, 0)
    conv = answer["layers"][0]["difference"]
    a, b = (seen(versions, version, "conv").astype(float) for version in (1, 0))
    assert conv["mean"] == pytest.approx(abs(b - a).mean(), rel=1e-5)


def test_an_image_does_not_differ_from_itself(versions: httpx.Client) -> None:
    for answer in (compared(versions, "", A, A), compared(versions, "with_version=1", A)):
        for layer in answer["layers"]:
            assert (layer["difference"]["max"], layer["difference"]["relative"]) == (0, 0)
        assert answer["answers"]["same_class"]
        assert {change["change"] for change in answer["answers"]["changes"]} == {0}


def test_both_answers_are_those_of_classify(versions: httpx.Client) -> None:
    answers = compared(versions, "layers=dense&top=3&with_version=0", A)["answers"]
    for side, version in (("a", 1), ("b", 0)):
        url = f"/v1/models/grey/versions/{version}/classify?top=3"
        expected = versions.post(url, content=A).json()["results"][0]["predictions"]
        for found, prediction in zip(answers[side], expected, strict=True):
            assert (found["label"], found["index"]) == (prediction["label"], prediction["index"])
            assert found["probability"] == pytest.approx(prediction["probability"], abs=1e-5)
    assert answers["same_class"] == (answers["a"][0]["label"] == answers["b"][0]["label"])
    first = answers["changes"][0]
    assert first["change"] == pytest.approx(first["probabilities"][1] - first["probabilities"][0])
    sizes = [abs(change["change"]) for change in answers["changes"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_softmax_in_the_graph_is_not_applied_again(versions: httpx.Client) -> None:
    answer = versions.post("/v1/models/probable/compare?layers=softmax", files=TWO).json()
    (layer,) = answer["layers"]
    best = answer["answers"]["a"][0]
    assert best["logit"] is None
    assert best["probability"] == pytest.approx(layer["a"]["max"], rel=1e-5)


def test_layers_that_only_one_version_has_are_named(versions: httpx.Client) -> None:
    answer = compared(versions, "with_version=2", A)
    assert (answer["only_in_a"], answer["only_in_b"]) == (["conv"], ["first"])
    assert "dense" in [layer["id"] for layer in answer["layers"]]
    answer = compared(versions, "with_version=2&layers=first", A)
    assert (answer["layers"], answer["only_in_a"], answer["only_in_b"]) == ([], [], ["first"])


def test_versions_with_other_classes_have_two_answers_and_no_changes(versions: httpx.Client) -> None:
    answer = compared(versions, "with_version=3&layers=dense", A)
    assert answer["answers"]["changes"] is None
    assert answer["answers"]["b"][0]["label"].startswith("class_")
    (dense,) = answer["layers"]
    assert (dense["a"]["shape"], dense["b"]["shape"], dense["difference"]) == ([1, 4], [1, 6], None)


def test_each_version_is_given_the_picture_at_its_own_size(versions: httpx.Client) -> None:
    layers = compared(versions, "with_version=4&layers=conv,dense", A)["layers"]
    assert (layers[0]["b"]["shape"], layers[0]["difference"]) == ([1, 5, 12, 12], None)
    assert layers[1]["difference"]["max"] > 0


def test_a_network_without_classes_is_compared_without_answers(versions: httpx.Client) -> None:
    answer = versions.post("/v1/models/upscaler/compare?with_version=0&layers=conv", content=A).json()
    assert answer["answers"] is None
    assert answer["layers"][0]["difference"]["max"] == 0


def test_the_numbers_of_both_and_their_difference_come_as_npz(versions: httpx.Client) -> None:
    url = "/v1/models/grey/versions/1/compare?layers=conv,first,transpose*&with_version=2&format=npz"
    arrays = dict(np.load(io.BytesIO(versions.post(url, content=A).content)))
    assert {"conv/a", "first/b", "transpose_1/a", "transpose_1/b", "transpose_1/difference"} == arrays.keys()
    answer = versions.post("/v1/models/grey/versions/1/compare?layers=conv&format=npz", files=TWO)
    arrays = dict(np.load(io.BytesIO(answer.content)))
    assert np.array_equal(arrays["conv/difference"], arrays["conv/b"] - arrays["conv/a"])
    assert np.array_equal(arrays["conv/a"], seen(versions, 1, "conv"))


def test_the_picture_of_a_layer_has_triples_and_its_legend_both_ranges(versions: httpx.Client) -> None:
    answer = versions.post("/v1/models/grey/versions/1/compare?layers=conv&format=png", files=TWO)
    legend = json.loads(answer.headers["X-Legend"])
    assert legend["panels"] == ["a", "b", "b - a"]
    assert legend["channels"] == [0, 1, 2, 3, 4]
    a, b = (seen(versions, 1, "conv", picture) for picture in (A, B))
    assert legend["difference"][0] <= abs(b - a).max() * 1.0001
    assert legend["high"][0] <= max(abs(a).max(), abs(b).max()) * 1.0001
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.info["fovea.scale"] == "shared"


def test_one_channel_can_be_shown_alone(versions: httpx.Client) -> None:
    answer = versions.post("/v1/models/grey/versions/1/compare?layers=conv&format=png&channel=2", files=TWO)
    assert json.loads(answer.headers["X-Legend"])["channels"] == [2]


@pytest.mark.parametrize(
    ("query", "pictures", "status", "text"),
    [
        ("", [A], 422, "send two, or one with with_version=N"),
        ("with_version=0", [A, B], 422, "send one with with_version"),
        ("with_version=9", [A], 404, "its versions: 0, 1, 2, 3, 4"),
        ("with_version=-1", [A], 422, "greater than or equal to 0"),
        ("layers=konv&with_version=0", [A], 404, "nearest names: conv"),
        ("layers=conv,relu&format=png", [A, B], 422, "a png shows one layer and this means 2"),
        ("layers=first&format=png&with_version=2", [A], 422, "only one of the two versions has this layer"),
        ("layers=dense&format=png&with_version=3", [A], 422, "the two have the shapes 1x4 and 1x6"),
        ("layers=conv&format=png&channel=5", [A, B], 422, "channels 0 to 4"),
        ("layers=conv&format=png&page=2", [A, B], 422, "pages 1 to 1"),
        ("with_versions=0", [A], 422, "Extra inputs"),
        ("", [A, B, A], 422, "send at most 2 at a time"),
        ("", [A, b"<html></html>"], 415, "not a supported image"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_would_do(
    versions: httpx.Client, query: str, pictures: list[bytes], status: int, text: str
) -> None:
    files = [("file", ("one.png", picture)) for picture in pictures]
    answer = versions.post(f"/v1/models/grey/versions/1/compare?{query}", files=files)
    assert answer.status_code == status, answer.text
    assert text in answer.json()["detail"] + answer.json()["remedy"]


def test_no_image_is_told_so(versions: httpx.Client) -> None:
    assert versions.post(URL).json()["code"] == "image_missing"
