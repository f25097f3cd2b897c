import httpx


def test_the_list_says_what_serves_what_does_not_and_what_is_ignored(client: httpx.Client) -> None:
    answer = client.get("/v1/models").json()
    states = {model["name"]: model["state"] for model in answer["models"]}
    assert states == {
        "broken": "unavailable",
        "foreign": "ready",
        "grey": "ready",
        "probable": "ready",
        "upscaler": "ready",
    }
    assert answer["provider"] == "cpu"
    assert [item["file"] for item in answer["ignored"]] == ["my model.onnx"]


def test_a_model_describes_its_versions(client: httpx.Client) -> None:
    answer = client.get("/v1/models/grey").json()
    assert answer["classes"] == ["ant", "bee", "cat", "dog"]
    (version,) = answer["versions"]
    assert version["default"]
    assert version["input"] == {"name": "image", "dtype": "uint8", "layout": "NHWC", "shape": [None, 8, 8, 1]}
    assert version["checksum"] == "verified"
    assert version["metrics"]["accuracy"] == 0.5
    assert version["provenance"]["recipe"] == "tiny"


def test_a_foreign_file_has_no_checksum_and_its_assumptions_are_listed(client: httpx.Client) -> None:
    (version,) = client.get("/v1/models/foreign").json()["versions"]
    assert version["checksum"] == "not stated"
    assert version["assumed"] == ["class_names", "preprocessing"]
    assert version["preprocessing"]["mean"] == [0.485, 0.456, 0.406]


def test_a_refused_version_has_its_reason(client: httpx.Client) -> None:
    (version,) = client.get("/v1/models/broken").json()["versions"]
    assert version["state"] == "unavailable"
    assert version["reason"].startswith("model_corrupt")


def test_a_network_without_classes_says_so(client: httpx.Client) -> None:
    (version,) = client.get("/v1/models/upscaler").json()["versions"]
    assert version["classifies"] is False


def test_an_unknown_model_is_a_404(client: httpx.Client) -> None:
    assert client.get("/v1/models/none").json()["code"] == "model_unknown"
