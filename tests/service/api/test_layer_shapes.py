import httpx
import pytest

URL = "/v1/models/grey/layer-shapes"


def test_the_table_has_the_formula_with_its_numbers(client: httpx.Client) -> None:
    table = client.get(URL).json()
    (conv,) = [layer for layer in table["layers"] if layer["id"] == "conv"]
    assert conv["output_shape"] == [1, 5, 8, 8]
    assert conv["formula"] == ["floor((8 + 2*1 - 3)/1) + 1 = 8"]
    assert conv["parameters"] == 5 * 9 + 5


def test_another_batch_and_the_same_table_as_text(client: httpx.Client) -> None:
    assert client.get(URL, params={"batch": 7}).json()["layers"][-1]["output_shape"] == [7, 4]
    answer = client.get(URL, params={"format": "text"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert "floor((8 + 2*1 - 3)/1) + 1 = 8" in answer.text


@pytest.mark.parametrize(("form", "media_type"), [("markdown", "text/markdown"), ("csv", "text/csv")])
def test_the_other_forms_have_their_media_types(client: httpx.Client, form: str, media_type: str) -> None:
    answer = client.get(URL, params={"format": form})
    assert answer.headers["content-type"].startswith(media_type)
    assert "conv" in answer.text


def test_a_size_that_the_file_has_fixed_is_refused_with_the_value(client: httpx.Client) -> None:
    answer = client.get(URL, params={"height": 9})
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")
    assert "height=9" in answer.json()["detail"]


@pytest.mark.parametrize("query", ["height=0", "width=-1", "batch=1e9", "format=xml", "size=9"])
def test_a_parameter_that_cannot_be_used_is_a_422(client: httpx.Client, query: str) -> None:
    assert client.get(f"{URL}?{query}").status_code == 422


def test_a_network_without_classes_has_a_table_too(client: httpx.Client) -> None:
    assert client.get("/v1/models/upscaler/layer-shapes").status_code == 200
