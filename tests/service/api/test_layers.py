import httpx


def test_the_layers_are_listed_in_short_in_the_order_they_run(client: httpx.Client) -> None:
    answer = client.get("/v1/models/grey/layers").json()
    assert (answer["model"], answer["version"]) == ("grey", 1)
    assert [layer["id"] for layer in answer["layers"] if layer["stage"] == "network"][:2] == ["conv", "relu_1"]
    (conv,) = [layer for layer in answer["layers"] if layer["id"] == "conv"]
    assert conv == {
        "id": "conv",
        "aliases": ["conv_1"],
        "kind": "conv",
        "stage": "network",
        "output_shape": [1, 5, 8, 8],
    }


def test_every_listed_layer_has_a_page_with_its_row_of_the_table(client: httpx.Client) -> None:
    rows = client.get("/v1/models/grey/layer-shapes").json()["layers"]
    listed = client.get("/v1/models/grey/versions/1/layers").json()["layers"]
    for layer, row in zip(listed, rows, strict=True):
        answer = client.get(f"/v1/models/grey/layers/{layer['id']}").json()
        assert answer["layer"] == row
        assert (answer["model"], answer["version"]) == ("grey", 1)


def test_a_layer_answers_to_its_alias(client: httpx.Client) -> None:
    assert client.get("/v1/models/grey/layers/conv_1").json()["layer"]["id"] == "conv"


def test_an_unknown_layer_is_a_404_with_the_nearest_names(client: httpx.Client) -> None:
    answer = client.get("/v1/models/grey/layers/conf")
    assert (answer.status_code, answer.json()["code"]) == (404, "layer_unknown")
    assert "conv" in answer.json()["remedy"]


def test_the_layers_of_an_unknown_model_are_a_404(client: httpx.Client) -> None:
    assert client.get("/v1/models/nobody/layers").status_code == 404
    assert client.get("/v1/models/grey/versions/9/layers/conv").status_code == 404
