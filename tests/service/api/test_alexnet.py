"""AlexNet as the lecture notes' table has it, dropped into the folder and asked over HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from service.settings import Settings
from tests import networks
from tests.service.api.conftest import put, ready

URL = "/v1/models/alexnet/layer-shapes"

# conv1 is padded by 1 and 2: the "1.5" of the notes is one side 1, the other 2.
SIZES = {
    "conv1": (55, "floor((224 + 1 + 2 - 11)/4) + 1 = 55"),
    "max_pool_1": (27, "floor((55 - 3)/2) + 1 = 27"),
    "conv2": (27, "floor((27 + 2*2 - 5)/1) + 1 = 27"),
    "max_pool_2": (13, "floor((27 - 3)/2) + 1 = 13"),
    "conv3": (13, "floor((13 + 2*1 - 3)/1) + 1 = 13"),
    "conv4": (13, "floor((13 + 2*1 - 3)/1) + 1 = 13"),
    "conv5": (13, "floor((13 + 2*1 - 3)/1) + 1 = 13"),
    "max_pool_3": (6, "floor((13 - 3)/2) + 1 = 6"),
    "flatten_1": (9216, "256*6*6 = 9216"),
    "fc6": (4096, "9216 -> 4096"),
    "fc7": (4096, "4096 -> 4096"),
    "fc8": (1000, "4096 -> 1000"),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("alexnet")
    put(folder, "alexnet", networks.alexnet())
    with ready(Settings(models=folder, provider="cpu")) as client:
        yield client


@pytest.mark.parametrize("layer", list(SIZES))
def test_the_table_of_the_notes_with_its_formula(client: httpx.Client, layer: str) -> None:
    size, formula = SIZES[layer]
    (row,) = [row for row in client.get(URL).json()["layers"] if row["id"] == layer]
    assert row["output_shape"][-1] == size
    assert row["formula"] == [formula]


def test_the_table_as_text_prints_every_formula(client: httpx.Client) -> None:
    text = client.get(URL, params={"format": "text"}).text
    assert all(formula in text for _, formula in SIZES.values())
