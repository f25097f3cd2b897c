"""The networks: their comments tell the truth, their names are the layers'."""

import inspect
import re

import pytest
import torch

from training.networks import NETWORKS
from training.parity import layer_outputs

STAGE = re.compile(r"^ +(\w+)=\w.*,  # ([\dx]+)$", re.MULTILINE)


def stated_shapes(name: str) -> dict[str, str]:
    return dict(STAGE.findall(inspect.getsource(NETWORKS[name])))


def image_batch(normalized: str) -> torch.Tensor:
    channels, height, width = map(int, normalized.split("x"))
    return torch.zeros(2, height, width, channels, dtype=torch.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shape_in_each_comment_is_what_the_stage_gives(name: str) -> None:
    stated, network = stated_shapes(name), NETWORKS[name]()
    outputs = layer_outputs(network, list(stated), image_batch(stated["normalize"]))
    assert {stage: "x".join(map(str, output.shape[1:])) for stage, output in outputs.items()} == stated


@pytest.mark.parametrize("name", NETWORKS)
def test_every_stage_has_its_shape_in_a_comment(name: str) -> None:
    assert list(stated_shapes(name)) == [stage for stage, _ in NETWORKS[name]().named_children()]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_number_of_parameters_is_the_stated_one(name: str) -> None:
    stated = re.search(r"([\d,]+) parameters", NETWORKS[name].__doc__ or "")
    assert stated
    assert int(stated[1].replace(",", "")) == sum(p.numel() for p in NETWORKS[name]().parameters())


def test_resnet_18_has_the_names_of_torchvisions_published_weights() -> None:
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{part}" for part in parts)}
    for block in (f"layer{stage}.{index}" for stage in (1, 2, 3, 4) for index in (0, 1)):
        for number in (1, 2):
            expected |= {f"{block}.conv{number}.weight", *(f"{block}.bn{number}.{part}" for part in parts)}
    for block in ("layer2.0", "layer3.0", "layer4.0"):
        expected |= {f"{block}.downsample.0.weight", *(f"{block}.downsample.1.{part}" for part in parts)}
    names = set(NETWORKS["resnet18"]().state_dict())
    assert names - {"normalize.mean", "normalize.std"} == expected
