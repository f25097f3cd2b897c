"""The networks: their comments tell the truth, their names are the layers'."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.networks.stages import on_paper, stages, stated_shapes
from training.graphs.parity import layer_outputs
from training.networks import NETWORKS

DOCUMENT = Path(__file__).parents[3] / "docs" / "networks.md"


def state(name: str) -> set[str]:
    return set(on_paper(name).state_dict()) - {"normalize.mean", "normalize.std"}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shape_in_each_comment_is_what_the_stage_gives(name: str) -> None:
    stated, network = stated_shapes(name), on_paper(name)
    images = torch.zeros(2, *NETWORKS[name].input_shape, dtype=torch.uint8, device="meta")
    outputs = layer_outputs(network, list(stated), images)
    assert {stage: "x".join(map(str, output.shape[1:])) for stage, output in outputs.items()} == stated


@pytest.mark.parametrize("name", NETWORKS)
def test_every_stage_has_its_shape_in_a_comment(name: str) -> None:
    assert list(stated_shapes(name)) == stages(name)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_module_is_a_stage_with_a_shape_or_written_out_in_them(name: str) -> None:
    outermost = [stage for stage in stated_shapes(name) if "." not in stage]
    assert outermost == [module for module, _ in on_paper(name).named_children()]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_number_of_parameters_is_the_stated_one(name: str) -> None:
    stated = re.search(r"([\d,]+) parameters", NETWORKS[name].build.__doc__ or "")
    assert stated
    assert int(stated[1].replace(",", "")) == sum(p.numel() for p in on_paper(name).parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_document_names_it_with_its_parameters(name: str) -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("|") and f"`{name}`" in line]
    assert any(f"{sum(p.numel() for p in on_paper(name).parameters()):,}" in row for row in rows)


def test_alexnet_has_the_sizes_of_the_lectures_table() -> None:
    stated = stated_shapes("alexnet")
    table = ("conv1", "pool1", "norm1", "conv2", "pool2", "norm2", "conv3", "conv4", "conv5", "pool3")
    assert [stated[stage] for stage in table] == [
        "96x55x55",
        "96x27x27",
        "96x27x27",
        "256x27x27",
        "256x13x13",
        "256x13x13",
        "384x13x13",
        "384x13x13",
        "256x13x13",
        "256x6x6",
    ]
    assert [stated[stage] for stage in ("flatten", "fc6", "fc7", "fc8")] == ["9216", "4096", "4096", "1000"]


def test_the_last_hidden_layer_of_deepid_is_fed_by_the_third_pooling_and_the_fourth_convolution() -> None:
    torch.manual_seed(0)
    network = NETWORKS["deepid"].published()
    images = torch.randint(0, 256, (2, 39, 31, 3)).to(torch.uint8)
    outputs = layer_outputs(network, ["pool3", "relu4", "both"], images)
    both = torch.cat([outputs["pool3"].flatten(1), outputs["relu4"].flatten(1)], 1)
    assert torch.equal(outputs["both"], both)


@pytest.mark.parametrize("name", ["keras_1", "keras_2"])
def test_the_keras_examples_begin_as_keras_begins(name: str) -> None:
    torch.manual_seed(0)
    for module in NETWORKS[name].published().modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.bias is not None
            assert not module.bias.any()
            kernels = module.weight.detach()
            limit = (6 / (kernels[0, 0].numel() * (kernels.shape[0] + kernels.shape[1]))) ** 0.5
            assert 0.98 * limit < float(kernels.abs().max()) <= limit
            assert float(kernels.std()) == pytest.approx(limit / 3**0.5, rel=0.05)


@pytest.mark.parametrize(("name", "convolutions"), [("vgg11", 8), ("vgg16", 13)])
def test_vgg_has_the_names_of_torchvisions_published_weights(name: str, convolutions: int) -> None:
    names = state(name)
    assert {f"classifier.{layer}.{part}" for layer in (0, 3, 6) for part in ("weight", "bias")} < names
    features = on_paper(name).get_submodule("features")
    kernels = [index for index, module in features.named_children() if isinstance(module, nn.Conv2d)]
    assert len(kernels) == convolutions
    assert {f"features.{index}.{part}" for index in kernels for part in ("weight", "bias")} < names
    assert len(names) == 2 * (convolutions + 3)


def test_a_shortcut_of_resnet_20_has_no_weight_and_fills_up_with_zeros() -> None:
    block = NETWORKS["resnet20"].published().get_submodule("layer2.0.downsample")
    features = torch.arange(16 * 16.0).reshape(1, 16, 4, 4)
    shortcut = block(features)
    assert not list(block.parameters())
    assert torch.equal(shortcut[:, 8:24], features[:, :, ::2, ::2])
    assert not shortcut[:, :8].any()
    assert not shortcut[:, 24:].any()


@pytest.mark.parametrize(("name", "blocks"), [("resnet18", (2, 2, 2, 2)), ("resnet34", (3, 4, 6, 3))])
def test_a_resnet_has_the_names_of_torchvisions_published_weights(name: str, blocks: tuple[int, ...]) -> None:
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{part}" for part in parts)}
    for block in (f"layer{stage}.{index}" for stage, count in enumerate(blocks, 1) for index in range(count)):
        for number in (1, 2):
            expected |= {f"{block}.conv{number}.weight", *(f"{block}.bn{number}.{part}" for part in parts)}
    for block in ("layer2.0", "layer3.0", "layer4.0"):
        expected |= {f"{block}.downsample.0.weight", *(f"{block}.downsample.1.{part}" for part in parts)}
    assert state(name) == expected
