from typing import Any

import httpx
import pytest

URL = "/v1/layer-shapes"
CONV = {"kind": "conv", "out_channels": 4, "kernel": 3}


def body(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"input": {"channels": 3, "height": 8, "width": 8}, "layers": list(layers)}


def test_layers_without_a_model_have_the_same_table(client: httpx.Client) -> None:
    table = client.post(URL, json=body(CONV)).json()
    (conv,) = table["layers"]
    assert (conv["output_shape"], conv["formula"]) == ([1, 4, 6, 6], ["floor((8 - 3)/1) + 1 = 6"])
    assert conv["parameters_formula"] == "4*3*3*3 + 4 = 112"
    fields = client.get("/v1/models/grey/layer-shapes").json()
    assert set(fields) - set(table) == {"model", "version"}
    assert set(fields["layers"][0]) == set(conv)


@pytest.mark.parametrize(
    ("form", "media_type", "part"),
    [
        ("text", "text/plain", "floor((8 - 3)/1) + 1 = 6 "),
        ("markdown", "text/markdown", "| `floor((8 - 3)/1) + 1 = 6` |"),
        ("csv", "text/csv", ",floor((8 - 3)/1) + 1 = 6,"),
    ],
)
def test_the_calculator_answers_in_every_form(client: httpx.Client, form: str, media_type: str, part: str) -> None:
    answer = client.post(URL, params={"format": form}, json=body(CONV))
    assert answer.headers["content-type"].startswith(media_type)
    assert part in answer.text


def test_an_impossible_layer_is_a_422_that_says_why(client: httpx.Client) -> None:
    answer = client.post(URL, json=body(CONV, CONV | {"kernel": 7, "id": "second"}))
    assert answer.status_code == 422
    assert answer.json()["detail"] == "layers.1.kernel=7 cannot be used"
    assert answer.json()["remedy"].startswith(
        "second: its window does not fit into its input: floor((6 - 7)/1) + 1 = 0"
    )


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (
            body(CONV, CONV | {"kernel": "x"}),
            "layers.1.kernel='x' cannot be used: give one whole number of 1 to 65,536",
        ),
        (body({"kind": "conv", "kernel": 3}), "layers.0.out_channels is missing"),
        (body(CONV | {"colour": 1}), "layers.0.colour=1 cannot be used"),
        (body({"kind": "convolution"}), "layers.0={'kind': 'convolution'} cannot be used"),
        (body({"kernel": 3}), "layers.0={'kernel': 3} cannot be used"),
        (body(), "layers=[] cannot be used"),
        ({"layers": [CONV]}, "input is missing"),
        (body(CONV) | {"input": [3, 8, "8"]}, "input=[3, 8, '8'] cannot be used: give {"),
        (body(CONV) | {"batch": 0}, "batch=0 cannot be used"),
    ],
)
def test_a_number_that_cannot_be_read_is_a_422_at_its_place(
    client: httpx.Client, sent: dict[str, Any], detail: str
) -> None:
    answer = client.post(URL, json=sent)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b'{"input": [3, 1e999, NaN], "layers": []}'])
def test_a_body_that_is_no_network_is_the_clients_fault(client: httpx.Client, content: bytes) -> None:
    answer = client.post(URL, content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)


def test_the_docs_show_each_kind_of_layer(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    kinds = schemas["WrittenNetwork"]["properties"]["layers"]["items"]["discriminator"]["mapping"]
    assert kinds["conv"] == "#/components/schemas/Convolution"
    assert {"max_pool", "transposed_conv", "dense", "flatten", "relu", "upsample", "pad"} <= set(kinds)


def test_the_example_in_the_docs_works(client: httpx.Client) -> None:
    (example,) = client.get("/openapi.json").json()["components"]["schemas"]["WrittenNetwork"]["examples"]
    table = client.post(URL, json=example).json()
    assert table["layers"][0]["formula"] == ["floor((227 - 11)/4) + 1 = 55"]
